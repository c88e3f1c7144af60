"""One TOML file describes a rig: which devices, how they are reached, where sessions go.

The built-in rig `simulated` needs no file. Unknown keys are errors, so a typing mistake never goes unnoticed.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from skin_teleop.errors import ConfigError
from skin_teleop.hand import SKIN_KIT_FINGER_JOINT1_Z_M, hand_model, is_left
from skin_teleop.rig_check import check_rig
from skin_teleop.rig_keys import refuse_unknown_keys
from skin_teleop.skin_mounting import PadMounting, read_pad_map
from skin_teleop.two_hands import SECOND_WRIST_AWAY_M

Device = Literal["hand", "second_hand", "skin", "second_skin"]
"""A table of the rig file that names a device; the process that serves the device has the same name."""
BUILT_IN = ("simulated", "simulated_left", "simulated_v5", "simulated_v5_left", "simulated_two_hands")
RIG_FILE = "rig.json"
"""Name of the resolved rig inside a runtime folder."""
LEFT_WRIST_HOME_RPY_DEG = (-90.0, 0.0, -90.0)
"""A left hand's own home, the mirror image of the right one: palm to -Y, thumb up, fingers along +X."""


@dataclass(frozen=True, slots=True)
class HandConfig:
    """The robot hand and its bus.

    Gains are in Nm/rad and Nm s/rad. The defaults are close to NYU DIME's Allegro controller (allegro_api), which
    are also given in Nm/rad: 1.5, 2.0, 1.8, 1.3 and thumb 2.2, 1.7, 1.9, 1.3 with 0.10 to 0.15 Nm s/rad.
    """

    name: str = "allegro"
    model: str = "allegro_v4_right"
    can_interface: str = "socketcan"
    can_channel: str = "can0"
    bitrate: int = 1_000_000
    device_id: int = 0
    period_ms: int = 3
    finger_joint1_z_m: float = SKIN_KIT_FINGER_JOINT1_Z_M
    """Where a rig file does not give it, it is the model's own."""
    stiffness_nm_per_rad: tuple[float, float, float, float] = (1.5, 2.0, 1.8, 1.3)
    damping_nm_s_per_rad: tuple[float, float, float, float] = (0.05, 0.06, 0.05, 0.03)
    thumb_stiffness_nm_per_rad: tuple[float, float, float, float] = (2.2, 1.7, 1.9, 1.3)
    thumb_damping_nm_s_per_rad: tuple[float, float, float, float] = (0.08, 0.06, 0.05, 0.03)
    max_speed_rad_per_s: float = 6.0
    hold_after_ms: int = 100
    relax_after_ms: int = 1000
    hardware_version: Literal["", "v4", "v5"] = ""
    """Set by the user where the hand does not say its version; else it must answer before servo-on."""
    calibration_file: str = ""
    """TOML file of zero offsets and limits by serial number, see `drivers.allegro.calibration`."""
    throttle_above_c: float = 65.0
    """Joint temperature above which the torque limits fall, degC; this and the next are the project's own choice."""
    first_motion: bool = False
    """Ramp the torque limits from a fifth; `skin-teleop up --first-motion` asks and sets it."""
    shut_off_above_c: float = 80.0
    """Joint temperature above which the hand goes to FAULT, degC."""
    gravity_compensation: Literal["off", "fixed", "wrist"] = "off"
    """Carry the fingers' weight: with gravity as the next key has it, or as the wrist's target turns the palm."""
    gravity_palm_m_s2: tuple[float, float, float] = (0.0, 0.0, -9.80665)
    """Gravity in the palm frame (x out of the palm, z to the fingers), m/s2; this one is a hand that stands upright."""


