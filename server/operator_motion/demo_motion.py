"""The demo's operator: one smooth motion that squeezes, turns, lifts and drops a can and presses on a box.

Keyframes are joined by minimum-jerk segments (Flash and Hogan 1985, J. Neurosci. 5:1688), which is how people reach.
All places are given in the robot's world frame (Z up, X forward, metres) relative to the wrist's home pose and turned
into XR coordinates at the end, so that the trace is what a headset would have sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.operator_motion.human_hand import HandShape, hand_pose
from server.trace import Trace, TraceMark
from skin_teleop.transforms import Array, rotation_about

RATE_HZ = 72.0
"""Default display rate of a Quest 3 session; the poses come once a frame."""

WORLD_TO_XR = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
"""World (X forward, Y left, Z up) to XR local-floor (X right, Y up, -Z forward)."""
CHEST_XR_M = np.array([0.2, 1.1, -0.35])
"""Where the operator's right wrist is at home, XR local-floor frame, m."""
HANDSHAKE_XR = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Wrist frame to XR at home: fingers forward, thumb up, palm to the left."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """Where the operator is at one moment."""

    t_s: float
    shape: HandShape
    offset_m: tuple[float, float, float] = (0, 0, 0)
    """Wrist from its home, world frame, m."""
    roll_deg: float = 0
    """Turn of the wrist about the forearm; -90 puts the palm down."""
    orbit_deg: float = 0
    """Turn of the whole hand about the vertical axis through `pivot_m`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An action that the operator announces while doing it."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class OperatorTrace:
    """A motion as a headset would have sent it."""

    pose: Array
    """(T, 25, 7) float32, right hand, XR local-floor frame."""
    t_s: Array
    """(T,) seconds from 0."""
    marks: tuple[Mark, ...]

    def as_trace(self) -> Trace:
        """The motion in the form that an operator client plays."""
        edges = [TraceMark(mark.start_s, mark.label, "begin") for mark in self.marks]
        edges += [TraceMark(mark.end_s, mark.label, "end") for mark in self.marks]
        valid = np.ones(len(self.t_s), bool)
        return Trace(self.pose, valid, self.t_s, tuple(sorted(edges, key=lambda edge: edge.t_s)))


def minimum_jerk(fraction: Array) -> Array:
    """Share of the way covered after a share of the time, both 0 to 1."""
    s = np.clip(fraction, 0.0, 1.0)
    eased: Array = s**3 * (10 - 15 * s + 6 * s**2)
    return eased


def play(
    keyframes: tuple[Keyframe, ...], marks: tuple[Mark, ...], pivot_m: tuple[float, float, float]
) -> OperatorTrace:
    """Sample a motion at 72 Hz; `pivot_m` is the vertical orbit axis from the wrist's home, world frame, m."""
    times = np.array([key.t_s for key in keyframes])
    values = np.array([[*key.shape.angles(), *key.offset_m, key.roll_deg, key.orbit_deg] for key in keyframes])
    t = np.arange(0, times[-1], 1 / RATE_HZ)
    segment = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    share = minimum_jerk((t - times[segment]) / np.diff(times)[segment])[:, None]
    now = values[segment] + share * (values[segment + 1] - values[segment])  # (T, 22)
    pose = np.stack([_pose_of(row, np.array(pivot_m)) for row in now])
    return OperatorTrace(pose.astype(np.float32), t, marks)


def _pose_of(row: Array, pivot_m: Array) -> Array:
    angles, offset, roll, orbit = row[:17], row[17:20], row[20], row[21]
    about_pivot = rotation_about(np.array([0.0, 0.0, 1.0]), np.deg2rad(orbit))
    turned = about_pivot @ rotation_about(np.array([1.0, 0.0, 0.0]), np.deg2rad(roll))
    place = pivot_m + about_pivot @ (offset - pivot_m)
    rotation_xr = WORLD_TO_XR @ turned @ WORLD_TO_XR.T @ HANDSHAKE_XR
    return hand_pose(angles, CHEST_XR_M + WORLD_TO_XR @ place, rotation_xr)


_RELAXED = HandShape((4, 4, 4, 4), (3, 3, 3, 3), (2, 2, 2, 2), 0, 72, 47, (0, 0))
_READY = HandShape((31, 28, 29, 29), (4, 8, 4, 4), (2, 5, 2, 2), 2, 70, 80, (-10, 0))
_GRIP = HandShape((50, 43, 38, 38), (54, 65, 62, 61), (33, 45, 33, 32), 9, 75, 107, (0, 70))
_SQUEEZE = HandShape((56, 53, 42, 41), (74, 83, 84, 83), (50, 58, 48, 48), 13, 75, 110, (22, 80))
_FLAT = HandShape((2, 2, 2, 2), (2, 2, 2, 2), (1, 1, 1, 1), 0, 75, 2, (-10, -10))

