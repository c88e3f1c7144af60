"""Every message of a rig, declared once: shape, dtype, unit and frame under each field.

Two kinds exist. A `Sample` is one row of a recorded stream: its packed little-endian row is what travels on the
bus, what the write-ahead log holds and what a Zarr array stores, so no layer translates. A `Notice` is a command or
a status of variable shape and travels as msgpack.

Whether only the newest value matters or nothing may be dropped is a property of the type (`NEWEST_WINS`).
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from skin_teleop.clock import Stamp
from skin_teleop.errors import WireError

N_TAXELS = 368
N_PADS = 18
N_JOINTS = 16
N_HAND_JOINTS = 25
MAX_OBJECTS = 4
EVENT_TEXT_BYTES = 1024
EMBEDDING_SLOTS = 768
"""Width of the largest encoder (`base`); a smaller one leaves the last slots empty."""

Array = npt.NDArray[Any]

FLAG_INTERPOLATED, FLAG_STALE, FLAG_CHECKSUM, FLAG_SATURATED = 1, 2, 4, 8
"""Bits of `flags`, common to all streams."""

STAMP_SOURCES: Mapping[str, str] = {
    "kernel": "the kernel's receive stamp, mapped to CLOCK_MONOTONIC by paired readings of both clocks",
    "sender": "the sending process's stamp on this host, mapped in the same way",
    "host": "CLOCK_MONOTONIC when the process read or made the row",
    "tick": "an exact grid of CLOCK_MONOTONIC",
}
"""What `t_mono` of a stream is, as its attribute `stamp_source` says."""


def column(dtype: str, shape: tuple[int, ...] = (), *, unit: str, frame: str = "") -> Any:
    """Declare one field of a Sample: numpy dtype, shape, unit and (where it has one) frame of reference."""
    return dataclasses.field(metadata={"dtype": dtype, "shape": shape, "unit": unit, "frame": frame})


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One stamped row of a stream."""

    NEWEST_WINS: ClassVar[bool] = True

    t_dev: int = column("<i8", unit="ns, device clock, INT64_MIN where absent")
    t_mono: int = column("<i8", unit="ns, host CLOCK_MONOTONIC at receive")
    t_wall: int = column("<i8", unit="ns, host CLOCK_REALTIME")
    seq: int = column("<u4", unit="transport or device counter")
    flags: int = column("u1", unit="bit 0 interpolated, 1 stale, 2 checksum bad, 3 saturated")

    @classmethod
    @functools.cache
    def row_dtype(cls) -> np.dtype[np.void]:
        """Packed little-endian dtype of one row."""
        columns = dataclasses.fields(cls)
        return np.dtype([(c.name, c.metadata["dtype"], c.metadata["shape"]) for c in columns])

    @classmethod
    def column_units(cls) -> dict[str, dict[str, str]]:
        """Unit and frame of every field, for the attributes of a stored stream."""
        return {c.name: {"unit": c.metadata["unit"], "frame": c.metadata["frame"]} for c in dataclasses.fields(cls)}

    @classmethod
    def stamped(cls, stamp: Stamp, seq: int, flags: int = 0, **values: Any) -> Self:
        """Build a sample from its stamp and its own fields."""
        return cls(stamp.t_dev, stamp.t_mono, stamp.t_wall, seq & 0xFFFFFFFF, flags, **values)

    def pack(self) -> bytes:
        """The packed row."""
        row = np.zeros((), self.row_dtype())
        for name in self.row_dtype().names or ():
            row[name] = getattr(self, name)
        return row.tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read one packed row; raises WireError when the length is not one row."""
        dtype = cls.row_dtype()
        if len(data) != dtype.itemsize:
            raise WireError(
                f"a {cls.__name__} row was expected",
                found=f"{len(data)} bytes",
                allowed=f"{dtype.itemsize} bytes",
            )
        row = np.frombuffer(data, dtype)[0]
        return cls(*(row[name] if dtype[name].shape else row[name].item() for name in dtype.names or ()))


@dataclass(frozen=True, slots=True, eq=False)
class SkinFrame(Sample):
    """The whole skin on its 100 Hz tick, canonical taxel order, by sample and hold."""

    flux: Array = column("<u2", (N_TAXELS, 3), unit="raw counts", frame="taxel (z outward)")
    age_ms: Array = column("<u2", (N_TAXELS,), unit="ms since this taxel's value arrived, 65535 = never or older")


@dataclass(frozen=True, slots=True, eq=False)
class SkinHealth(Sample):
    """Condition of every taxel at 1 Hz."""

    temperature: Array = column("<f4", (N_TAXELS,), unit="K, NaN where the server sends none")
    updates_per_s: Array = column("<f4", (N_TAXELS,), unit="1/s, NaN where the server sends none")


@dataclass(frozen=True, slots=True, eq=False)
class JointState(Sample):
    """One control cycle of the hand node, joints 0-3 index, 4-7 middle, 8-11 ring, 12-15 thumb."""

    position: Array = column("<f4", (N_JOINTS,), unit="rad")
    velocity: Array = column("<f4", (N_JOINTS,), unit="rad/s")
    target: Array = column("<f4", (N_JOINTS,), unit="rad, interpolated and clamped, as used in this cycle")
    torque_command: Array = column("<f4", (N_JOINTS,), unit="Nm, after clamps, as sent")
    target_seq: int = column("<u4", unit="seq of the JointTarget in use, 0 = none yet")
    t_command: int = column("<i8", unit="ns, host CLOCK_MONOTONIC after the torque frames were sent")


@dataclass(frozen=True, slots=True, eq=False)
class HandHealth(Sample):
    """Condition of the hand at 1 Hz."""

    temperature: Array = column("<f4", (N_JOINTS,), unit="degC, NaN until reported")
    status: int = column("u1", unit="raw status byte of hand info")
    state: int = column("u1", unit="0 OFF, 1 READY, 2 FOLLOW, 3 HOLD, 4 RELAX, 5 FAULT")
    overruns: int = column("<u4", unit="control cycles that came late, since start")
    missing: int = column("<u4", unit="pose frames that never came, since start")
    refused: int = column("<u4", unit="targets refused (stale, out of order, not finite), since start")
    pressure: Array = column("<f4", (4,), unit="Pa at the fingertips of a V5, NaN where none is reported")


@dataclass(frozen=True, slots=True, eq=False)
class HandPose(Sample):
    """Both hands as the headset sent them, bit for bit; index 0 left, 1 right."""

    pose: Array = column(
        "<f4",
        (2, N_HAND_JOINTS, 7),
        unit="m and unit quaternion xyzw",
        frame="XR local-floor (Y up, -Z forward)",
    )
    valid: Array = column("u1", (2,), unit="1 where the hand was tracked")


@dataclass(frozen=True, slots=True, eq=False)
class WristTarget(Sample):
    """Where the robot's palm_link should be."""

    pose: Array = column("<f4", (7,), unit="m and quaternion xyzw", frame="world (Z up, X forward)")