@dataclass(frozen=True, slots=True)
class SkinConfig:
    """The magnetic skin and where it comes from: the vendor's server, or its controllers on raw CAN."""

    name: str = "uskin"
    layout: str = "xela_ah_right"
    url: str = "ws://127.0.0.1:5000"
    geometry: str = "vendor"
    tick_hz: int = 100
    stale_after_ms: int = 1000
    source: Literal["xela_server", "raw_can"] = "xela_server"
    sensor_pads: tuple[str, ...] = ()
    """Where the server has one sensor a pad: the pads' names in the order of its sensors."""
    can_interface: str = "socketcan"
    can_channels: tuple[str, ...] = ()
    can_bitrate: int = 1_000_000
    id_map: str = ""
    """CSV file of the user's own kit, see `drivers.uskin.id_map`; needed for raw CAN."""
    pad_map: str = ""
    """TOML file of `skin-teleop verify-skin`: pads that are turned, mirrored or on another pad's wires."""
    mounted: dict[str, PadMounting] = field(default_factory=dict)
    """What that file says, read with the rig, so that every session's snapshot of the rig holds it."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The teleoperation server. It binds to loopback unless a person chooses otherwise."""

    host: str = "127.0.0.1"
    port: int = 8040
    tls: bool = False
    """Serve https with this machine's own certificate authority; `skin-teleop up --lan` sets it."""
    allowed_origins: tuple[str, ...] = ()
    """Origins beside the server's own that may open the operator's socket."""
    driven_hand: Literal["left", "right"] = "right"
    hand_scale: float = 1.2
    """Robot fingertip distance per human one. dex-retargeting types 1.6; a sweep on Quest hands was best at 1.2."""
    calibration: str = ""
    """File of `skin-teleop calibrate` with one scale a finger; it takes the place of `hand_scale`."""
    operators: str = ""
    """Folder of every operator's guided calibrations; empty for this user's data folder."""
    wrist_box_m: tuple[float, float, float] = (0.25, 0.25, 0.25)
    """Half extents of the box around the home pose that the wrist may move in, m."""
    wrist_home_m: tuple[float, float, float] = (-0.16, 0.0, 0.17)
    """Where palm_link is when the operator engages, world frame, m."""
    wrist_home_rpy_deg: tuple[float, float, float] = (90.0, 0.0, 90.0)
    """Its orientation: the palm faces +Y, the thumb side is up (+Z), the fingers point along +X, as to shake hands.

    Where a rig file does not give it, a left hand's palm faces -Y.
    """
    second_wrist_home_m: tuple[float, float, float] = (-0.16, 0.4, 0.17)
    """Home of the second hand's palm_link. Where a rig file does not give it: 0.4 m to its own side of the first."""
    second_wrist_home_rpy_deg: tuple[float, float, float] = LEFT_WRIST_HOME_RPY_DEG
    """Its orientation; where a rig file does not give it, that of its side."""


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Where sessions are written."""

    folder: str = "sessions"
    batch_ms: int = 50
    sync_ms: int = 150
    keep_wal: bool = False
    min_free_gb: float = 2.0
    licence: str = "unspecified"
    """Stored with every session and shown by listings, checks and exports; SPDX words such as CC-BY-4.0 are best."""


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The simulated world; only a rig that has this table is simulated."""

    devices: tuple[Device, ...] = ("hand", "skin")
    """Which devices are simulated, where a rig file does not say it all it has; the others are real ones."""
    seed: int = 7
    object: str = "pringle"
    plug_fit: Literal["loose", "medium", "tight"] = "medium"
    """How much room the socket leaves the plug, where the object is `plug`."""
    timestep_ms: float = 1.5
    skin_parameters: str = ""
    """A file that `skin-teleop fit-skin` wrote; empty for the standard skin."""


