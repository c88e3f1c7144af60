"""A simulated hand with a real skin, and a real hand with a simulated skin."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path

import can
import numpy as np
import pytest
import zmq
from websockets.sync.client import connect

import drivers.simulated.world_process as world_process
from drivers.allegro.codec import Frame
from drivers.simulated.hand_mirror import HandMirror
from drivers.simulated.world import World
from skin_teleop.bus import Latest, Publisher, endpoint
from skin_teleop.clock import Stamp
from skin_teleop.messages import JointState, Truth
from skin_teleop.rig import Rig, load_rig

SET_PERIOD_3_MS = Frame(0x204, bytes.fromhex("030000000000"))
RIG = load_rig("simulated").on_free_ports()


def with_devices(*devices: str) -> Rig:
    assert RIG.world is not None
    return dataclasses.replace(RIG, world=dataclasses.replace(RIG.world, devices=devices))


def state(seq: int, position_rad: np.ndarray) -> JointState:
    rest = dict.fromkeys(("velocity", "target", "torque_command"), np.zeros(16, np.float32))
    return JointState.stamped(Stamp.now(), seq, position=position_rad, target_seq=0, t_command=0, **rest)


def until(look: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def bent(world: World) -> np.ndarray:
    wanted = world.joint_position_rad.copy()
    wanted[[1, 5, 9]] += 0.4
    return wanted


def test_the_simulated_hand_follows_the_real_one(runtime: Path, wait_factor: float) -> None:
    world, hand, mirror = World(with_devices("skin")), Publisher(runtime, "hand"), HandMirror(RIG.hand, runtime)
    try:
        assert (mirror.exchange(world.joint_position_rad, 0) == 0).all()
        wanted = bent(world)

        def heard() -> bool:
            hand.send(state(1, wanted), RIG.hand.name)
            return bool(np.abs(mirror.exchange(world.joint_position_rad, 0)).max() > 0.1)

        until(heard, 5 * wait_factor)
        for _ in range(400):
            world.advance(mirror.exchange(world.joint_position_rad, world.time_ns))
        np.testing.assert_allclose(world.joint_position_rad, wanted, atol=0.12)
    finally:
        mirror.close()
        hand.close()


def test_beside_a_real_hand_only_the_skin_is_served(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, wait_factor: float
) -> None:
    frames, truth_recorded = run_world(with_devices("skin"), runtime, monkeypatch, wait_factor, ask_skin=True)
    assert frames == []
    assert truth_recorded


def test_beside_a_real_skin_only_the_hand_is_served_and_no_truth_is_recorded(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, wait_factor: float
) -> None:
    rig = with_devices("hand")
    frames, truth_recorded = run_world(rig, runtime, monkeypatch, wait_factor, ask_skin=False)
    assert len(frames) >= 4
    assert not truth_recorded
    with pytest.raises(OSError, match="refused"), connect(rig.skin.url, open_timeout=1):
        pass


def run_world(
    rig: Rig, runtime: Path, monkeypatch: pytest.MonkeyPatch, wait_factor: float, *, ask_skin: bool
) -> tuple[list[can.Message], bool]:
    """Let the world run until its truth is seen; the hand's frames, and whether truth was recorded."""
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    recorder: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
    recorder.bind(endpoint(runtime, "recorder.pull"))
    stop, frames = threading.Event(), []
    thread = threading.Thread(target=world_process.run, args=(rig, runtime, stop))
    truth = Latest(runtime, "world", Truth, "truth")
    thread.start()
    try:
        until(lambda: (runtime / "world.ready").exists(), 10 * wait_factor)
        with can.Bus(interface=rig.hand.can_interface, channel=rig.hand.can_channel) as bus:
            bus.send(can.Message(arbitration_id=SET_PERIOD_3_MS.id, data=SET_PERIOD_3_MS.data, is_extended_id=False))
            until(lambda: truth.take() is not None, 10 * wait_factor)
            frames = [message for _ in range(8) if (message := bus.recv(0.1)) is not None]
        if ask_skin:
            with connect(rig.skin.url) as skin:
                assert '"Welcome"' in str(skin.recv(timeout=5 * wait_factor))
                assert '"XR23AHRCPP"' in str(skin.recv(timeout=5 * wait_factor))
        recorded = bool(recorder.poll(500 if ask_skin else 100))
    finally:
        stop.set()
        thread.join(10 * wait_factor)
        truth.close()
        recorder.close(linger=0)
    return frames, recorded
