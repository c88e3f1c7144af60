"""Single kit sensor or one sensor for each pad: the same skin either way."""

from __future__ import annotations

import random

import numpy as np
import pytest

from drivers.uskin.server_order import server_order
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
PADS = tuple(pad.name for pad in LAYOUT.pads)


def test_the_kit_has_the_vendors_order():
    np.testing.assert_array_equal(server_order(LAYOUT, ()), LAYOUT.vendor_flat)


@pytest.mark.parametrize("seed", range(3))
def test_pads_in_any_order_give_every_taxel_its_own_value(seed):
    names = tuple(random.Random(seed).sample(PADS, len(PADS)))
    values = np.concatenate([1000 * LAYOUT.pad(name).index + np.arange(LAYOUT.pad(name).count) for name in names])
    canonical = values[server_order(LAYOUT, names)]
    np.testing.assert_array_equal(canonical, 1000 * LAYOUT.pad_index + LAYOUT.vendor_taxel - 1)


@pytest.mark.parametrize("names", [PADS[:-1], (*PADS[:-1], "palm"), (*PADS[:-1], PADS[0])])
def test_a_missing_unknown_or_repeated_pad_is_told(names):
    with pytest.raises(ConfigError, match=r"name every pad once.*found: missing, unknown or repeated: .*ahr_palm_3"):
        server_order(LAYOUT, names)
