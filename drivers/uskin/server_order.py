"""Which value of the vendor server's frame is which taxel: one kit sensor, or one sensor for each pad."""

from __future__ import annotations

import numpy as np

from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array


def server_order(layout: SkinLayout, sensor_pads: tuple[str, ...]) -> Array:
    """(368,) index of each canonical taxel in the server's values, all its sensors one after the other.

    Without `sensor_pads` the server has the kit's single sensor and the vendor's interleaved order holds. With them,
    sensor n of the server is the pad with the n-th name, its values in the vendor's taxel order, as in the public
    Sparsh-skin data. Raises ConfigError unless every pad is named once.
    """
    if not sensor_pads:
        return layout.vendor_flat
    if sorted(sensor_pads) != sorted(pad.name for pad in layout.pads):
        odd = set(sensor_pads) ^ {pad.name for pad in layout.pads} or {
            p for p in sensor_pads if sensor_pads.count(p) > 1
        }
        raise ConfigError(
            "skin.sensor_pads should name every pad once, in the order of the server's sensors",
            found=f"missing, unknown or repeated: {', '.join(sorted(odd))}",
            allowed=", ".join(pad.name for pad in layout.pads),
        )
    order = np.empty(len(layout.vendor_flat), int)
    start = 0
    for name in sensor_pads:
        pad = layout.pad(name)
        order[pad.taxels] = start + layout.vendor_taxel[pad.taxels] - 1
        start += pad.count
    return order
