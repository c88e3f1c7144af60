"""Start-up without a bus: which frames are due when, and when patience ends."""

from __future__ import annotations

import pytest

from drivers.allegro.codec import (
    FingerPose,
    HandInfo,
    HandStatus,
    InfoRequest,
    PoseRequest,
    SerialNumber,
    SerialRequest,
    Servo,
    SetPeriod,
)
from drivers.allegro.startup import StartUp, power_on
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.errors import DeviceError
from skin_teleop.rig import HandConfig

INFO = HandInfo(0x0402, 0x0406, False, 60, HandStatus(5))


def test_off_info_serial_then_done_when_the_info_is_there():
    startup = StartUp(HandConfig(), 0)
    assert startup.due(0) == (Servo(False), InfoRequest())
    assert startup.due(NS_PER_MS // 2) == ()
    startup.hear(INFO)
    assert startup.due(NS_PER_MS) == (SerialRequest(),)
    assert not startup.done
    startup.hear(SerialNumber("V4TEST01"))
    assert startup.due(2 * NS_PER_MS) == ()
    assert startup.done
    assert (startup.info, startup.serial) == (INFO, "V4TEST01")


def test_a_hand_that_is_to_be_calibrated_must_say_its_serial_number():
    startup = StartUp(HandConfig(calibration_file="hands.toml"), 0)
    startup.due(0)
    startup.hear(INFO)
    asked = [frame for ms in range(1, 600, 20) for frame in startup.due(ms * NS_PER_MS)]
    assert asked.count(SerialRequest()) == 3
    assert not startup.done
    with pytest.raises(DeviceError, match=r"does not say its serial number.*leave hand\.calibration_file out"):
        startup.check_patience(10 * NS_PER_S)
    startup.hear(SerialNumber("V4TEST01"))
    startup.due(700 * NS_PER_MS)
    assert startup.done


@pytest.mark.parametrize("model", ["allegro_v4_right", "allegro_v5_right_a"])
def test_a_configured_version_does_not_stand_in_for_the_serial_number_of_a_calibrated_hand(model):
    version = "v4" if "v4" in model else "v5"
    startup = StartUp(HandConfig(model=model, calibration_file="hands.toml", hardware_version=version), 0)
    startup.hear(FingerPose(0, (1, 2, 3, 4)))
    for ms in range(0, 3000, 10):
        startup.due(ms * NS_PER_MS)
    assert not startup.done
    with pytest.raises(DeviceError, match=r"does not say its serial number.*found: other frames, and no serial"):
        startup.check_patience(10 * NS_PER_S)
    startup.hear(SerialNumber("5TAR0017" if version == "v5" else "V4TEST01"))
    startup.due(3000 * NS_PER_MS)
    assert startup.done


def test_power_on_sets_the_period_before_the_servo():
    assert power_on(HandConfig(period_ms=4)) == (SetPeriod(4), Servo(True))


def test_a_hand_that_is_powered_later_is_asked_again():
    startup = StartUp(HandConfig(), 0)
    sent = [frame for ms in range(0, 2001, 10) for frame in startup.due(ms * NS_PER_MS)]
    assert sent.count(InfoRequest()) == 9
    assert sent.count(SerialRequest()) == 8
    assert sent.count(Servo(False)) == 1
    assert not startup.done


def test_without_version_other_frames_do_not_stand_in_for_the_info():
    startup = StartUp(HandConfig(), 0)
    startup.hear(FingerPose(0, (0, 0, 0, 0)))
    for ms in range(0, 9000, 10):
        startup.due(ms * NS_PER_MS)
    assert not startup.done
    startup.check_patience(9 * NS_PER_S)
    with pytest.raises(
        DeviceError, match=r'version it is.*next: if it is an allegro_v4_right, set hardware_version = "v4"'
    ):
        startup.check_patience(10 * NS_PER_S)


def test_a_hand_without_any_frame_is_told_apart():
    with pytest.raises(DeviceError, match="does not answer; found: no info reply within 10 s on 'can0'"):
        StartUp(HandConfig(), 0).check_patience(10 * NS_PER_S)


@pytest.mark.parametrize("alive", [True, False])
def test_a_configured_version_needs_a_sign_of_life(alive):
    startup = StartUp(HandConfig(hardware_version="v4"), 0)
    sent = []
    for ms in range(0, 1001, 10):
        sent += startup.due(ms * NS_PER_MS)
        assert not startup.done or ms >= 1000
        if alive and PoseRequest(0) in sent:
            startup.hear(FingerPose(0, (1, 2, 3, 4)))
    assert startup.done is alive
