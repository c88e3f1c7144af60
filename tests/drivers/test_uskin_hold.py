"""Sample and hold: order of taxels, ages, flags, restarts."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.uskin.hold import SkinHold
from drivers.uskin.server_frame import SensorReading, ServerFrame
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import WireError
from skin_teleop.messages import FLAG_SATURATED, FLAG_STALE
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
REST = np.full((368, 3), 32768, np.uint16)
T0 = 5 * 10**9


def frame(flux: np.ndarray, message: int = 1, temperature: np.ndarray | None = None) -> ServerFrame:
    return ServerFrame(message, 10**18, (SensorReading("XR23AHRCPP", flux, temperature, None, 10**18 + 7),))


def held(*fluxes: np.ndarray, every_ms: int = 10) -> SkinHold:
    """A hold that has taken these fluxes, vendor order, one every 10 ms from T0."""
    hold = SkinHold(LAYOUT.vendor_flat, 1000)
    for number, flux in enumerate(fluxes):
        hold.take(frame(flux, number), T0 + number * every_ms * NS_PER_MS)
    return hold


def test_values_come_in_canonical_order():
    """Vendor flat 0 to 3 are taxels 02 to 05 of the thumb tip (module 03), as on the vendor's 31 x 26 picture."""
    vendor = np.arange(368 * 3, dtype=np.uint16).reshape(368, 3)
    temperature = np.arange(368, dtype=np.float32)
    hold = SkinHold(LAYOUT.vendor_flat, 1000)
    hold.take(frame(vendor, temperature=temperature), T0)
    tip = LAYOUT.pad("3aftc")
    for flat, taxel in [(0, 2), (3, 5), (4, 1)]:
        canonical = tip.first + int(np.flatnonzero(LAYOUT.vendor_taxel[tip.taxels] == taxel)[0])
        assert hold.flux[canonical].tolist() == vendor[flat].tolist()
        assert hold.temperature_k[canonical] == flat
    np.testing.assert_array_equal(LAYOUT.to_vendor(hold.flux), vendor)
    assert np.isnan(hold.updates_per_s).all()


def test_age_is_the_time_since_the_broadcast_arrived():
    ages = held(REST, REST).age_ms(T0 + 25 * NS_PER_MS)
    assert ages.dtype == np.uint16
    assert (ages == 15).all()


def test_ages_end_at_65535_and_are_never_negative():
    hold = held(REST, REST + 1)
    assert (hold.age_ms(T0) == 0).all()
    assert (hold.age_ms(T0 + 10 * NS_PER_MS + 65_534 * NS_PER_MS) == 65534).all()
    assert (hold.age_ms(T0 + 10**15) == 65535).all()
    assert (SkinHold(LAYOUT.vendor_flat, 1000).age_ms(T0) == 65535).all()


def test_before_the_first_frame_there_is_nothing():
    hold = SkinHold(LAYOUT.vendor_flat, 1000)
    assert not hold.has_data
    assert hold.flags(T0) & FLAG_STALE
    assert held(REST).has_data


def test_silence_of_the_server_is_stale_even_when_nothing_changes():
    hold = held(REST, REST)
    assert hold.flags(T0 + 1010 * NS_PER_MS) == 0
    assert hold.flags(T0 + 1011 * NS_PER_MS) == FLAG_STALE


@pytest.mark.parametrize(("value", "flag"), [(0, FLAG_SATURATED), (65535, FLAG_SATURATED), (1, 0), (65534, 0)])
def test_an_axis_at_the_end_of_its_range_is_saturated(value, flag):
    flux = REST.copy()
    flux[7, 2] = value
    assert held(flux).flags(T0) == flag


def test_a_counter_that_falls_back_is_a_restart_not_garbage():
    hold = SkinHold(LAYOUT.vendor_flat, 1000)
    restarted = [hold.take(frame(REST + k, message), T0 + k) for k, message in enumerate([500, 501, 3, 3, 4])]
    assert restarted == [False, False, True, False, False]
    assert (hold.message, hold.flux[0, 0]) == (4, 32772)


def test_the_server_time_is_the_newest_of_the_frame():
    assert held(REST).device_time_ns == 10**18 + 7


def test_several_sensors_are_put_one_after_the_other():
    first, second = (SensorReading("a", REST[:n], None, None, 0) for n in (100, 268))
    hold = SkinHold(LAYOUT.vendor_flat, 1000)
    hold.take(ServerFrame(1, 0, (first, second)), T0)
    assert hold.has_data


def test_another_number_of_taxels_is_refused_with_what_to_set():
    with pytest.raises(
        WireError,
        match=r"368 taxels was expected; found: 24 taxels in 1 sensors: XR23AHRCPP with 24; next: .*xServ.ini",
    ):
        SkinHold(LAYOUT.vendor_flat, 1000).take(frame(REST[:24]), T0)
