"""Scales of the V4 wire, checked against a public recording of a real hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.allegro import scales
from skin_teleop.errors import DeviceError

V4, V5_A, V5_B = (scales.hand_scale(f"allegro_{kind}") for kind in ("v4_right", "v5_right_a", "v5_left_b"))


def test_the_real_candump_in_degrees():
    """Pose frame 0x080 `CAFDBDFE90FFCEFF` and the first thumb joint of 0x08C, digit-plexus candump."""
    counts = np.array([-566, -323, -112, -50, 2612])
    np.testing.assert_allclose(
        np.rad2deg(V4.radians_from_counts(counts)), [-2.88, -1.64, -0.57, -0.25, 13.28], atol=0.005
    )


def test_a_real_recording_is_made_of_whole_counts(reference_data: Path):
    """simlabrobotics/allegro_hand_ros jointstates.bag: each position is a whole number of counts plus an offset."""
    with np.load(reference_data / "hardware" / "allegro_bags" / "jointstates.npz") as recording:
        position_rad = recording["position"]  # (1349, 16)
    steps = np.diff(position_rad, axis=0) / scales.RAD_PER_COUNT
    assert np.abs(steps).max() > 1
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    back = V4.radians_from_counts(V4.counts_from_radians(position_rad))
    assert np.abs(back - position_rad).max() <= scales.RAD_PER_COUNT / 2 + 1e-12


@given(st.integers(-32768, 32767))
def test_counts_survive_radians(count):
    assert V4.counts_from_radians(V4.radians_from_counts(np.array(count))) == count


@given(st.floats(-1, 1))
def test_torque_is_never_rounded_up(torque_nm):
    for scale in (V4, V5_A, V5_B):
        asked_nm = np.clip(np.full(16, torque_nm), -scale.torque_limit_nm, scale.torque_limit_nm)
        sent_nm = scale.torque_from_wire(scale.wire_from_torque(np.full(16, torque_nm)))
        assert (np.abs(sent_nm) <= np.abs(asked_nm) + 1e-12).all()
        assert (np.abs(sent_nm - asked_nm) < 1 / scale.wire_per_nm + 1e-12).all()


def test_pwm_limits_are_the_vendors():
    """allegro_hand_ros_v4: fingers 375, 675, 450, 285; thumb 525, 405, 270, 270; 500 at most while unknown."""
    finger, thumb = [375, 675, 450, 285], [525, 405, 270, 270]
    assert scales.pwm_limit(0x0402).tolist() == finger * 3 + thumb
    assert scales.pwm_limit(None).tolist() == [375, 500, 450, 285] * 3 + [500, 405, 270, 270]
    np.testing.assert_allclose(scales.torque_limit_nm(0x0402)[:2], [0.3125, 0.5625])


def test_another_version_is_refused_since_its_scale_differs():
    with pytest.raises(DeviceError, match=r"found: hardware version 3.0; allowed: 4.x, 12 V"):
        scales.pwm_limit(0x0300)


def test_a_v5_takes_milliampere_and_half_of_them_on_the_geared_joints_of_type_b():
    """allegro_hand_ros_v5: 1430 mA/Nm, 240 mA at most; the gear of joints 1, 5, 9 of type B is twice as long."""
    torque_nm = np.full(16, 0.1)
    assert V5_A.wire_from_torque(torque_nm).tolist() == [143] * 16
    assert V5_B.wire_from_torque(torque_nm).tolist() == [143, 71, 143, 143] * 3 + [143] * 4
    assert V5_B.wire_from_torque(np.full(16, 9.0)).tolist() == [240] * 16
    np.testing.assert_allclose(V5_A.radians_from_counts(np.array([1000])), np.deg2rad(88.0))


@pytest.mark.parametrize(("model", "version"), [("allegro_v5_right_a", 0x0402), ("allegro_v4_left", 0x0500)])
def test_the_other_hands_version_is_refused(model, version):
    with pytest.raises(DeviceError, match="hand was expected; found: hardware version"):
        scales.hand_scale(model, version)
