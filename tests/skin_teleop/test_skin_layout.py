"""The left skin beside the right one, and both beside the vendor's numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import TABLES, skin_layout

LEFT, RIGHT = skin_layout("xela_ah_left"), skin_layout("xela_ah_right")


@pytest.mark.parametrize(("name", "side"), [("xela_ah_left", "left"), ("xela_ah_right", "right")])
def test_every_taxel_is_where_the_vendors_table_has_it(reference_data, name, side):
    table = json.loads((reference_data / "xela_ah368_layout.json").read_text())["taxels"]
    layout = skin_layout(name)
    rows = [table[flat] for flat in layout.vendor_flat]
    assert [row["taxel"] for row in rows] == layout.vendor_taxel.tolist()
    np.testing.assert_allclose(layout.positions_m["vendor"], [row[side]["pos"] for row in rows], atol=2e-5)
    links = [-1 if row[side]["link"] == "palm" else int(row[side]["link"].split("_")[1]) for row in rows]
    assert layout.link_index.tolist() == links


def test_both_hands_have_the_same_pads_in_the_same_order():
    assert [(p.name, p.kind, p.link, p.module, p.first) for p in LEFT.pads] == [
        (p.name, p.kind, p.link, p.module, p.first) for p in RIGHT.pads
    ]
    np.testing.assert_array_equal(LEFT.vendor_flat, RIGHT.vendor_flat)


def test_the_thumb_side_of_the_left_palm_is_at_negative_y():
    for pad in ("ahr_palm_1", "ahr_palm_2", "ahr_palm_3"):
        assert np.sign(LEFT.pad(pad).position_m[1]) == -np.sign(RIGHT.pad(pad).position_m[1])


def test_flat_pads_look_along_their_normals():
    for pad in LEFT.pads:
        if pad.kind != "curved":
            np.testing.assert_allclose(LEFT.normals[pad.taxels] @ pad.rotation[:, 2], 1, atol=1e-6)


def test_what_no_source_settles_is_marked_as_assumed():
    assert (LEFT.pairing, RIGHT.pairing) == ("assumed", "assumed")


def test_an_unknown_layout_names_the_known_ones():
    with pytest.raises(ConfigError, match="'xela_ah_both' was asked for; allowed: " + ", ".join(sorted(TABLES))):
        skin_layout("xela_ah_both")