@dataclass(frozen=True, slots=True, eq=False)
class JointTarget(Sample):
    """What the operator's hand asks of the robot hand."""

    target: Array = column("<f4", (N_JOINTS,), unit="rad, inside the joint limits")
    engaged: int = column("u1", unit="1 while the server grants motion")
    valid_until: int = column("<i8", unit="ns, host CLOCK_MONOTONIC; older targets are refused")
    pose_seq: int = column("<u4", unit="seq of the hand pose it was made from")
    t_pose: int = column("<i8", unit="ns, host CLOCK_MONOTONIC at which that pose was received")


@dataclass(frozen=True, slots=True, eq=False)
class Truth(Sample):
    """What the simulated world knows; t_dev is simulated time. Exists in simulation only."""

    taxel_force: Array = column("<f4", (N_TAXELS, 3), unit="N on the skin", frame="pad (z outward)")
    pad_wrench: Array = column("<f4", (N_PADS, 6), unit="N, Nm about the pad origin", frame="pad (z outward)")
    object_pose: Array = column("<f4", (7,), unit="m and quaternion xyzw", frame="world")
    object_twist: Array = column("<f4", (6,), unit="m/s, rad/s", frame="world")
    slip: Array = column("<f4", (N_PADS,), unit="m/s tangential at the pad's contacts")
    phase: int = column("u1", unit="scripted phase, 0 = none")
    palm_pose: Array = column("<f4", (7,), unit="m and quaternion xyzw of palm_link", frame="world")
    scene_pose: Array = column(
        "<f4", (MAX_OBJECTS, 7), unit="m and quaternion xyzw of every object, NaN where unused", frame="world"
    )
    plug_in_socket: Array = column(
        "<f4", (7,), unit="m and quaternion xyzw of the plug, NaN without one", frame="socket (z out of the hole)"
    )


@dataclass(frozen=True, slots=True, eq=False)
class ClockSample(Sample):
    """One paired reading of a device clock and this host's clocks."""

    rtt: int = column("<i8", unit="ns round trip of the exchange, 0 where the stamps travel one way")
    residual: float = column("<f8", unit="ns off the tracked line of offset and drift, NaN where none is tracked")
    drift: float = column("<f4", unit="ppm, device clock faster than this host's, NaN where none is tracked")


@dataclass(frozen=True, slots=True, eq=False)
class SkinEmbedding(Sample):
    """What an encoder says of the last 0.1 s of the skin; all stamps and `seq` are those of the window's last frame.

    The row has one shape for encoders of every size, since a message type has one row on the bus, in the log and in
    the store: empty slots are NaN and compress to next to nothing.
    """

    summary: Array = column("<f4", (EMBEDDING_SLOTS,), unit="1, NaN from `width` on")
    width: int = column("<u2", unit="numbers in use")
    skipped: int = column("<u4", unit="windows left out since start, because a newer one was already there")
    t_ready: int = column("<i8", unit="ns, host CLOCK_MONOTONIC when the embedding was ready")


