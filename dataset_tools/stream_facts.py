"""What is known of every kind of stream before its first row: who makes it, how often, on which clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivers.arrival_clock import stamp_source_of
from skin_teleop.rig import HandConfig, Rig, SkinConfig

HEADSET_HZ = 72.0
"""Default refresh rate of the Quest browser, at which it delivers hand poses (WebXR `frameRate`)."""
TRUTH_HZ = 100.0
HEALTH_HZ = 1.0


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Who makes a stream and what its device clock is."""

    source: str
    clock: str
    """Meaning of `t_dev`; `t_mono` and `t_wall` mean the same in every stream."""


NO_DEVICE_CLOCK = "host clocks only"
FACTS = {
    "SkinFrame": StreamFacts("skin node", "t_dev: time stamp of the XELA server's newest frame, ns"),
    "SkinHealth": StreamFacts("skin node", NO_DEVICE_CLOCK),
    "JointState": StreamFacts("hand node", NO_DEVICE_CLOCK),
    "HandHealth": StreamFacts("hand node", NO_DEVICE_CLOCK),
    "HandPose": StreamFacts("server, from the headset", "t_dev: the headset's XR frame time, ns"),
    "WristTarget": StreamFacts("server", NO_DEVICE_CLOCK),
    "JointTarget": StreamFacts("server", NO_DEVICE_CLOCK),
    "Truth": StreamFacts("simulated world", "t_dev: simulated time, ns"),
    "ClockSample": StreamFacts("clock exchange with the device", "t_dev: the device's clock, ns"),
    "SkinEmbedding": StreamFacts("encoder node", "t_dev: that of the window's last skin frame"),
    "Event": StreamFacts("all processes", NO_DEVICE_CLOCK),
}


def _hand_of(stream: str, rig: Rig) -> HandConfig:
    """The hand that a stream is named after; the first where it is none's."""
    return next((hand for hand in rig.hands.values() if hand.name == stream), rig.hand)


def _skin_of(stream: str, rig: Rig) -> SkinConfig:
    return next((skin for skin in rig.skins.values() if skin.name == stream), rig.skin)


def nominal_hz(message: str, rig: Rig, stream: str = "") -> float:
    """Rows a second that a stream should have; 0 where rows come when something happens."""
    rates = {
        "SkinFrame": float(_skin_of(stream, rig).tick_hz),
        "SkinEmbedding": float(rig.skin.tick_hz),
        "JointState": 1000 / _hand_of(stream, rig).period_ms,
        "HandPose": HEADSET_HZ,
        "WristTarget": HEADSET_HZ,
        "JointTarget": HEADSET_HZ,
        "Truth": TRUTH_HZ,
        "SkinHealth": HEALTH_HZ,
        "HandHealth": HEALTH_HZ,
        "ClockSample": HEALTH_HZ,
    }
    return rates.get(message, 0.0)


def stamp_source(message: str, rig: Rig, stream: str = "") -> str:
    """What `t_mono` of a stream is, a key of `skin_teleop.messages.STAMP_SOURCES`."""
    if message == "JointState":
        return stamp_source_of(_hand_of(stream, rig).can_interface)
    return "tick" if message in ("SkinFrame", "SkinEmbedding") else "host"


def stream_attributes(message: str, rig: Rig, stream: str = "") -> dict[str, Any]:
    """The attributes of a stream that do not depend on its rows; its name says which of two hands or skins it is of.

    `latency_ns` is how long before `t_mono` the measurement was made; 0 until a calibration says more.
    """
    facts = FACTS[message]
    return {
        "source": facts.source,
        "clock": facts.clock,
        "stamp_source": stamp_source(message, rig, stream),
        "nominal_hz": nominal_hz(message, rig, stream),
        "latency_ns": 0,
    }
