"""Whole recordings to the parts of a study: leave out objects, or sessions, and judge on what was left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from encoder.session_data import TactileRecording
from encoder.windows import HELD_OUT, TRAIN
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Which recordings nothing may be learnt from."""

    objects: Collection[str] = ()
    sessions: Collection[str] = ()
    """Names of session folders."""

    def holds(self, recording: TactileRecording) -> bool:
        """True where the recording is to be left out."""
        return recording.object_name in self.objects or recording.name in self.sessions

    def kept(self, recordings: Sequence[TactileRecording]) -> list[TactileRecording]:
        """The recordings that may be learnt from; raises SessionError for a name that fits none, or if none is left."""
        known = {recording.object_name for recording in recordings} | {recording.name for recording in recordings}
        unknown = sorted({*self.objects, *self.sessions} - known)
        kept = [recording for recording in recordings if not self.holds(recording)]
        if unknown or not kept:
            raise SessionError(
                "some recordings were to be left out",
                found=f"no recording of {', '.join(unknown)}" if unknown else "no recording is left",
                allowed=", ".join(sorted(known - {""})),
                next_step="skin-teleop sessions DIR lists the objects",
            )
        return kept


def part_of_recordings(recordings: Sequence[TactileRecording], leave_out: LeaveOut) -> Array:
    """(R,) int8 part of each whole recording: HELD_OUT where it is left out, else TRAIN."""
    leave_out.kept(recordings)
    return np.array([HELD_OUT if leave_out.holds(recording) else TRAIN for recording in recordings], np.int8)


def with_some_sessions(
    recordings: Sequence[TactileRecording], leave_out: LeaveOut, share: float, seed: int
) -> LeaveOut:
    """Leave out, besides, a share of the sessions of every other object that has two or more, drawn by a seed."""
    rng = np.random.default_rng([seed, 17])
    kept = leave_out.kept(recordings)
    names: list[str] = []
    for thing in sorted({recording.object_name for recording in kept}):
        of_thing = [recording.name for recording in kept if recording.object_name == thing]
        count = max(1, round(share * len(of_thing))) if len(of_thing) > 1 else 0
        names += rng.permutation(of_thing)[:count].tolist()
    return LeaveOut(leave_out.objects, tuple(sorted({*leave_out.sessions, *names})))
