"""Scales of the V4 wire, checked against a public recording of a real hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.allegro import scales
from skin_teleop.errors import DeviceError


def test_the_real_candump_in_degrees():
    """Pose frame 0x080 `CAFDBDFE90FFCEFF` and the first thumb joint of 0x08C, digit-plexus candump."""
    counts = np.array([-566, -323, -112, -50, 2612])
    np.testing.assert_allclose(
        np.rad2deg(scales.radians_from_counts(counts)), [-2.88, -1.64, -0.57, -0.25, 13.28], atol=0.005
    )


def test_a_real_recording_is_made_of_whole_counts(reference_data: Path):
    """simlabrobotics/allegro_hand_ros jointstates.bag: each position is a whole number of counts plus an offset."""
    with np.load(reference_data / "hardware" / "allegro_bags" / "jointstates.npz") as recording:
        position_rad = recording["position"]  # (1349, 16)
    steps = np.diff(position_rad, axis=0) / scales.RAD_PER_COUNT
    assert np.abs(steps).max() > 1
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    back = scales.radians_from_counts(scales.counts_from_radians(position_rad))
    assert np.abs(back - position_rad).max() <= scales.RAD_PER_COUNT / 2 + 1e-12


@given(st.integers(-32768, 32767))
def test_counts_survive_radians(count):
    assert scales.counts_from_radians(scales.radians_from_counts(np.array(count))) == count


@given(st.floats(-1, 1))
def test_torque_is_never_rounded_up(torque_nm):
    sent_nm = scales.torque_from_pwm(scales.pwm_from_torque(np.array(torque_nm)))
    assert abs(sent_nm) <= abs(torque_nm)
    assert abs(sent_nm - torque_nm) < 1 / 1200


def test_pwm_limits_are_the_vendors():
    """allegro_hand_ros_v4: fingers 375, 675, 450, 285; thumb 525, 405, 270, 270; 500 at most while unknown."""
    finger, thumb = [375, 675, 450, 285], [525, 405, 270, 270]
    assert scales.pwm_limit(0x0402).tolist() == finger * 3 + thumb
    assert scales.pwm_limit(None).tolist() == [375, 500, 450, 285] * 3 + [500, 405, 270, 270]
    np.testing.assert_allclose(scales.torque_limit_nm(0x0402)[:2], [0.3125, 0.5625])


def test_another_version_is_refused_since_its_scale_differs():
    with pytest.raises(DeviceError, match=r"found: hardware version 3.0; allowed: 4.x, 12 V"):
        scales.pwm_limit(0x0300)
