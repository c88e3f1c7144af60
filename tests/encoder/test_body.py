from __future__ import annotations

import numpy as np
import pytest

from encoder.body import body_of
from skin_teleop.errors import SessionError
from skin_teleop.skin_layout import skin_layout


def test_body_is_what_the_session_says(session):
    body = body_of(session(60).meta)
    assert (body.hand, body.skin, body.model, body.layout) == ("allegro", "uskin", "allegro_v4_right", "xela_ah_right")


def test_palm_taxels_do_not_move_with_the_joints(session):
    body, layout = body_of(session(60).meta), skin_layout()
    bent, straight = (body.taxel_positions_m(np.full(16, angle), "vendor") for angle in (0.5, 0.0))
    moved = np.abs(bent - straight).max(-1) > 1e-6
    assert moved.tolist() == (layout.link_index >= 0).tolist()


def test_a_session_that_names_no_layout_is_refused(session):
    meta = session(60).meta
    del meta["rig"]["skin"]["layout"]
    with pytest.raises(SessionError, match=r"session.json without 'layout'.*skin-teleop check"):
        body_of(meta)
