"""The web application: a status page, its JSON, and the operator's socket."""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec
from fastapi import FastAPI, Response, WebSocket

from server.access import Gate
from server.follower import Follower
from server.operator_session import operator_session
from server.teleop import Teleop
from skin_teleop.clock import NS_PER_MS

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""The page is one file; it may talk to this server and to nobody else."""


def create_app(teleop: Teleop, follower: Follower, gate: Gate) -> FastAPI:
    """Wire the routes; the generated API pages are off because they load scripts from elsewhere."""
    app = FastAPI(title="skin-teleop", docs_url=None, redoc_url=None, openapi_url=None)
    page = (resources.files("server") / "pages" / "status.html").read_text()

    @app.get("/")
    def status_page() -> Response:
        return Response(page, media_type="text/html", headers=SECURITY)

    @app.get("/api/status")
    async def status() -> dict[str, Any]:
        return status_report(teleop, follower, gate)

    @app.websocket("/ws/operator")
    async def operator(websocket: WebSocket) -> None:
        await operator_session(websocket, teleop, gate)

    return app


def status_report(teleop: Teleop, follower: Follower, gate: Gate) -> dict[str, Any]:
    """What the page shows, units in the names."""
    rtt_ns, offset_ns = teleop.clock.rtt_ns, teleop.clock.offset_ns
    return {
        "rig": teleop.rig.name,
        "state": teleop.state.state.word,
        "cause": teleop.state.cause,
        "connected": gate.seat_taken,
        "driven_hand": teleop.rig.server.driven_hand,
        "poses": teleop.poses,
        "poses_per_s": teleop.poses_per_s,
        "rejected": teleop.rejected,
        "refused_connections": gate.refused,
        "dropped": teleop.dropped,
        "targets": follower.targets,
        "solve_us": round(follower.solve_us, 1),
        "pose_to_target_us": round(follower.pose_to_target_us, 1),
        "finger_error_mm": [round(1000 * error, 1) for error in follower.finger_error_m],
        "wrist_jumps": follower.wrist_jumps,
        "rtt_ms": None if rtt_ns is None else rtt_ns / NS_PER_MS,
        "clock_offset_ms": None if offset_ns is None else offset_ns / NS_PER_MS,
        "recorder": msgspec.to_builtins(teleop.recorder_status),
    }
