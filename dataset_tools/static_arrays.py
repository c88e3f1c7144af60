"""What does not change during a session: where the taxels sit and which hand they sit on."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from skin_teleop.messages import Array
from skin_teleop.skin_layout import SkinLayout, skin_layout


def write_static(root: zarr.Group, rig: dict[str, Any]) -> None:
    """Create and fill the group `static` from the rig of session.json."""
    layout = skin_layout(rig["skin"]["layout"])
    facts = {
        "taxel_layout_id": layout.name,
        "pairing": layout.pairing,
        "pads": [pad.name for pad in layout.pads],
        "hand_model": rig["hand"]["model"],
        "finger_joint1_z_m": rig["hand"]["finger_joint1_z_m"],
    }
    group = root.create_group("static", attributes=facts)
    for name, (values, attributes) in _arrays(layout).items():
        group.create_array(name, data=values, attributes=attributes)


def _arrays(layout: SkinLayout) -> dict[str, tuple[Array, dict[str, Any]]]:
    position: dict[str, Any] = {"unit": "m", "frame": "link (see taxel_link)"}
    return {
        "taxel_position_vendor": (layout.positions_m["vendor"].astype(np.float32), position),
        "taxel_position_sparsh": (layout.positions_m["sparsh"].astype(np.float32), position),
        "taxel_link": (layout.link_index.astype(np.int8), {"unit": "k of link_k, -1 = palm"}),
        "taxel_pad": (layout.pad_index.astype(np.uint8), {"unit": "index into the attribute pads"}),
        "vendor_flat": (layout.vendor_flat.astype(np.uint16), {"unit": "index in the vendor server's frame"}),
    }