@dataclass(frozen=True, slots=True, eq=False)
class Event(Sample):
    """Something that happened, with its cause as JSON text."""

    NEWEST_WINS: ClassVar[bool] = False

    code: int = column("<u2", unit="see EVENT_CODES")
    text: Array = column("u1", (EVENT_TEXT_BYTES,), unit="UTF-8 JSON, zero padded")

    @classmethod
    def now(cls, name: str, seq: int, **facts: Any) -> Event:
        """An event of a known name, stamped now; raises WireError when its facts exceed the text field."""
        text = json.dumps(facts, separators=(",", ":"), default=str, ensure_ascii=False).encode()
        if len(text) > EVENT_TEXT_BYTES:
            raise WireError(
                f"event {name} carries too much text",
                found=f"{len(text)} bytes",
                allowed=f"at most {EVENT_TEXT_BYTES} bytes of JSON",
            )
        padded = np.frombuffer(text.ljust(EVENT_TEXT_BYTES, b"\0"), np.uint8)
        return cls.stamped(Stamp.now(), seq, code=EVENT_CODES[name], text=padded)

    @property
    def name(self) -> str:
        """Name of the event's code."""
        return EVENT_NAMES.get(self.code, f"unknown_{self.code}")

    @property
    def facts(self) -> dict[str, Any]:
        """The JSON text as a dictionary."""
        return event_facts(self.text)


def event_facts(text: Array) -> dict[str, Any]:
    """Decode the zero-padded JSON text of one event row ((1024,) uint8)."""
    decoded: dict[str, Any] = json.loads(np.asarray(text, np.uint8).tobytes().rstrip(b"\0") or b"{}")
    return decoded


EVENT_CODES: Mapping[str, int] = {
    "hand_state": 1,
    "armed": 2,
    "disarmed": 3,
    "engaged": 4,
    "released": 5,
    "emergency_stop": 6,
    "mark": 7,
    "rejected": 8,
    "connected": 9,
    "disconnected": 10,
    "tracking_lost": 11,
    "session_started": 12,
    "session_stopped": 13,
    "fault": 14,
    "process_died": 15,
    "dropped": 16,
    "target_held": 17,
    "calibrated": 18,
}
EVENT_NAMES = {code: name for name, code in EVENT_CODES.items()}

SAMPLE_TYPES: dict[str, type[Sample]] = {
    kind.__name__: kind
    for kind in (
        SkinFrame,
        SkinHealth,
        JointState,
        HandHealth,
        HandPose,
        WristTarget,
        JointTarget,
        Truth,
        ClockSample,
        SkinEmbedding,
        Event,
    )
}


@dataclass(frozen=True, slots=True)
class HandCommand:
    """Order to the hand node; never dropped."""

    action: Literal["arm", "disarm", "stop", "emergency_stop"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecorderCommand:
    """Order to the recorder; never dropped.

    `start` may name the folder that will hold the session (an absolute path chosen by the operator's own machine,
    else the rig's), the object, the plan of actions and the operator's pseudonym. `mark` carries a label and whether
    it begins or ends. `keep` and `discard` speak of the session stopped last.
    """

    action: Literal["start", "stop", "keep", "discard", "mark"]
    folder: str = ""
    object: str = ""
    plan: tuple[str, ...] = ()
    operator: str = "anonymous"
    label: str = ""
    edge: Literal["", "begin", "end"] = ""


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """What the recorder is doing; newest wins."""

    state: Literal["idle", "recording", "sealing", "failed"]
    session: str = ""
    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    wal_bytes: int = 0
    message: str = ""
    last_sealed: str = ""
    rejected: int = 0
    """Frames and commands since the recorder's start that were refused: no rows, or not those of their stream."""
    marking: str = ""
    """Label of the mark that was begun last in this recording and has not ended."""
    unjudged: bool = False
    """Idle, and the session stopped last waits for `keep` or `discard`."""


@dataclass(frozen=True, slots=True)
class DropCount:
    """How many messages of one stream a producer could not hand to the recorder, in total since its start."""

    stream: str
    dropped: int


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A process of the rig says that it serves; newest wins."""

    process: str
    state: str
    detail: str = ""


Notice = HandCommand | RecorderCommand | RecorderStatus | DropCount | ProcessStatus
NOTICE_TYPES: dict[str, type[Notice]] = {
    kind.__name__: kind for kind in (HandCommand, RecorderCommand, RecorderStatus, DropCount, ProcessStatus)
}
Message = Sample | Notice
MessageType = TypeVar("MessageType", bound=Message)