@dataclass(frozen=True, slots=True)
class LiveEncoderConfig:
    """A pretrained encoder that reads the (first) skin live; only a rig that has this table runs one."""

    run: str = ""
    """Run folder of `skin-teleop pretrain`, or a file of `skin-teleop export-onnx`; from where the rig is started."""
    name: str = "embedding"
    """Name of its stream."""
    baseline: str = ""
    """File of `skin-teleop zero-skin`; without one, the first 0.8 s in which nothing touches the skin."""


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """What `skin-teleop up` does when a process of the rig dies."""

    restarts_per_minute: int = 3
    """How often in a minute a dead recorder, skin, server or encoder is started again; 0 ends the rig at the first."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A whole rig."""

    schema: Literal["skin_teleop.rig/1"]
    name: str
    hand: HandConfig = field(default_factory=HandConfig)
    second_hand: HandConfig | None = None
    """The hand of the other side, on a rig of two."""
    skin: SkinConfig = field(default_factory=SkinConfig)
    second_skin: SkinConfig | None = None
    """What the second hand wears; it may be bare."""
    server: ServerConfig = field(default_factory=ServerConfig)
    recorder: RecorderConfig = field(default_factory=RecorderConfig)
    supervisor: SupervisorConfig = field(default_factory=SupervisorConfig)
    world: WorldConfig | None = None
    encoder: LiveEncoderConfig | None = None

    @property
    def processes(self) -> tuple[str, ...]:
        """Processes of this rig in the order in which they start; they stop in reverse."""
        devices = (*self.hands, *self.skins, "server", *(("encoder",) if self.encoder else ()))
        return ("recorder", "world", *devices) if self.world else ("recorder", *devices)

    @property
    def hands(self) -> dict[str, HandConfig]:
        """The hands by the name of their table, which is that of their process too."""
        return {"hand": self.hand} | ({"second_hand": self.second_hand} if self.second_hand else {})

    @property
    def skins(self) -> dict[str, SkinConfig]:
        """The skins by the name of their table and process."""
        return {"skin": self.skin} | ({"second_skin": self.second_skin} if self.second_skin else {})

    def seen_by(self, device: str) -> Rig:
        """The rig as one of its devices sees it: `second_hand` and `second_skin` find theirs in the first place.

        A bare second hand is seen with the kit of its side. Raises ConfigError for a device that the rig has not.
        """
        if device not in (*self.hands, *self.skins):
            raise ConfigError(
                f"{device} of rig {self.name} was asked for", found="no such table", next_step=f"add [{device}]"
            )
        if self.second_hand is None or not device.startswith("second_"):
            return self
        skin = self.second_skin or SkinConfig(layout=own_layout(self.second_hand))
        return dataclasses.replace(self, hand=self.second_hand, second_hand=None, skin=skin, second_skin=None)

    def wrist_stream(self, hand: str) -> str:
        """Name of the stream of a hand's wrist targets, for the name of its table."""
        return "wrist" if hand == "hand" else f"{self.hands[hand].name}_wrist"

    def simulates(self, device: str) -> bool:
        """Whether a device of this rig stands in the simulated world."""
        return self.world is not None and device in self.world.devices

    def on_free_ports(self) -> Rig:
        """The same rig on ports that are free now, so that several simulated rigs can stand beside each other."""
        server = dataclasses.replace(self.server, port=free_port())
        skin, second = self.skin, self.second_skin
        if self.simulates("skin"):
            skin = dataclasses.replace(skin, url=f"ws://127.0.0.1:{free_port()}")
        if second is not None and self.simulates("second_skin"):
            second = dataclasses.replace(second, url=f"ws://127.0.0.1:{free_port()}")
        return dataclasses.replace(self, skin=skin, second_skin=second, server=server)

    def with_recordings_in(self, folder: Path) -> Rig:
        """The same rig with sessions written into another folder."""
        return dataclasses.replace(self, recorder=dataclasses.replace(self.recorder, folder=str(folder.resolve())))

    def save(self, runtime: Path) -> None:
        """Write the resolved rig for the processes of one runtime folder."""
        (runtime / RIG_FILE).write_bytes(msgspec.json.encode(self))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def saved_rig(runtime: Path) -> Rig:
    """The rig that `Rig.save` wrote into a runtime folder."""
    return msgspec.json.decode((runtime / RIG_FILE).read_bytes(), type=Rig, strict=False)


def load_rig(name_or_path: str) -> Rig:
    """Read a rig by built-in name or path; raises ConfigError that says which key is wrong and what is allowed."""
    if name_or_path in BUILT_IN:
        text = (resources.files("skin_teleop") / "rigs" / f"{name_or_path}.toml").read_text()
        return _parse(text, name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"rig {name_or_path!r} was asked for",
            found="no such file",
            allowed=f"a TOML file or one of: {', '.join(BUILT_IN)}",
            next_step="skin-teleop up --rig simulated",
        )
    return _parse(path.read_text(), str(path))


_HOW_TO_BEGIN = 'a rig file begins with schema = "skin_teleop.rig/1"; docs/rig.md lists every key, unit and default'


