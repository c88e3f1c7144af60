"""Text frames of XELA's server, both ways: one JSON object a frame, sensors as members "1".."N".

Format: XELA server 1.8.0b, from a real frame of the Allegro kit (XR23AHRCPP) and the READMEs of its public clients.
Taxel values stay in the vendor's order here; `SkinLayout.to_canonical` permutes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from skin_teleop.clock import ABSENT_NS
from skin_teleop.errors import WireError

MAX_FRAME_BYTES = 256 * 1024
"""A frame of 368 taxels has about 20.5 kB."""
MAX_TAXELS = 4096
ALLEGRO_KITS = {"xela_ah_right": "XR23AHRCPP", "xela_ah_left": "XR23AHLCPP"}
"""Layout to the vendor's model name."""

Counts = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float32]

_Count = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=9e9)]
"""Up to the year 2255, so that nanoseconds fit 64 bits."""
_Measure = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]


@dataclass(frozen=True, slots=True, eq=False)
class SensorReading:
    """One sensor object; n taxels in the vendor's order."""

    model: str
    flux: Counts
    """(n, 3) raw counts X, Y, Z."""
    temperature_k: Floats | None
    """(n,) K; None where the server sends none."""
    updates_per_s: Floats | None
    """(n,) 1/s; None where the server sends none."""
    time_ns: int
    """Server's clock at this sensor's newest data, ns since the epoch, ABSENT_NS where it has none."""


@dataclass(frozen=True, slots=True, eq=False)
class ServerFrame:
    """One broadcast of the server."""

    message: int
    """Broadcast counter, +1 a frame; it falls back when the server restarts."""
    time_ns: int
    """Server's clock when the frame was built, ns since the epoch, ABSENT_NS where it has none."""
    sensors: tuple[SensorReading, ...]
    version: str = "1.8.0b_200801"

    @property
    def newest_ns(self) -> int:
        """The newest server stamp in the frame, ns since the epoch, ABSENT_NS where it has none."""
        return max(self.time_ns, *(sensor.time_ns for sensor in self.sensors))

    @property
    def flux(self) -> Counts:
        """(n, 3) counts of all sensors, one after the other."""
        return np.concatenate([sensor.flux for sensor in self.sensors])

    @property
    def temperature_k(self) -> Floats:
        """(n,) K of all sensors, NaN where the server sends none."""
        return np.concatenate([_or_nan(sensor.temperature_k, sensor) for sensor in self.sensors])

    @property
    def updates_per_s(self) -> Floats:
        """(n,) updates/s of all sensors, NaN where the server sends none."""
        return np.concatenate([_or_nan(sensor.updates_per_s, sensor) for sensor in self.sensors])


def _or_nan(values: Floats | None, sensor: SensorReading) -> Floats:
    return np.full(len(sensor.flux), np.nan, np.float32) if values is None else values


class _Sensor(msgspec.Struct):
    taxels: Annotated[int, msgspec.Meta(ge=1, le=MAX_TAXELS)]
    model: str = ""
    time: _Seconds | None = None
    data: str = ""
    integer: list[_Count] | None = None
    temp: list[_Measure] | None = None
    ups: list[_Measure] | None = None


class _Envelope(msgspec.Struct):
    message: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | str
    type: str = ""
    version: str = ""
    time: _Seconds | None = None
    sensors: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


def parse_server_frame(text: bytes | str) -> ServerFrame | None:
    """The broadcast in one text frame; None for the Welcome that a server sends first.

    Line breaks inside strings, which copies of the vendor's log have, are tolerated. Raises WireError for anything
    that is not a complete frame.
    """
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    if len(raw) > MAX_FRAME_BYTES:
        raise WireError("a skin server frame was expected", found=f"{len(raw)} bytes", allowed=f"{MAX_FRAME_BYTES}")
    # JSON never needs a line break, so removing them all only mends strings that were broken over lines.
    raw = raw.replace(b"\n", b"").replace(b"\r", b"")
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        if isinstance(envelope.message, str) or envelope.type.lower() == "welcome":
            return None
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        sensors = tuple(_reading(members, str(number)) for number in range(1, envelope.sensors + 1))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("a skin server frame was expected", found=str(error)) from error
    return ServerFrame(envelope.message, _ns(envelope.time), sensors, envelope.version)


def _reading(members: dict[str, msgspec.Raw], name: str) -> SensorReading:
    if name not in members:
        raise WireError("a skin server frame was expected", found=f"no sensor {name!r}")
    sensor = msgspec.json.decode(members[name], type=_Sensor)
    flux = _hex_counts(sensor.data) if sensor.integer is None else np.array(sensor.integer, np.uint16)
    if flux.size != 3 * sensor.taxels:
        raise WireError(
            f"sensor {name} announces {sensor.taxels} taxels",
            found=f"{flux.size} values",
            allowed=f"{3 * sensor.taxels} values, X, Y and Z of each",
        )
    return SensorReading(
        model=sensor.model,
        flux=flux.reshape(-1, 3),
        temperature_k=_per_taxel(sensor.temp, sensor.taxels, name, "temp"),
        updates_per_s=_per_taxel(sensor.ups, sensor.taxels, name, "ups"),
        time_ns=_ns(sensor.time),
    )


def _hex_counts(data: str) -> Counts:
    words = [word.strip() for word in data.split(",")]
    if any(len(word) != 4 for word in words):
        raise WireError("sensor data must be 4-digit hex numbers", found=repr(data[:40]))
    try:
        return np.frombuffer(bytes.fromhex("".join(words)), ">u2").astype(np.uint16)
    except ValueError as error:
        raise WireError("sensor data must be 4-digit hex numbers", found=str(error)) from error


def _per_taxel(values: list[float] | None, taxels: int, sensor: str, field: str) -> Floats | None:
    if values is None:
        return None
    if len(values) != taxels:
        raise WireError(f"sensor {sensor} announces {taxels} taxels", found=f"{len(values)} values in {field!r}")
    return np.array(values, np.float32)


def _ns(seconds: float | None) -> int:
    return ABSENT_NS if seconds is None else round(seconds * 1e9)


def encode_server_frame(frame: ServerFrame) -> bytes:
    """The text frame of a broadcast in the vendor's format (`data` in upper-case hex, no `calibrated`)."""
    document: dict[str, Any] = {"message": frame.message, "time": frame.time_ns / 1e9, "sensors": len(frame.sensors)}
    document |= {"type": "routine", "version": frame.version}
    for number, sensor in enumerate(frame.sensors, 1):
        document[str(number)] = {
            "time": sensor.time_ns / 1e9,
            "sensor": str(number),
            "model": sensor.model,
            "taxels": len(sensor.flux),
            "data": sensor.flux.astype(">u2").tobytes().hex(",", 2).upper(),
            "integer": sensor.flux.reshape(-1).tolist(),
            "temp": None if sensor.temperature_k is None else sensor.temperature_k.tolist(),
            "ups": None if sensor.updates_per_s is None else sensor.updates_per_s.tolist(),
            "handedness": "right",
        }
    document["sendtime"] = frame.time_ns / 1e9
    return msgspec.json.encode(document)


def encode_welcome() -> bytes:
    """The first frame that a server sends to every client."""
    return msgspec.json.encode({"message": "Welcome", "type": "welcome"})
