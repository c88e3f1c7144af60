"""The operator's part of the protocol, for programs: what a headset does, without a headset."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from server import control
from server.access import subprotocols
from server.certificates import trusting_this_machine
from server.control import FromOperator
from server.hand_frames import mirrored_hand
from server.protocol import LEFT, POSE_SHAPE, RIGHT, Flag, PoseFrame, encode_pose_frame
from server.trace import Trace, TraceMark
from skin_teleop.clock import NS_PER_MS, NS_PER_S, mono_ns
from skin_teleop.errors import AccessError, DeviceError, SkinTeleopError, TraceError, WireError
from skin_teleop.messages import Array, RecorderStatus

FIRST_APPLICATION_CLOSE = 4400
ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Played:
    """What was sent of a trace."""

    frames: int
    invalid: int
    seconds: float
    latest_ms: float
    """How late the latest frame was sent, against its absolute deadline."""


class OperatorClient:
    """A connected operator; an async context manager. Pings are answered and server news kept in the background."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._seq = 0
        self._news = asyncio.Event()
        self.hello: control.Hello | None = None
        self.ack: control.Ack | None = None
        self.state: control.State = "disarmed"
        self.recorder: RecorderStatus | None = None
        self.refusals: list[str] = []
        self._end: SkinTeleopError | None = None
        self._sealed_before = ""

    async def __aenter__(self) -> Self:
        offered = [Subprotocol(name) for name in subprotocols(self._token)]
        trust = trusting_this_machine() if self._url.startswith("wss:") else None
        try:
            self._socket: ClientConnection = await connect(
                self._url, subprotocols=offered, compression=None, max_size=64 * 1024, proxy=None, ssl=trust
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise DeviceError(
                f"the operator's socket {self._url} does not answer", found=str(error), next_step="skin-teleop up"
            ) from error
        self._listener = asyncio.create_task(self._listen())
        try:
            await self._until(lambda: self.hello is not None, "the server's hello")
        except BaseException:
            await self._hang_up()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hang_up()

    async def arm(self) -> None:
        """Arm and wait until the server says so; raises AccessError with its words if it refuses."""
        refusals = len(self.refusals)
        await self.send(control.Arm())
        await self._until(lambda: self.state != "disarmed" or len(self.refusals) > refusals, "the armed state")
        if self.state == "disarmed":
            raise AccessError("the server refused to arm", found=self.refusals[-1])

    async def stand_down(self) -> None:
        """Leave the hand still and wait until the server says so; acknowledges no stop and no fault."""
        await self.send(control.StandDown())
        await self._until(lambda: self.state == "disarmed", "the disarmed state")

    async def emergency_stop(self) -> None:
        """Everything off."""
        await self.send(control.EmergencyStop())

    async def start_recording(
        self, object_name: str = "", plan: tuple[str, ...] = (), operator: str = "anonymous"
    ) -> None:
        """Begin a session and wait until the recorder records; raises DeviceError with its words if it fails."""
        before, refusals = self.recorder, len(self.refusals)
        self._sealed_before = before.last_sealed if before else ""
        await self.send(control.StartRecording(object_name, plan, operator))
        await self._until(
            lambda: (
                (self.recorder is not before and self._recorder_is("recording", "failed"))
                or len(self.refusals) > refusals
            ),
            "the recorder to record",
        )
        if len(self.refusals) > refusals:
            raise AccessError("the server refused to record", found=self.refusals[-1])
        if self._recorder_is("failed"):
            raise DeviceError("the recorder did not start", found=self.recorder.message if self.recorder else None)

    async def stop_recording(self) -> None:
        """End the session; `sealed` waits for it."""
        await self.send(control.StopRecording())

    async def sealed(self, timeout_s: float = 60.0) -> str:
        """Path of the session stopped last, as soon as it is sealed; raises DeviceError when the recorder fails."""
        before = self._sealed_before
        await self._until(
            lambda: self._recorder_is("failed") or self._last_sealed() not in ("", before),
            "the session to be sealed",
            timeout_s,
        )
        if self._recorder_is("failed"):
            raise DeviceError("the session was not sealed", found=self.recorder.message if self.recorder else None)
        return self._last_sealed()

    async def mark(self, label: str, edge: Literal["", "begin", "end"] = "") -> None:
        """Say that an action begins or ends now."""
        await self.send(control.Mark(label, edge))

    async def send(self, message: FromOperator) -> None:
        """Send one JSON message; raises AccessError with the server's reason when the connection is gone."""
        await self._send(control.encode_control(message))

    async def send_pose(self, pose: Array, valid: bool, dead_man: bool = True) -> int:
        """Send one frame of the right hand, (25, 7) float32; returns its sequence number.

        On a rig of two hands the left hand does the same, as in a mirror.
        """
        both, flags = np.zeros(POSE_SHAPE, np.float32), Flag.VISIBLE
        if valid:
            both[RIGHT] = pose
            flags |= Flag.RIGHT_VALID
        if valid and self._both_hands:
            both[LEFT] = mirrored_hand(both[RIGHT])
            flags |= Flag.LEFT_VALID
        return await self.send_hands(both, flags | (Flag.CLUTCH_LEFT if dead_man else Flag(0)))

    async def send_hands(self, both: Array, flags: Flag) -> int:
        """Send both hands, (2, 25, 7) float32, with the flags as they are; returns the frame's sequence number."""
        self._seq += 1
        ack_seq = self.ack.seq if self.ack else 0
        await self._send(encode_pose_frame(PoseFrame(self._seq, flags, _now_ms(), 0.0, ack_seq, both)))
        return self._seq

    async def play(self, trace: Trace, dead_man: bool = True) -> Played:
        """Send a trace at its own times, counted from now, with its marks; returns when the last row was sent.

        What a page saved is sent with its own flags: there the operator's hold is in the trace, and `dead_man` unused.
        """
        one_sided = not trace.frames and not self._both_hands
        if one_sided and self.hello is not None and self.hello.driven_hand != "right":
            raise TraceError("traces hold the right hand", found=f"rig {self.hello.rig} is driven by the left hand")
        start_ns, latest_ns = mono_ns(), 0
        marks = list(trace.marks)
        for row, t_s in enumerate(trace.t_s.tolist()):
            while marks and marks[0].t_s <= t_s:
                await self._mark_at(start_ns, marks.pop(0))
            deadline_ns = start_ns + round(t_s * NS_PER_S)
            await _sleep_until(deadline_ns)
            if trace.frames:
                await self.send_hands(trace.frames[row].pose, trace.frames[row].flags)
            else:
                await self.send_pose(trace.pose[row], bool(trace.valid[row]), dead_man)
            latest_ns = max(latest_ns, mono_ns() - deadline_ns)
        for mark in marks:
            await self._mark_at(start_ns, mark)
        seconds = (mono_ns() - start_ns) / NS_PER_S
        return Played(len(trace.pose), trace.invalid_rows, seconds, latest_ns / NS_PER_MS)

    async def acknowledged(self, timeout_s: float = ANSWER_S) -> None:
        """Wait until the server has read every frame that was sent."""
        await self._until(lambda: self.ack is not None and self.ack.seq >= self._seq, "the last ack", timeout_s)

    @property
    def _both_hands(self) -> bool:
        return self.hello is not None and self.hello.both_hands

    def _recorder_is(self, *states: str) -> bool:
        return self.recorder is not None and self.recorder.state in states

    def _last_sealed(self) -> str:
        return self.recorder.last_sealed if self.recorder else ""

    async def _mark_at(self, start_ns: int, mark: TraceMark) -> None:
        await _sleep_until(start_ns + round(mark.t_s * NS_PER_S))
        await self.mark(mark.label, mark.edge)

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise self._end or self._ending() from error

    async def _until(self, condition: Callable[[], bool], what: str, timeout_s: float = ANSWER_S) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    if self._end is not None:
                        raise self._end
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise DeviceError(
                f"waited {timeout_s:g} s for {what}",
                found=f"state {self.state}, recorder {self.recorder.state if self.recorder else 'unknown'}",
                next_step="skin-teleop doctor",
            ) from error

    async def _listen(self) -> None:
        try:
            async for text in self._socket:
                await self._hear(control.parse_from_server(text if isinstance(text, str) else ""))
        except WireError as error:
            self._end = error
        except ConnectionClosed:
            self._end = self._ending()
        finally:
            self._end = self._end or self._ending()
            self._news.set()

    async def _hear(self, message: control.FromServer) -> None:
        match message:
            case control.Hello():
                self.hello, self.state = message, message.state
            case control.Ping():
                await self._socket.send(control.encode_control(control.Pong(message.id, _now_ms())))
            case control.Ack():
                self.ack, self.state = message, message.state
            case control.StateChanged():
                self.state = message.state
            case control.Recorder():
                self.recorder = message.status
            case control.Refused():
                self.refusals.append(message.reason)
        self._news.set()

    def _ending(self) -> SkinTeleopError:
        code, reason = self._socket.close_code, self._socket.close_reason or ""
        if code is not None and code >= FIRST_APPLICATION_CLOSE:
            return AccessError("the operator's seat was refused", found=f"{reason} (code {code})")
        return DeviceError(
            "the operator's socket closed", found=f"{reason} (code {code})", next_step="skin-teleop up and try again"
        )

    async def _hang_up(self) -> None:
        await self._socket.close()
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener


def _now_ms() -> float:
    """This client's clock: the host's monotonic clock in ms."""
    return time.monotonic_ns() / NS_PER_MS


async def _sleep_until(deadline_ns: int) -> None:
    await asyncio.sleep(max(0, deadline_ns - mono_ns()) / NS_PER_S)