def _parse(text: str, source: str) -> Rig:
    try:
        plain = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"rig {source} is not valid TOML", found=str(error)) from error
    refuse_unknown_keys(plain, Rig, _TABLES, source)
    try:
        rig = msgspec.convert(plain, Rig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"rig {source} has a wrong value", found=str(error), next_step=_HOW_TO_BEGIN) from error
    rig = _completed(rig, plain, source)
    check_rig(rig, source)
    second = _with_mounting(rig.second_skin, source, "second_skin") if rig.second_skin else None
    return dataclasses.replace(rig, skin=_with_mounting(rig.skin, source, "skin"), second_skin=second)


def _with_mounting(skin: SkinConfig, source: str, table: str) -> SkinConfig:
    if skin.mounted:
        raise ConfigError(f"rig {source}: {table}.mounted", found="a table", allowed=f"{table}.pad_map, which fills it")
    mounted = read_pad_map(skin.pad_map, skin.layout) if skin.pad_map else {}
    return dataclasses.replace(skin, mounted=mounted)


def _completed(rig: Rig, plain: Mapping[str, Any], source: str) -> Rig:
    """The rig with what its file left open: what follows from the hands' models, and which devices are simulated."""
    if rig.second_skin is not None and rig.second_hand is None:
        raise ConfigError(
            f"rig {source}: second_skin", found="no second_hand that wears it", next_step="add [second_hand]"
        )
    given = {table: plain.get(table, {}) for table in ("hand", "second_hand", "skin", "second_skin", "world")}
    devices: dict[str, Any] = {table: _fitted(hand, given[table]) for table, hand in rig.hands.items()} | {
        table: _on_its_side(skin, rig.hands[wearer(table)], given[table]) for table, skin in rig.skins.items()
    }
    world = rig.world
    if world is not None and "devices" not in given["world"]:
        world = dataclasses.replace(world, devices=cast(tuple[Device, ...], (*rig.hands, *rig.skins)))
    server = _server_completed(rig, plain.get("server", {}))
    return dataclasses.replace(rig, **devices, server=server, world=world)


def wearer(skin: str) -> str:
    """Table of the hand that wears a skin: the second hand the second one."""
    return skin.replace("skin", "hand")


def own_layout(hand: HandConfig) -> str:
    """Taxel table of the kit for a hand's side."""
    return "xela_ah_left" if is_left(hand.model) else "xela_ah_right"


def _fitted(hand: HandConfig, given: Mapping[str, Any]) -> HandConfig:
    if "finger_joint1_z_m" in given:
        return hand
    return dataclasses.replace(hand, finger_joint1_z_m=float(hand_model(hand.model).joint_xyz_m[0, 1, 2]))


def _on_its_side(skin: SkinConfig, hand: HandConfig, given: Mapping[str, Any]) -> SkinConfig:
    return skin if "layout" in given else dataclasses.replace(skin, layout=own_layout(hand))


def _server_completed(rig: Rig, given: Mapping[str, Any]) -> ServerConfig:
    """Homes of the wrists by their sides; with two hands, the operator's hand that drives the first is its side's."""
    left, right_home = is_left(rig.hand.model), ServerConfig().wrist_home_rpy_deg
    x, y, z = rig.server.wrist_home_m
    own: dict[str, Any] = {"wrist_home_rpy_deg": LEFT_WRIST_HOME_RPY_DEG if left else right_home}
    if rig.second_hand is not None:
        second_left = is_left(rig.second_hand.model)
        own |= {
            "driven_hand": "left" if left else "right",
            "second_wrist_home_m": (x, y + (SECOND_WRIST_AWAY_M if second_left else -SECOND_WRIST_AWAY_M), z),
            "second_wrist_home_rpy_deg": LEFT_WRIST_HOME_RPY_DEG if second_left else right_home,
        }
    return dataclasses.replace(rig.server, **{key: value for key, value in own.items() if key not in given})


_TABLES: dict[str, type] = {
    "hand": HandConfig,
    "skin": SkinConfig,
    "second_hand": HandConfig,
    "second_skin": SkinConfig,
    "server": ServerConfig,
    "recorder": RecorderConfig,
    "supervisor": SupervisorConfig,
    "world": WorldConfig,
    "encoder": LiveEncoderConfig,
}
