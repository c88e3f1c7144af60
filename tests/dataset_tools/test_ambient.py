from __future__ import annotations

import numpy as np

from dataset_tools.ambient import GAIN_SPREAD, left_behind, split_ambient
from skin_teleop.skin_layout import skin_layout, taxel_frames

LAYOUT = skin_layout()
FRAMES = taxel_frames(LAYOUT)


def field_in_taxels(field_by_pad: np.ndarray) -> np.ndarray:
    """A field (18, 3), each in its pad's frame, as every taxel (368, 3) reads it in its own frame."""
    return np.einsum("kij,kj->ki", FRAMES, field_by_pad[LAYOUT.pad_index])


def test_a_field_that_turns_with_the_hand_leaves_nothing() -> None:
    rng = np.random.default_rng(0)
    delta = np.stack([field_in_taxels(rng.normal(0, 200, (18, 3))) for _ in range(5)]).astype(np.float32)
    assert np.abs(delta).max() > 200
    assert np.abs(split_ambient(delta, LAYOUT)[0]).max() < 1e-2


def test_a_touch_keeps_its_size_beside_the_field() -> None:
    touch = np.zeros((368, 3))
    pad = LAYOUT.pad("0aftc")
    touch[pad.first : pad.first + 5, 2] = 900.0
    both = touch + field_in_taxels(np.full((18, 3), 150.0))
    np.testing.assert_allclose(split_ambient(both[None].astype(np.float32), LAYOUT)[0][0], touch, atol=1e-2)


def test_what_a_field_may_leave_grows_with_it() -> None:
    field = np.zeros((1, 18, 3))
    field[0, 3] = [0, 30, 40]
    _, estimated = split_ambient(field_in_taxels(field[0])[None].astype(np.float32), LAYOUT)
    np.testing.assert_allclose(estimated, field, atol=1e-3)
    left = left_behind(estimated, LAYOUT)[0]
    np.testing.assert_allclose(left[LAYOUT.pads[3].taxels], 50 * GAIN_SPREAD, rtol=1e-4)
    assert np.abs(np.delete(left, np.arange(62, 92))).max() < 1e-3
