"""The simulated end of a skin's wire, as the rig file says that the skin is reached."""

from __future__ import annotations

from drivers.simulated.raw_skin import RawSkinDevices
from drivers.simulated.xela_server import XelaServer
from drivers.uskin.id_map import read_id_map
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import skin_layout


def skin_devices(config: SkinConfig) -> XelaServer | RawSkinDevices:
    """The vendor's server, or controllers on raw CAN; raises DeviceError when the port or the channel is taken."""
    layout = skin_layout(config.layout)
    if config.source == "raw_can":
        return RawSkinDevices(config, read_id_map(config.id_map, config.can_channels, layout))
    return XelaServer(config.url, layout)
