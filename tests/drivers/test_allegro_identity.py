"""The hand that answers must be the hand of the rig file, and its own file of offsets and limits must fit it."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.allegro.calibration import hand_calibration
from drivers.allegro.codec import HandInfo, HandStatus, SerialNumber
from drivers.allegro.identity import identified_scale, tells_v5
from drivers.allegro.startup import StartUp
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import ConfigError, DeviceError
from skin_teleop.hand import hand_model
from skin_teleop.rig import HandConfig

V4_INFO = HandInfo(0x0402, 0x0406, False, 60, HandStatus(5))
REAL_V5_SERIAL = "5TBR0017"
"""Of a public V5 driver's tests: type B, right."""
V5_B = HandConfig(model="allegro_v5_right_b")


def test_a_real_v5_serial_number_is_recognised():
    assert tells_v5(REAL_V5_SERIAL)
    assert not tells_v5("SIM40R01")
    assert not tells_v5("")


@pytest.mark.parametrize(
    ("model", "info", "serial", "found"),
    [
        ("allegro_v4_left", V4_INFO, "", r"right hand \(by its info\)"),
        ("allegro_v5_right_a", None, REAL_V5_SERIAL, "type B"),
        ("allegro_v5_left_b", None, REAL_V5_SERIAL, r"right hand \(by its serial number\)"),
        ("allegro_v4_right", None, REAL_V5_SERIAL, "a V5, serial number 5TBR0017"),
        ("allegro_v5_right_b", V4_INFO, REAL_V5_SERIAL, "hardware version 4.2"),
    ],
)
def test_another_hand_is_refused_in_words(model, info, serial, found):
    with pytest.raises(DeviceError, match=f"found: {found}.*set hand.model"):
        identified_scale(HandConfig(model=model), info, serial)


def test_the_right_hand_gets_its_full_limits():
    assert identified_scale(HandConfig(), V4_INFO, "").wire_limit[1] == 675
    assert identified_scale(V5_B, None, REAL_V5_SERIAL).wire_per_nm[1] == 715


def woken(config: HandConfig, *events) -> bool:
    startup = StartUp(config, 0)
    for event in events:
        startup.hear(event)
    for ms in range(10):
        startup.due(ms * NS_PER_MS)
    return startup.done


def test_a_v5_is_known_by_its_serial_number_alone_and_never_by_its_info_alone():
    assert woken(V5_B, SerialNumber(REAL_V5_SERIAL))
    assert not woken(V5_B, HandInfo(0x0500, 0x0100, False, 0, HandStatus(1)))
    assert not woken(HandConfig(), SerialNumber(REAL_V5_SERIAL))


def write(tmp_path, text: str) -> str:
    path = tmp_path / "hands.toml"
    path.write_text(text)
    return str(path)


def test_a_calibration_gives_offsets_and_its_own_limits(tmp_path):
    model = hand_model("allegro_v5_right_b")
    offset, upper = [0.01 * k for k in range(16)], (model.upper_rad - 0.1).tolist()
    file = write(tmp_path, f'["{REAL_V5_SERIAL}"]\nzero_offset_rad = {offset}\nupper_rad = {upper}\n')
    calibration = hand_calibration(file, REAL_V5_SERIAL, model)
    np.testing.assert_allclose(calibration.zero_offset_rad, offset)
    np.testing.assert_allclose(calibration.model.upper_rad, model.upper_rad - 0.1)
    np.testing.assert_array_equal(calibration.model.lower_rad, model.lower_rad)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["OTHER"]\n', r"found: serial number '5TBR0017'; allowed: OTHER; next: measure this hand"),
        ('["5TBR0017"]\nzero_offset_rad = [1.0, 2.0]\n', "allowed: 16 finite numbers"),
        (f'["5TBR0017"]\nzero_offset_rad = {["nan"] * 16}\n'.replace("'", ""), "allowed: 16 finite numbers"),
        (f'["5TBR0017"]\nlower_rad = {[3.0] * 16}\n', "limits of 5TBR0017, joint 0; found: 3.0 to"),
        ('["5TBR0017"]\nzero_offset = []\n', "unknown field `zero_offset`"),
        ("no toml", "hand.calibration_file"),
    ],
)
def test_an_impossible_calibration_is_told(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        hand_calibration(write(tmp_path, text), REAL_V5_SERIAL, hand_model("allegro_v5_right_b"))


def test_without_a_file_the_model_is_taken_as_it_is():
    model = hand_model("allegro_v4_right")
    assert hand_calibration("", "any", model).model is model
