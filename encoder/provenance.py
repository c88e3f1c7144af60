"""What weights have seen: which sessions, with which content, and how many of them were simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoder.checkpoint import EncoderConfig
from encoder.session_data import TactileRecording


@dataclass(frozen=True, slots=True)
class Seen:
    """Sessions that took part in training, in this run and in those that it extends."""

    fingerprints: dict[str, str]
    """`<name>#<first eight digits>`, for equal folder names stay apart, to SHA-256 of what the encoder sees of it."""
    simulated: int
    """How many of them a simulated rig recorded."""


def seen(recordings: Sequence[TactileRecording], base: EncoderConfig | None = None) -> Seen:
    """Recordings, behind all that an extended run had seen; a session that took part before counts once."""
    fingerprints = {} if base is None else dict(base.data_fingerprints)
    simulated = 0 if base is None else base.seen_simulated
    for recording in recordings:
        digest = recording.fingerprint()
        key = f"{recording.name}#{digest[:8]}"
        if key not in fingerprints:
            fingerprints[key] = digest
            simulated += recording.simulated
    return Seen(fingerprints, simulated)
