"""A rehearsal of `verify-skin` without hardware: a simulated skin, mounted as a file says, that presses itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from drivers.simulated.pressed_skin import PressedSkin
from drivers.simulated.raw_skin import RawSkinDevices
from drivers.simulated.xela_server import XelaServer
from drivers.uskin.id_map import read_id_map
from skin_teleop.cli.bench_process import runtime_folder
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.skin_mounting import mounted_taxels, read_pad_map


@contextlib.contextmanager
def rehearsal(
    config: SkinConfig, layout: SkinLayout, file: str | None, *, searching: bool
) -> Iterator[Callable[[int], None] | None]:
    """Serve a skin that is mounted as a pad map, or sends by an id map, says; gives what presses one of its taxels.

    Without a file there is nothing to rehearse, and None comes. Raises ConfigError when the file is not usable.
    """
    if not file:
        yield None
        return
    carried = np.arange(len(layout.pad_index))
    if not searching:
        carried = mounted_taxels(layout, read_pad_map(file, layout.name))
    with runtime_folder():
        if config.source == "raw_can":
            ids = read_id_map(file if searching else config.id_map, config.can_channels, layout)
            device: RawSkinDevices | XelaServer = RawSkinDevices(config, ids)
        else:
            device = XelaServer(config.url, layout)
        with contextlib.closing(PressedSkin(device, layout, carried)) as skin:
            yield skin.press
