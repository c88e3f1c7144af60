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
    rejected: dict[str, int]
    refused_connections: dict[str, int]
    dropped: dict[str, int]
    targets: int
    solve_us: float
    pose_to_target_us: float
    finger_error_mm: list[float]
    wrist_jumps: int
    rtt_ms: float | None
    clock_offset_ms: float | None
    hand_state: str
    desk_dead_man: bool
    simulated: bool
    recorder: RecorderStatus
    objects: list[str]
    """Objects that the recording controls offer."""
    actions: list[str]
    """Actions that the marking controls offer."""
