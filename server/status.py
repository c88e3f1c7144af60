"""What the pages say about a running server, with units in the names."""

from __future__ import annotations

import msgspec

from skin_teleop.messages import RecorderStatus


class StatusReport(msgspec.Struct, frozen=True):
    """One report; the desk page gets it twice a second, a program reads it as JSON from /api/status."""

    rig: str
    state: str
    cause: str
    connected: bool
    desk_pages: int
    driven_hand: str
    poses: int
    poses_per_s: float
    distinct_poses_per_s: float
    """Those in which the driven hand changed: browsers may repeat a pose."""
    rejected: dict[str, int]
    refused_connections: dict[str, int]
    dropped: dict[str, int]
    targets: int
    solve_us: float
    pose_to_target_us: float
    age_p50_ms: float | None
    """From the headset's frame to the command, last seconds; true to half a round trip."""
    age_p95_ms: float | None
    finger_error_mm: list[float]
    wrist_jumps: int
    held_because: str
    """Why the last target is kept although poses arrive; empty while the hand is followed."""
    held_poses: int
    rtt_ms: float | None
    clock_offset_ms: float | None
    hand_state: str
    desk_dead_man: bool
    simulated: bool
    recorder: RecorderStatus
    session_s: float | None
    """Since the recorder said that it records; null while it does not."""
    disk_free_gb: float
    """Where sessions are written."""
    operator: str
    operators: list[str]
    """Names that are offered; the last one is nobody's yet."""
    calibration_version: int
    """Which of the operator's calibrations is used; 0 for the rig file's or none."""
    calibration_quality: float | None
    finger_scale: list[float]
    objects: list[str]
    """Objects that the recording controls offer."""
    actions: list[str]
    """Actions that the marking controls offer."""
