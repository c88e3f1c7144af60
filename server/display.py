"""What the pages draw of the robot: joints and touch in one small binary frame, 30 times a second.

| offset | type | field |
|---|---|---|
| 0 | u8 | magic and protocol version, 0xA1 |
| 1 | u8 | frame type, 2 = display |
| 2 | u16 | flags: 1 measured joints known, 2 commanded joints known, 4 skin known, 8 skin stale |
| 4 | u32 | seq |
| 8 | f32[16] | measured joint positions, rad |
| 72 | f32[16] | commanded joint positions, rad |
| 136 | f32[7] | commanded palm, position m and quaternion xyzw, world (Z up, X forward) |
| 164 | i16[368][3] | change of flux against rest, raw counts, canonical taxel order, taxel frame |

Rest is the mean of the first frames after the server started or a person asked for it: good for eyes, while what is
recorded stays raw.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from server.protocol import MAGIC_AND_VERSION
from skin_teleop.bus import Latest
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import (
    FLAG_STALE,
    N_JOINTS,
    N_TAXELS,
    Array,
    JointState,
    JointTarget,
    SkinFrame,
    WristTarget,
)
from skin_teleop.rig import Rig

TYPE_DISPLAY = 2
HEADER = struct.Struct("<BBHI")
DISPLAY_BYTES = HEADER.size + 4 * (2 * N_JOINTS + 7) + 2 * 3 * N_TAXELS
RATE_HZ = 30
REST_FRAMES = 20
MEASURED, COMMANDED, SKIN, SKIN_STALE = 1, 2, 4, 8


class Display:
    """Takes the newest states of a rig from the bus and packs them for the pages."""

    def __init__(self, rig: Rig, runtime: Path) -> None:
        self._joints = Latest(runtime, "hand", JointState, rig.hand.name)
        self._targets = Latest(runtime, "server", JointTarget, f"{rig.hand.name}_target")
        self._wrists = Latest(runtime, "server", WristTarget, "wrist")
        self._skin = Latest(runtime, "skin", SkinFrame, rig.skin.name)
        self._flags = self._seq = 0
        self._measured = self._commanded = np.zeros(N_JOINTS, "<f4")
        self._palm: Array = np.array([0, 0, 0, 0, 0, 0, 1], "<f4")
        self._change: Array = np.zeros((N_TAXELS, 3), "<i2")
        self._due_ns = 0
        self.take_rest()

    def take_rest(self) -> None:
        """Take the next frames of the skin as its picture at rest."""
        self._rest_sum, self._rest_frames = np.zeros((N_TAXELS, 3)), 0

    def frame_at(self, now_ns: int) -> bytes | None:
        """The next frame where one is due, monotonic ns."""
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + NS_PER_S // RATE_HZ
        self._look()
        self._seq += 1
        header = HEADER.pack(MAGIC_AND_VERSION, TYPE_DISPLAY, self._flags, self._seq)
        parts = (self._measured, self._commanded, self._palm, self._change)
        return header + b"".join(part.tobytes() for part in parts)

    def close(self) -> None:
        """Release the sockets."""
        for socket in (self._joints, self._targets, self._wrists, self._skin):
            socket.close()

    def _look(self) -> None:
        if (state := self._joints.take()) is not None:
            self._measured, self._flags = state.position.astype("<f4"), self._flags | MEASURED
        if (target := self._targets.take()) is not None:
            self._commanded, self._flags = target.target.astype("<f4"), self._flags | COMMANDED
        if (wrist := self._wrists.take()) is not None:
            self._palm = wrist.pose.astype("<f4")
        if (skin := self._skin.take()) is not None:
            self._touch(skin)

    def _touch(self, skin: SkinFrame) -> None:
        stale = SKIN_STALE if skin.flags & FLAG_STALE else 0
        self._flags = self._flags & ~SKIN_STALE | SKIN | stale
        flux = skin.flux.astype(float)
        if self._rest_frames < REST_FRAMES:
            self._rest_sum += flux
            self._rest_frames += 1
        change = np.rint(flux - self._rest_sum / self._rest_frames)
        self._change = np.clip(change, -32768, 32767).astype("<i2")
