"""Temperatures throttle and shut off, pressures and motor errors are read, broken sensors are not believed."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.allegro.codec import FingerTemperature, HandInfo, HandStatus, MotorError, MotorFault, TipPressure
from drivers.allegro.health import HealthMonitor
from skin_teleop.rig import HandConfig

CONFIG = HandConfig(throttle_above_c=60, shut_off_above_c=80)


@pytest.mark.parametrize(("hottest_c", "share"), [(20, 1.0), (60, 1.0), (70, 0.5), (80, 0.0)])
def test_a_warm_joint_lowers_the_torque_limits(hottest_c, share):
    monitor = HealthMonitor(CONFIG)
    assert monitor.hear(FingerTemperature(2, (30, hottest_c, 30, 30))) is None
    assert monitor.torque_share == pytest.approx(share)


def test_before_any_report_nothing_is_throttled():
    assert HealthMonitor(CONFIG).torque_share == 1.0


def test_a_hot_joint_is_a_fault():
    monitor = HealthMonitor(CONFIG)
    assert monitor.hear(FingerTemperature(3, (30, 30, 81, 30))) == "81 degC at a joint"
    assert monitor.torque_share == 0.0


def test_the_broken_sensor_of_a_real_hand_is_stored_and_not_believed():
    """digit-plexus candump: 0x0EC gave 48, 38, 36, 246."""
    monitor = HealthMonitor(CONFIG)
    assert monitor.hear(FingerTemperature(3, (48, 38, 36, 246))) is None
    assert monitor.torque_share == 1.0
    assert monitor.temperature_c[12:].tolist() == [48, 38, 36, 246]


def test_pressure_outside_the_vendors_range_counts_as_none():
    monitor = HealthMonitor(CONFIG)
    assert np.isnan(monitor.pressure_pa).all()
    monitor.hear(TipPressure(0, (1200, -5)))
    monitor.hear(TipPressure(1, (5001, 5000)))
    assert monitor.pressure_pa.tolist() == [1200, 0, 0, 5000]


def test_a_motor_error_and_a_fault_bit_are_faults():
    monitor = HealthMonitor(CONFIG)
    assert monitor.hear(MotorError(7, MotorFault.OVERLOAD)) == "motor 7: OVERLOAD"
    assert monitor.hear(MotorError(7, MotorFault(0))) is None
    throttled = HandInfo(0x0402, 0x0406, False, 60, HandStatus.SERVO_ON | HandStatus.JOINT_TEMPERATURE_THROTTLE)
    assert monitor.hear(throttled) is None
    assert "PALM" in monitor.hear(HandInfo(0x0402, 0x0406, False, 60, HandStatus.PALM_TEMPERATURE_FAULT))
