"""The web application: the pages, their JSON, pairing, and the two sockets of operators and desk pages."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse

from server.access import FOREIGN_PAGE, Gate, is_loopback
from server.client_files import ClientFiles
from server.desk_session import desk_session
from server.hand_drawing import hand_drawing
from server.operator_session import operator_session
from server.reporter import Reporter
from server.teleop import Teleop
from skin_teleop.errors import AccessError

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "worker-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Pages load from this server, talk to it, and to nobody else."""
ONE_FILE = {
    **SECURITY,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; frame-ancestors 'none'",
}
"""The status page is one file, script included, so that it works in a clone without Node."""
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
"""Bundled files carry a hash of their content in their name."""
MAX_PAIRING_BYTES = 256


def create_app(teleop: Teleop, reporter: Reporter, gate: Gate, authority: Path | None = None) -> FastAPI:
    """Wire the routes; the generated API pages are off because they load scripts from elsewhere.

    `authority` is the file of the local certificate authority where the server speaks TLS.
    """
    app = FastAPI(title="skin-teleop", docs_url=None, redoc_url=None, openapi_url=None)
    _add_pages(app, ClientFiles())
    _add_pairing(app, gate)
    drawing = hand_drawing(teleop.rig)

    @app.get("/api/status")
    async def status(request: Request) -> Response:
        if not is_loopback(request.client.host if request.client else ""):
            return _refused("status is shown to this machine only; a paired page is told over its socket")
        return JSONResponse(msgspec.to_builtins(reporter.report()))

    @app.get("/api/hand")
    async def hand() -> dict[str, Any]:
        return drawing

    if authority is not None:
        certificate = authority.read_bytes()

        @app.get("/ca.crt")
        def certificate_authority() -> Response:
            return Response(certificate, media_type="application/x-x509-ca-cert")

    @app.websocket("/ws/operator")
    async def operator(websocket: WebSocket) -> None:
        await operator_session(websocket, teleop, gate)

    @app.websocket("/ws/desk")
    async def desk(websocket: WebSocket) -> None:
        await desk_session(websocket, teleop, gate)

    return app


def _add_pages(app: FastAPI, files: ClientFiles) -> None:
    status_page = (resources.files("server") / "pages" / "status.html").read_text()

    @app.get("/status")
    def status() -> Response:
        return Response(status_page, media_type="text/html", headers=ONE_FILE)

    for path, name in (("/", "index.html"), ("/desk", "desk.html"), ("/emulator", "index.html")):
        page = files.page(name)
        if page is None:
            app.add_api_route(path, status, methods=["GET"])
        else:
            app.add_api_route(path, _page(page), methods=["GET"])

    @app.get("/assets/{name}")
    def asset(name: str) -> Response:
        found = files.asset(name)
        if found is None:
            return Response("not part of the client", 404)
        return Response(found.content, media_type=found.media_type, headers=FOREVER)


def _page(content: bytes) -> Any:
    def answer() -> Response:
        return Response(content, media_type="text/html", headers=SECURITY)

    return answer


def _add_pairing(app: FastAPI, gate: Gate) -> None:
    @app.post("/api/pair")
    async def pair(request: Request) -> Response:
        if not gate.welcomes(request.headers.get("origin")):
            return _refused(FOREIGN_PAGE)
        try:
            return JSONResponse({"session": gate.pairing.redeem(await _given_token(request))})
        except AccessError as error:
            return _refused(str(error))

    @app.post("/api/invite")
    async def invite(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not gate.welcomes(request.headers.get("origin")) or not gate.knows(token):
            return _refused("only a paired page or the person who started the rig may invite")
        invitation = gate.pairing.invite()
        return JSONResponse({"token": invitation.token, "code": invitation.code})


async def _given_token(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_PAIRING_BYTES:
            raise AccessError("a pairing request is short", found=f"more than {MAX_PAIRING_BYTES} bytes")
    try:
        return str(json.loads(body)["token"])
    except (ValueError, KeyError, TypeError) as error:
        raise AccessError("a pairing request is JSON with a token", found=type(error).__name__) from error


def _refused(reason: str) -> Response:
    return JSONResponse({"reason": reason}, 403)
