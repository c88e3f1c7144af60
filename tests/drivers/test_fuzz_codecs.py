"""Random and mutated bytes at every codec. `make fuzz` sends a million to each, the test run 20 000.

A valid frame decodes to what was encoded, anything else gives the codec's own WireError or nothing, and no command
leaves the limits. Counts of accepted and refused frames are printed (`pytest -s`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest

from drivers.allegro import codec as allegro
from drivers.allegro.controller import Controller, Drive
from drivers.allegro.scales import hand_scale
from drivers.can_local.wire import WIRE_BYTES, unpack_message
from drivers.uskin.raw_can import RawTaxel, decode_raw, encode_raw
from drivers.uskin.server_frame import SensorReading, ServerFrame, encode_server_frame, parse_server_frame
from skin_teleop.clock import NS_PER_MS, Stamp
from skin_teleop.errors import WireError
from skin_teleop.frames import decode, encode
from skin_teleop.hand import hand_model
from skin_teleop.messages import HandCommand, JointTarget
from skin_teleop.rig import HandConfig

FRAMES = int(os.environ.get("SKIN_TELEOP_FUZZ_FRAMES", "20000"))
SEED = int(os.environ.get("SKIN_TELEOP_FUZZ_SEED", "1"))

VALID_HAND = [
    allegro.Servo(True),
    allegro.SetPeriod(3),
    allegro.InfoRequest(),
    allegro.HandInfo(0x0402, 0x0406, False, 60, allegro.HandStatus(5)),
    allegro.SerialNumber("V4TEST01"),
    *(allegro.FingerPose(f, (-566, -323, -112, -50)) for f in range(4)),
    *(allegro.FingerTorque(f, (2, 203, 66, 37)) for f in range(4)),
    *(allegro.FingerTemperature(f, (43, 42, 41, 37)) for f in range(4)),
    *(allegro.TipPressure(p, (1200, 30)) for p in (0, 1)),
    allegro.MotorError(7, allegro.MotorFault.OVERLOAD),
]
SERVER_FRAME = ServerFrame(
    2987, 10**18, (SensorReading("uSPa", np.array([[32854, 32876, 35900]], np.uint16), None, None, 10**18),)
)
TARGET = JointTarget.stamped(Stamp(0, 1, 2), 1, target=np.zeros(16), engaged=1, valid_until=9, pose_seq=1, t_pose=1)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The bytes with bits turned, cut, or longer; sometimes as they are."""
    changed = bytearray(data)
    for _ in range(rng.randrange(4)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    if rng.random() < 0.2:
        del changed[rng.randrange(len(changed) + 1) :]
    return bytes(changed) + rng.randbytes(rng.choice([0, 0, 0, 1, 5]))


def count(name: str, attempts: Iterator[Callable[[], object]]) -> tuple[int, int]:
    """Run every attempt; only a WireError may come out of one."""
    accepted = refused = 0
    for attempt in attempts:
        try:
            attempt()
        except WireError:
            refused += 1
        else:
            accepted += 1
    print(f"\n{name}: {accepted} accepted, {refused} refused of {accepted + refused}")
    assert accepted + refused == FRAMES
    assert accepted
    assert refused
    return accepted, refused


def hand_frames(rng: random.Random) -> Iterator[Callable[[], object]]:
    for _ in range(FRAMES):
        frame = allegro.encode(rng.choice(VALID_HAND))
        identifier = frame.id if rng.random() < 0.7 else rng.randrange(0x800)
        data, remote = mutated(rng, frame.data)[:8], rng.random() < 0.05
        yield partial(allegro.decode, identifier, data, remote)


def test_the_hands_codec():
    count("allegro", hand_frames(random.Random(SEED)))


def test_valid_hand_frames_decode_to_what_was_encoded():
    rng = random.Random(SEED)
    for _ in range(FRAMES // 10):
        sent = allegro.FingerTorque(rng.randrange(4), tuple(rng.randrange(-32768, 32768) for _ in range(4)))
        device = rng.randrange(4)
        frame = allegro.encode(sent, device)
        assert allegro.decode(frame.id, frame.data, False, device) == sent


def test_the_raw_skins_codec():
    rng = random.Random(SEED)

    def frames() -> Iterator[Callable[[], object]]:
        for _ in range(FRAMES):
            taxel = RawTaxel(
                rng.randrange(8), rng.randrange(16), rng.randrange(16), tuple(rng.randrange(65536) for _ in range(3))
            )
            assert decode_raw(taxel.id, encode_raw(taxel)) == taxel
            data = mutated(rng, encode_raw(taxel))
            yield partial(decode_raw, taxel.id, data)

    count("raw uSkin", frames())


def test_the_skin_servers_parser():
    rng, text = random.Random(SEED), encode_server_frame(SERVER_FRAME)
    assert parse_server_frame(text).flux.tolist() == [[32854, 32876, 35900]]
    count("XELA server", ((lambda: parse_server_frame(mutated(rng, text))) for _ in range(FRAMES)))


def test_the_local_bus_and_the_rigs_messages():
    rng = random.Random(SEED)
    count("local CAN", ((lambda: unpack_message(mutated(rng, bytes(WIRE_BYTES)), "x")) for _ in range(FRAMES)))
    texts = [encode(TARGET, "allegro_target"), encode(HandCommand("arm", "test"))]
    count("rig bus", ((lambda: decode(mutated(rng, rng.choice(texts)))) for _ in range(FRAMES)))


@pytest.mark.parametrize("model", ["allegro_v4_right", "allegro_v5_right_a", "allegro_v5_left_b"])
def test_no_command_leaves_the_limits(model):
    rng, table, scale = np.random.default_rng(SEED), hand_model(model), hand_scale(model)
    controller = Controller(HandConfig(model=model), table, scale)
    drives = list(Drive)
    for k in range(FRAMES // 20):
        magnitude = 10.0 ** rng.integers(-2, 12)
        position = rng.normal(0, min(magnitude, 3.0), 16)
        controller.aim(np.where(rng.random(16) < 0.02, np.nan, rng.normal(0, magnitude, 16)), k * NS_PER_MS)
        drive = drives[rng.integers(len(drives))]
        control = controller.step(position, int(rng.integers(0, 10**12)), drive, int(rng.integers(1, 5)))
        assert (np.abs(control.wire.astype(int)) <= scale.wire_limit).all()
        assert (table.clamp(control.command_rad) == control.command_rad).all()
        frame = allegro.encode(allegro.FingerTorque(0, tuple(control.wire[:4].tolist())))
        assert np.abs(np.frombuffer(frame.data, "<i2")).max() <= scale.wire_limit.max()
