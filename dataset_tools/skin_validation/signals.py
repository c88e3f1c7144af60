"""What two recordings of a skin are compared by: the tremble at rest, the size of signals, how many taxels are active.

Everything is taken as change from rest with the ambient field removed, so that offsets and the pose of the hand, which
differ between any two hands, play no part. Taxels that never move are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.ambient import split_ambient
from dataset_tools.reader import Session
from dataset_tools.rest import REST_NS
from dataset_tools.skin_fit.recording import SkinRecording, skin_recording
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array

SPECTRUM_ROWS = 256
"""Of a Hann window in the spectrum; 2.56 s at 100 Hz."""
ACTIVE_COUNTS = 30.0
"""A taxel is active beyond this change; about 0.02 N on the standard skin, and ten times the noise."""
AT_LEAST_S = 10.0
QUANTILES = np.linspace(0.005, 0.995, 199)


@dataclass(frozen=True, eq=False)
class SkinSignals:
    """One recording, ready to be compared."""

    recording: SkinRecording
    works: Array
    """(368,) True for taxels that moved at all."""
    touch: Array
    """(T, 368, 3) float32 change from rest without the ambient field, counts."""
    field: Array
    """(T, 18, 3) the ambient field that was taken out, pad frames, counts."""
    rest_rows: slice

    @property
    def rate_hz(self) -> float:
        """Rows a second."""
        return float(1 / np.median(np.diff(self.recording.t_s)))

    @property
    def active(self) -> Array:
        """(T,) number of active taxels."""
        return np.asarray((np.linalg.norm(self.touch, axis=-1) > ACTIVE_COUNTS)[:, self.works].sum(1))

    @property
    def quantiles(self) -> Array:
        """(199, 3) of the changes of all working taxels, by axis, counts."""
        return np.asarray(np.quantile(self.touch[:, self.works].reshape(-1, 3), QUANTILES, axis=0))


def skin_signals(session: Session) -> SkinSignals:
    """Read a session; raises SessionError where it is too short to compare."""
    recording = skin_recording(session)
    if recording.seconds < AT_LEAST_S:
        raise SessionError(
            f"{session.path} was to be compared",
            found=f"{recording.seconds:.1f} s",
            allowed=f"at least {AT_LEAST_S:.0f} s",
            next_step="record longer, with a rest at the start",
        )
    start_ns = int(recording.t_mono_ns[0])
    span_ns = session.rest_span_ns or (start_ns, start_ns + REST_NS)
    first, last = (int(row) for row in np.searchsorted(recording.t_mono_ns, span_ns))
    rest = slice(first, max(last, first + 2))
    flux = recording.flux
    works = (flux != flux[0]).any(axis=(0, 2))
    touch, field = split_ambient(flux - np.median(flux[rest], axis=0).astype(np.float32), recording.layout)
    return SkinSignals(recording, works, touch, field, rest)


def rest_spectrum(signals: SkinSignals) -> tuple[Array, Array] | None:
    """Frequencies (F,) Hz and mean power density (F,) counts^2/Hz at rest; None where the rest is too short.

    P. Welch's method (IEEE Trans. Audio Electroacoust. 15, 1967): Hann windows that overlap by half, mean over windows,
    axes and working taxels.
    """
    rest = signals.recording.flux[signals.rest_rows][:, signals.works].astype(np.float32)
    if len(rest) < SPECTRUM_ROWS:
        return None
    window = np.hanning(SPECTRUM_ROWS)[:, None, None]
    starts = range(0, len(rest) - SPECTRUM_ROWS + 1, SPECTRUM_ROWS // 2)
    powers = []
    for start in starts:
        part = rest[start : start + SPECTRUM_ROWS]
        powers.append(np.square(np.abs(np.fft.rfft((part - part.mean(0)) * window, axis=0))).mean((1, 2)))
    density = np.mean(powers, axis=0) * 2 / (signals.rate_hz * np.square(window).sum())
    return np.fft.rfftfreq(SPECTRUM_ROWS, 1 / signals.rate_hz)[1:], density[1:]


def rest_noise_counts(signals: SkinSignals) -> float:
    """Root mean square over working taxels and axes of their deviation at rest, counts."""
    rest = signals.recording.flux[signals.rest_rows][:, signals.works].astype(np.float32)
    return float(np.sqrt(rest.var(axis=0).mean()))


def spectral_distance_db(one: tuple[Array, Array] | None, other: tuple[Array, Array] | None) -> float | None:
    """Mean size of the ratio of two power spectra, dB; None where one is missing."""
    if one is None or other is None:
        return None
    again = np.interp(one[0], *other)
    return float(np.abs(10 * np.log10(one[1] / again)).mean())