_AT_CAN, _LIFTED, _CLEAR_OF_CAN = (0.035, 0.037, -0.045), (0.035, 0.037, 0.035), (0.0, -0.07, 0.03)
_ABOVE_BOX, _ON_BOX = (0.08, -0.2, -0.05), (0.08, -0.2, -0.092)
CAN_FROM_HOME_M = (0.045, 0.1, 0.0)
"""The can's axis in the simulated scene, from the wrist's home."""


def demo_trace() -> OperatorTrace:
    """Rest, then squeeze, rotation and pick-and-drop of the can, then pressing on the box; about 45 s."""
    script = _Script()
    script.hold(2.0, _RELAXED, label="rest")
    script.go(1.2, _READY)
    script.go(1.6, _READY, (0.035, 0.0, -0.045))
    script.go(1.2, _READY, _AT_CAN)
    script.go(1.2, _GRIP, _AT_CAN)
    script.swing(4, 0.55, (_SQUEEZE, _GRIP), _AT_CAN, label="squeeze")
    script.turn((24.0, -20.0, 24.0, -20.0, 0.0), 1.4, _GRIP, _AT_CAN, label="rotation")
    script.swing(3, 0.8, (_SQUEEZE, _GRIP), _AT_CAN, label="squeeze")
    script.pick_and_drop()
    script.go(1.8, _READY, _CLEAR_OF_CAN)
    script.go(2.2, _FLAT, _ABOVE_BOX, roll_deg=-88)
    script.press(4, 0.75)
    script.go(2.4, _RELAXED, _CLEAR_OF_CAN)
    return play(tuple(script.keyframes), tuple(script.marks), CAN_FROM_HOME_M)


class _Script:
    """Writes keyframes one after another, and the marks around them."""

    def __init__(self) -> None:
        self.keyframes = [Keyframe(0.0, _RELAXED)]
        self.marks: list[Mark] = []

    @property
    def now_s(self) -> float:
        return self.keyframes[-1].t_s

    def go(
        self,
        seconds: float,
        shape: HandShape,
        offset_m: tuple[float, float, float] = (0, 0, 0),
        *,
        roll_deg: float = 0,
        orbit_deg: float = 0,
    ) -> None:
        self.keyframes.append(Keyframe(self.now_s + seconds, shape, offset_m, roll_deg, orbit_deg))

    def mark(self, label: str, start_s: float) -> None:
        self.marks.append(Mark(label, start_s, self.now_s))

    def hold(self, seconds: float, shape: HandShape, *, label: str) -> None:
        start = self.now_s
        self.go(seconds, shape)
        self.mark(label, start)

    def swing(
        self,
        times: int,
        seconds: float,
        shapes: tuple[HandShape, HandShape],
        offset_m: tuple[float, float, float],
        *,
        label: str,
    ) -> None:
        start = self.now_s
        for _ in range(times):
            for shape in shapes:
                self.go(seconds, shape, offset_m)
        self.mark(label, start)

    def turn(
        self,
        orbits_deg: tuple[float, ...],
        seconds: float,
        shape: HandShape,
        offset_m: tuple[float, float, float],
        *,
        label: str,
    ) -> None:
        start = self.now_s
        for orbit in orbits_deg:
            self.go(seconds, shape, offset_m, orbit_deg=orbit)
        self.mark(label, start)

    def pick_and_drop(self) -> None:
        start = self.now_s
        self.go(0.6, _SQUEEZE, _AT_CAN)
        self.go(1.8, _SQUEEZE, _LIFTED)
        self.go(1.0, _SQUEEZE, _LIFTED)
        self.go(0.35, _READY, _LIFTED)
        self.go(1.2, _READY, _LIFTED)
        self.mark("pick-and-drop", start)

    def press(self, times: int, seconds: float) -> None:
        self.go(1.0, _FLAT, _ABOVE_BOX, roll_deg=-88)
        start = self.now_s
        for _ in range(times):
            self.go(seconds, _FLAT, _ON_BOX, roll_deg=-88)
            self.go(seconds * 0.6, _FLAT, _ON_BOX, roll_deg=-88)
            self.go(seconds, _FLAT, _ABOVE_BOX, roll_deg=-88)
        self.mark("pressing", start)
