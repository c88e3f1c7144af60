"""Values of a rig file that cannot be: each is named by its key, with what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from skin_teleop.errors import ConfigError
from skin_teleop.hand import hand_model, is_left
from skin_teleop.rig_conflicts import check_conflicts
from skin_teleop.skin_layout import GEOMETRIES, skin_layout
from skin_teleop.two_hands import check_two_hands

if TYPE_CHECKING:
    from skin_teleop.rig import HandConfig, LiveEncoderConfig, Rig, SkinConfig

ENCODER_HZ = 100


def check_rig(rig: Rig, source: str) -> None:
    """Raise ConfigError for the first value that is out of range or does not fit another one."""
    for table, hand in rig.hands.items():
        _check_hand(table, hand, source)
    for (table, skin), hand in zip(rig.skins.items(), rig.hands.values(), strict=False):
        _check_skin(table, skin, hand, source)
    for name, value, low, high in _ranges(rig):
        if not low <= value <= high:
            raise ConfigError(f"rig {source}: {name}", found=str(value), allowed=f"{low} to {high}")
    if rig.world is not None and not rig.world.devices:
        raise ConfigError(f"rig {source}: world.devices", found="none", allowed="hand, skin or both; or no [world]")
    if rig.encoder is not None:
        _check_encoder(rig.encoder, rig.skin, source)
    check_two_hands(rig, source)
    check_conflicts(rig, source)


def _ranges(rig: Rig) -> Iterator[tuple[str, float, float, float]]:
    """Name, value and range of every number."""
    for table, hand in rig.hands.items():
        yield from _hand_ranges(hand, table)
    for table, skin in rig.skins.items():
        yield f"{table}.tick_hz", skin.tick_hz, 1, 400
        yield f"{table}.stale_after_ms", skin.stale_after_ms, 10, 60_000
    yield "server.port", rig.server.port, 1, 65535
    yield "recorder.batch_ms", rig.recorder.batch_ms, 5, 100
    yield "supervisor.restarts_per_minute", rig.supervisor.restarts_per_minute, 0, 20


def _hand_ranges(hand: HandConfig, table: str) -> Iterator[tuple[str, float, float, float]]:
    """What the control law is built of: name, value and range of every number."""
    for name, gains, highest in (
        ("stiffness_nm_per_rad", hand.stiffness_nm_per_rad, 20.0),
        ("damping_nm_s_per_rad", hand.damping_nm_s_per_rad, 1.0),
        ("thumb_stiffness_nm_per_rad", hand.thumb_stiffness_nm_per_rad, 20.0),
        ("thumb_damping_nm_s_per_rad", hand.thumb_damping_nm_s_per_rad, 1.0),
    ):
        yield from ((f"{table}.{name}", gain, 0.0, highest) for gain in gains)
    yield f"{table}.max_speed_rad_per_s", hand.max_speed_rad_per_s, 0.01, 20.0
    yield f"{table}.gravity_palm_m_s2, its length", math.hypot(*hand.gravity_palm_m_s2), 0.0, 10.0
    yield f"{table}.device_id", hand.device_id, 0, 3
    yield f"{table}.period_ms", hand.period_ms, 1, 20
    yield f"{table}.throttle_above_c", hand.throttle_above_c, 30, 100
    yield f"{table}.shut_off_above_c", hand.shut_off_above_c, hand.throttle_above_c + 1, 110
    yield f"{table}.hold_after_ms", hand.hold_after_ms, 10, 1000
    yield f"{table}.relax_after_ms", hand.relax_after_ms, hand.hold_after_ms, 10_000


def _check_hand(table: str, hand: HandConfig, source: str) -> None:
    hand_model(hand.model, hand.finger_joint1_z_m)
    if hand.hardware_version and hand.hardware_version not in hand.model:
        raise ConfigError(f"rig {source}: {table}.hardware_version", found=hand.hardware_version, allowed=hand.model)


def _check_encoder(encoder: LiveEncoderConfig, skin: SkinConfig, source: str) -> None:
    if not encoder.run:
        allowed = "a run folder, or a file of export-onnx"
        raise ConfigError(f"rig {source}: encoder.run", found="nothing", allowed=allowed)
    if skin.tick_hz != ENCODER_HZ:
        allowed = f"{ENCODER_HZ} with a table [encoder], whose windows are ten frames of 10 ms"
        raise ConfigError(f"rig {source}: skin.tick_hz", found=str(skin.tick_hz), allowed=allowed)


def _check_skin(table: str, skin: SkinConfig, hand: HandConfig, source: str) -> None:
    skin_layout(skin.layout)
    if is_left(hand.model) != is_left(skin.layout):
        allowed = f"the kit of the same side as {hand.model}"
        raise ConfigError(f"rig {source}: {table}.layout", found=skin.layout, allowed=allowed)
    if skin.geometry not in GEOMETRIES:
        raise ConfigError(f"rig {source}: {table}.geometry", found=skin.geometry, allowed=", ".join(GEOMETRIES))
    if skin.source == "raw_can" and not (skin.can_channels and skin.id_map):
        allowed = f"with {table}.can_channels and {table}.id_map"
        raise ConfigError(f"rig {source}: {table}.source", found="raw_can", allowed=allowed)
    if not _is_web_socket(skin.url):
        raise ConfigError(f"rig {source}: {table}.url", found=skin.url, allowed="ws://host:port or wss://host:port")


def _is_web_socket(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, half an IPv6 address
        return False
