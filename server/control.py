"""The JSON messages of the operator's socket, typed, bounded, unknown fields refused. No socket and no clock here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from server.operator_store import OPERATOR_NAME
from server.status import StatusReport
from skin_teleop.errors import WireError
from skin_teleop.messages import RecorderStatus

MAX_TEXT_BYTES = 8192
PROTOCOL = "skin-teleop.v1"
Name = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9 _.\-]*$")]
"""A word for people and file names: letters, digits, space, underscore, dot, hyphen."""
Id = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
State = Literal["disarmed", "armed", "engaged"]
CalibrationStep = Literal[
    "open", "fist", "touch_index", "touch_middle", "touch_ring", "measuring", "done", "failed", "cancelled"
]


class ControlMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=str.lower):
    """Base of every JSON message; its `type` is the class's name in lower case."""


class Arm(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: motion may begin as soon as the dead-man is held."""


class Disarm(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator or desk: no motion until the next arm; acknowledges an emergency stop or a fault of the hand."""


class StandDown(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="stand_down"):
    """Operator: I leave. No motion until the next arm, as if the connection had gone; acknowledges nothing."""


class EmergencyStop(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="emergency_stop"):
    """Operator: everything off, now."""


class Pong(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: answer to a ping, with the client's monotonic clock in ms."""

    id: Id
    t_client_ms: Annotated[float, msgspec.Meta(ge=0, le=9e12)]


class StartRecording(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="start_recording"):
    """Operator: begin a session in the rig's own folder."""

    object: Name = ""
    plan: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    operator: Name = "anonymous"


class StopRecording(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="stop_recording"):
    """Operator: end the session and seal it."""


class Mark(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: an action begins or ends here."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9 _.\-]*$")]
    edge: Literal["", "begin", "end"] = ""


class Keep(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: the session stopped last is good."""


class Discard(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: move the session stopped last to the trash."""


class Watch(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: send me display frames and status reports too."""


class Zero(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator or desk: draw touch against the skin as it is now; what is recorded stays raw."""


class ChooseOperator(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="operator"):
    """Operator or desk: this person operates; their newest calibration is used. Disarms."""

    name: Annotated[str, msgspec.Meta(pattern=OPERATOR_NAME)]


class Calibrate(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator or desk: lead whoever operates through a calibration, from its start. Disarms."""


class StopCalibrating(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="stop_calibrating"):
    """Operator or desk: end it; the calibration before stays in use."""


class Recentred(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Operator: my view has another origin. Releases until every dead-man, the desk's too, was let go."""


class DeadMan(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="dead_man"):
    """Desk: the key or pedal is held, said again at least every 100 ms, or was let go."""

    held: bool


class Hello(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Server: first message after the connection was accepted."""

    protocol: str
    joint_order: str
    driven_hand: Literal["left", "right"]
    rig: str
    state: State
    both_hands: bool = False
    """A rig of two hands: `driven_hand` drives the first, the operator's other hand the second."""
    stopped: str = ""
    """Why `arm` would be refused and what to do, after an emergency stop or a fault; else empty."""


class Ping(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Server: answer at once with a pong of the same id."""

    id: Id


class Ack(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Server: the newest pose frame that was read, the state and why it is so, and what was refused so far."""

    seq: Id
    state: State
    reason: str
    rejected: dict[str, int]
    stopped: str = ""
    """As in `Hello`."""


class StateChanged(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="state"):
    """Server: the teleoperation state changed, or whether it may be armed."""

    state: State
    reason: str
    stopped: str = ""
    """As in `Hello`."""


class Recorder(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Server: what the recorder is doing."""

    status: RecorderStatus


class Status(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Server: how everything is, twice a second to those who watch."""

    report: StatusReport


class CalibrationProgress(ControlMessage, frozen=True, forbid_unknown_fields=True, tag="calibration"):
    """Server: where the guided calibration is, or what came of it."""

    operator: str
    step: CalibrationStep
    steps_done: int
    steps: int
    progress: float
    """Of this step, 0 to 1."""
    words: str
    quality: float | None
    version: int
    """Which of the operator's calibrations it is; 0 while there is none."""


class Refused(ControlMessage, frozen=True, forbid_unknown_fields=True):
    """Server: a message was not obeyed."""

    reason: str


RecordingOrder = StartRecording | StopRecording | Mark | Keep | Discard
CalibrationOrder = ChooseOperator | Calibrate | StopCalibrating
MotionOrder = Arm | Disarm | StandDown | EmergencyStop | Recentred
FromOperator = MotionOrder | Pong | Watch | Zero | RecordingOrder | CalibrationOrder
FromDesk = DeadMan | Disarm | EmergencyStop | Zero | RecordingOrder | CalibrationOrder
"""A desk page watches, records, stops and holds the dead-man; only the operator arms."""
FromServer = Hello | Ping | Ack | StateChanged | Recorder | Status | CalibrationProgress | Refused

_from_operator = msgspec.json.Decoder(FromOperator)
_from_desk = msgspec.json.Decoder(FromDesk)
_from_server = msgspec.json.Decoder(FromServer)


def encode_control(message: FromOperator | FromDesk | FromServer) -> str:
    """The JSON text of a message."""
    return msgspec.json.encode(message).decode()


def parse_from_operator(text: str) -> FromOperator:
    """Read a message of the operator; raises WireError for anything else."""
    message: FromOperator = _parse(text, _from_operator)
    return message


def parse_from_desk(text: str) -> FromDesk:
    """Read a message of a desk page; raises WireError for anything else."""
    message: FromDesk = _parse(text, _from_desk)
    return message


def parse_from_server(text: str) -> FromServer:
    """Read a message of the server; raises WireError for anything else."""
    message: FromServer = _parse(text, _from_server)
    return message


def _parse(text: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    raw = text.encode(errors="surrogatepass")
    if len(raw) > MAX_TEXT_BYTES:
        raise WireError("a control message is too long", found=f"{len(raw)} bytes", allowed=f"{MAX_TEXT_BYTES} bytes")
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireError("a control message is not usable", found=str(error)) from error
