"""Frames of XELA's server: a real one, literal ones, round trips, and everything malformed refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers.uskin.server_frame import (
    MAX_FRAME_BYTES,
    SensorReading,
    ServerFrame,
    encode_server_frame,
    encode_welcome,
    parse_server_frame,
)
from skin_teleop.clock import ABSENT_NS
from skin_teleop.errors import WireError

# First two taxels of a real frame of the right Allegro kit (XR23AHRCPP, server 1.8.0b_200801, invokelshn/xela_apps).
LITERAL = (
    b'{"message":2987,"time":1770019105.5,"sensors":1,"type":"routine","version":"1.8.0b_200801",'
    b'"1":{"time":1770019105.25,"sensor":"1","data":"8056,806C,8C3C,7E75,8013,8D36","model":"XR23AHRCPP","taxels":2,'
    b'"integer":[32854,32876,35900,32373,32787,36150],"temp":[297.4,297.6],"handedness":"right","ups":[2.5,4.46]},'
    b'"sendtime":1770019105.75}'
)
FLUX = [[32854, 32876, 35900], [32373, 32787, 36150]]


def without(field: str) -> bytes:
    document = json.loads(LITERAL)
    document["1"].pop(field, None)
    document.pop(field, None)
    return json.dumps(document).encode()


def with_sensor(**fields: object) -> bytes:
    document = json.loads(LITERAL)
    document["1"] |= fields
    return json.dumps(document).encode()


def test_a_literal_frame():
    frame = parse_server_frame(LITERAL)
    assert (frame.message, frame.version) == (2987, "1.8.0b_200801")
    assert frame.time_ns == frame.newest_ns == 1_770_019_105_500_000_000
    assert frame.sensors[0].model == "XR23AHRCPP"
    assert frame.flux.dtype == np.uint16
    assert frame.flux.tolist() == FLUX
    np.testing.assert_allclose(frame.temperature_k, [297.4, 297.6], rtol=1e-6)
    np.testing.assert_allclose(frame.updates_per_s, [2.5, 4.46], rtol=1e-6)


def test_hex_stands_in_for_integers_of_older_servers():
    assert parse_server_frame(without("integer")).flux.tolist() == FLUX


def test_temperature_rate_and_times_may_be_absent():
    frame = parse_server_frame(without("temp"))
    assert np.isnan(frame.temperature_k).all()
    assert np.isnan(parse_server_frame(without("ups")).updates_per_s).all()
    assert parse_server_frame(without("time")).newest_ns == ABSENT_NS


def test_a_sensor_may_be_newer_than_its_broadcast():
    assert parse_server_frame(with_sensor(time=1770019106.0)).newest_ns == 1_770_019_106_000_000_000


@pytest.mark.parametrize("text", [b'{"message":"Welcome"}', b'{"message":0,"type":"welcome"}', encode_welcome()])
def test_the_welcome_is_skipped(text):
    assert parse_server_frame(text) is None


def test_the_real_frame_of_the_allegro_kit(reference_data: Path):
    folder = reference_data / "hardware" / "xela_json"
    raw = (folder / "XR23AHRCPP.json").read_bytes()
    assert b'"8056,\n806C' in raw  # the vendor's log breaks strings over lines
    frame = parse_server_frame(raw)
    assert (frame.message, len(frame.sensors), frame.flux.shape) == (2987, 1, (368, 3))
    assert frame.flux[:2].tolist() == FLUX
    # Statistics of the same frame by hand: X 32725 +- 275, Z from 33559 to 38198.
    assert round(float(frame.flux[:, 0].mean())) == 32725
    assert (frame.flux[:, 2].min(), frame.flux[:, 2].max()) == (33559, 38198)
    document = json.loads(raw, strict=False)
    del document["1"]["integer"]
    np.testing.assert_array_equal(parse_server_frame(json.dumps(document)).flux, frame.flux)
    assert parse_server_frame(encode_server_frame(frame)).flux.tolist() == frame.flux.tolist()


def test_a_real_frame_of_two_small_pads(reference_data: Path):
    raw = (reference_data / "hardware" / "xela_json" / "uSPa46.json").read_bytes()
    frame = parse_server_frame(raw[raw.index(b"{") :])
    assert [sensor.flux.shape for sensor in frame.sensors] == [(24, 3), (24, 3)]
    assert frame.flux[:2].tolist() == [[0x8125, 0x81B2, 0x92B8], [0x80C9, 0x80C7, 0x8E74]]


counts = st.integers(1, 40).flatmap(lambda n: arrays(np.uint16, (n, 3)))
stamps = st.integers(0, 4 * 10**9).map(lambda s: s * 10**9)


@st.composite
def frames(draw: st.DrawFn) -> ServerFrame:
    sensors = []
    for flux in draw(st.lists(counts, min_size=1, max_size=4)):
        measures = st.none() | arrays(np.float32, len(flux), elements=st.floats(0, 1000, width=32))
        sensors.append(SensorReading("uSPa46", flux, draw(measures), draw(measures), draw(stamps)))
    return ServerFrame(draw(st.integers(0, 2**32)), draw(stamps), tuple(sensors))


@given(frames())
def test_every_frame_survives_the_wire(frame):
    back = parse_server_frame(encode_server_frame(frame))
    assert (back.message, back.time_ns, back.version) == (frame.message, frame.time_ns, frame.version)
    for mine, theirs in zip(frame.sensors, back.sensors, strict=True):
        np.testing.assert_array_equal(theirs.flux, mine.flux)
        assert theirs.time_ns == mine.time_ns
    np.testing.assert_array_equal(back.temperature_k, frame.temperature_k)
    np.testing.assert_array_equal(back.updates_per_s, frame.updates_per_s)


def test_the_format_is_the_vendors():
    flux = np.array([[0x8056, 0x806C, 0x00AB]], np.uint16)
    reading = SensorReading("XR23AHRCPP", flux, None, None, 1_500_000_000)
    document = json.loads(encode_server_frame(ServerFrame(7, 2_000_000_000, (reading,))))
    assert document["1"]["data"] == "8056,806C,00AB"
    assert document["1"]["integer"] == [0x8056, 0x806C, 0x00AB]
    assert (document["type"], document["sensors"], document["sendtime"]) == ("routine", 1, 2.0)
    assert "calibrated" not in document["1"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "a skin server frame was expected"),
        (b"[1, 2]", "a skin server frame was expected"),
        (b'{"message":1}', "no sensor '1'"),
        (b'{"message":-1,"1":{"taxels":1,"data":"8000,8000,8000"}}', ">= 0"),
        (b'{"message":1,"sensors":1000}', "<= 64"),
        (LITERAL.replace(b'"sensors":1', b'"sensors":2'), "no sensor '2'"),
        (LITERAL[:-30], "a skin server frame was expected"),
        (LITERAL + b"x", "a skin server frame was expected"),
        (with_sensor(integer=[1, 2, 3]), "sensor 1 announces 2 taxels; found: 3 values"),
        (with_sensor(integer=[70000] * 6), "<= 65535"),
        (with_sensor(integer=[-1] * 6), ">= 0"),
        (with_sensor(integer=None, data="8056,806C"), "found: 2 values; allowed: 6 values"),
        (with_sensor(integer=None, data=""), "4-digit hex"),
        (with_sensor(integer=None, data="8056,806C,8C3C,7E75,8013,8D3G"), "4-digit hex"),
        (with_sensor(integer=None, data="8056,806C,8C3C,7E75,8013,8D"), "4-digit hex"),
        (with_sensor(temp=[297.4]), "found: 1 values in 'temp'"),
        (with_sensor(ups=[1e300, 1.0]), "<= 1000000"),
        (with_sensor(time=1e30), "<= 9000000000"),
        (with_sensor(taxels=10**9), "<= 4096"),
        (b'{"message":1,"1":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "a skin server frame was expected"),
        (b" " * (MAX_FRAME_BYTES + 1), f"allowed: {MAX_FRAME_BYTES}"),
        (b'{"message":1,"version":"\xff\xfe"}', "a skin server frame was expected"),
    ],
)
def test_malformed_frames_are_refused(text, reason):
    with pytest.raises(WireError, match=re.escape(reason)):
        parse_server_frame(text)


@given(st.binary(max_size=200) | st.integers(0, len(LITERAL)).map(lambda n: LITERAL[:n] + b"7" + LITERAL[n + 1 :]))
def test_any_bytes_are_a_frame_nothing_or_a_wire_error(text):
    try:
        frame = parse_server_frame(text)
    except WireError:
        return
    assert frame is None or frame.flux.shape[1] == 3


def test_a_frame_of_server_1_7():
    """1.7: `type` of the welcome in lower case, no `integer`, `calibrated` null, sensor as a number, any handedness."""
    welcome = b'{"type":"welcome","message":"Welcome"}'
    data = (
        b'{"message":7,"time":1600000000.5,"sensors":1,"type":"routine","version":"1.7.7",'
        b'"1":{"sensor":1,"taxels":2,"data":"8056,806C,8C3C,\n7E75,8013,8D36","calibrated":null,'
        b'"model":"XR1944","handedness":"left"}}'
    )
    assert parse_server_frame(welcome) is None
    frame = parse_server_frame(data)
    assert frame.flux.tolist() == FLUX
    assert np.isnan(frame.updates_per_s).all()


@pytest.mark.parametrize("cut", [1, 40, 150, 300])
def test_half_a_frame_is_refused(cut):
    with pytest.raises(WireError):
        parse_server_frame(LITERAL[:-cut])


@pytest.mark.parametrize(("name", "model", "taxels"), [("uSPa46", "uSPa46", 24), ("uSPa35", "USPA35", 15)])
def test_real_frames_of_single_pads(reference_data, name, model, taxels):
    raw = (reference_data / "hardware" / "xela_json" / f"{name}.json").read_bytes()
    frame = parse_server_frame(raw[raw.index(b"{") :])
    assert [(sensor.model, len(sensor.flux)) for sensor in frame.sensors] == [(model, taxels)] * 2
