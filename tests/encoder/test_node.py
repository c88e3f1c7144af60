"""The encoder's process against published frames, without a rig around it."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest
import zmq

from encoder.checkpoint import SCHEMA, EncoderConfig, save_encoder
from encoder.embedding import embed
from encoder.model import SparshSkinEncoder
from encoder.node import EncoderNode, run
from encoder.presets import EncoderSize
from encoder.session_data import load_recording
from encoder.windows import TactileWindows
from skin_teleop.bus import Latest, Publisher, endpoint
from skin_teleop.clock import Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.frames import decode_rows
from skin_teleop.messages import FLAG_STALE, JointState, SkinEmbedding, SkinFrame
from skin_teleop.rig import LiveEncoderConfig, load_rig

WIDTH = 24
REST_FRAMES = 80


@pytest.fixture
def made_up(session):
    """140 frames; the first 0.8 s, where the node takes its baseline, are the session's marked rest too."""
    made = session(140)
    flux, start = made.streams["uskin"].columns["flux"], made.streams["uskin"].t_mono[0]
    flux[:REST_FRAMES] = flux[: REST_FRAMES // 2].repeat(2, axis=0)
    made.rest_span_ns = (start, start + (REST_FRAMES - 1) * 10_000_000)
    return made


@pytest.fixture
def rig(tmp_path):
    size = EncoderSize(WIDTH, 1, 3, "pad")
    config = EncoderConfig(SCHEMA, size, "vendor", "xela_ah_right", "demo", "student", "a test", 1, 0, True, {}, False)
    save_encoder(tmp_path / "run", SparshSkinEncoder(size), config)
    return dataclasses.replace(load_rig("simulated"), encoder=LiveEncoderConfig(str(tmp_path / "run")))


@pytest.fixture
def recorder(runtime):
    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.bind(endpoint(runtime, "recorder.pull"))
    yield socket
    socket.close()


@pytest.fixture
def devices(runtime):
    publishers = Publisher(runtime, "skin"), Publisher(runtime, "hand")
    yield publishers
    for publisher in publishers:
        publisher.close()


class Player:
    """Publishes frame k of a session with the joints that its recording has at that time."""

    def __init__(self, devices, made_up):
        self.skin, self.hand = devices
        self.made_up, self.recording = made_up, load_recording(made_up)

    def play(self, k: int, joints_late_ns: int = 0) -> None:
        t_ns = int(self.made_up.streams["uskin"].t_mono[k])
        still = np.zeros(16, np.float32)
        state = JointState.stamped(
            Stamp(0, t_ns - joints_late_ns, 0), k, position=self.recording.joint_rad[k], velocity=still, target=still,
            torque_command=still, target_seq=0, t_command=0,
        )  # fmt: skip
        self.hand.send(state, "allegro")
        flux = self.made_up.streams["uskin"]["flux"][k]
        self.skin.send(SkinFrame.stamped(Stamp(7, t_ns, 9), k, flux=flux, age_ms=np.zeros(368, np.uint16)), "uskin")


def recorded(socket, wanted: int, seconds: float) -> list[SkinEmbedding]:
    rows, until = [], time.monotonic() + seconds
    while len(rows) < wanted and time.monotonic() < until:
        if socket.poll(20):
            rows += decode_rows(socket.recv())
    assert all(stream == "embedding" for _, stream in rows)
    return [row for row, _ in rows]


def turn_until(node, done, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        node.turn(20)


def test_live_embeddings_are_those_of_the_recording(rig, runtime, recorder, devices, made_up, wait_factor):
    """Frame by frame: stamps, numbers and empty slots of every row that the recorder gets."""
    player, node = Player(devices, made_up), EncoderNode(rig, runtime)
    try:
        began = time.monotonic()
        while node.live.frames == 0 and time.monotonic() < began + 10 * wait_factor:
            player.play(0)  # until the subscription is there; a repeat counts once
            node.turn(5)
        for k in range(1, 140):
            player.play(k)
            turn_until(node, lambda k=k: node.live.frames == k + 1, 5 * wait_factor)
        assert node.report() == "140 frames, 51 embeddings, 0 windows left out, 0 holes in time, 0 malformed"
        rows = recorded(recorder, 51, 5 * wait_factor)
    finally:
        node.close()
    expected = embed(
        SparshSkinEncoder.from_pretrained(rig.encoder.run), TactileWindows([player.recording], split=False)
    )
    t_ns = [int(t) for t in made_up.streams["uskin"].t_mono]
    assert [row.t_mono for row in rows] == t_ns[89:]
    assert [row.seq for row in rows] == list(range(89, 140))
    assert {(row.t_dev, row.t_wall, row.width, row.skipped, row.flags) for row in rows} == {(7, 9, WIDTH, 0, 0)}
    summaries = np.array([row.summary for row in rows])
    np.testing.assert_allclose(summaries[:, :WIDTH], expected.summary[-51:], atol=2e-4)
    assert np.isnan(summaries[:, WIDTH:]).all()


def test_the_process_leaves_late_windows_out_and_loses_no_frame(rig, runtime, recorder, devices, made_up, wait_factor):
    """Frames as fast as they go: embeddings and left-out windows add up, and the newest is published."""
    player, stop = Player(devices, made_up), threading.Event()
    newest = Latest(runtime, "encoder", SkinEmbedding, "embedding")
    process = threading.Thread(target=run, args=(rig, runtime, stop))
    process.start()
    try:
        until = time.monotonic() + 30 * wait_factor
        while not (runtime / "encoder.ready").exists() and time.monotonic() < until:
            time.sleep(0.02)
        for _ in range(50):  # half a second for the subscription; a repeat counts once
            player.play(0, joints_late_ns=200_000_000)
            time.sleep(0.01 * wait_factor)
        for k in range(1, 140):
            player.play(k, joints_late_ns=200_000_000)
            time.sleep(0.001)
        rows = recorded(recorder, 51, 3 * wait_factor)
        assert rows[-1].seq == 139
        assert len(rows) + rows[-1].skipped == 51
        assert all(row.flags == FLAG_STALE for row in rows)  # of joints that are older than 0.1 s
        shown = newest.take(500)
        assert shown is None or shown.seq == 139
    finally:
        stop.set()
        process.join()
        newest.close()


def test_the_table_makes_a_process_that_starts_last(rig):
    assert rig.processes == ("recorder", "world", "hand", "skin", "server", "encoder")
    assert "encoder" not in load_rig("simulated").processes


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[encoder]\n", "encoder.run; found: nothing; allowed: a run folder, or a file of export-onnx"),
        ("[skin]\ntick_hz = 50\n[encoder]\nrun = 'runs/a'\n", r"skin\.tick_hz; found: 50; allowed: 100 with a table"),
        ("[encoder]\nruns = 'a'\n", r"encoder\.runs.*did you mean encoder\.run"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path, table, message):
    path = tmp_path / "rig.toml"
    path.write_text(f"schema = 'skin_teleop.rig/1'\nname = 'lab'\n{table}")
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        load_rig(str(path))


def test_a_folder_without_an_encoder_ends_the_process_with_its_name(rig, runtime, tmp_path):
    empty = dataclasses.replace(rig, encoder=LiveEncoderConfig(str(tmp_path / "nothing")))
    with pytest.raises(ConfigError, match=r"nothing was asked for.*no config\.json"):
        run(empty, runtime, threading.Event())
    assert not (runtime / "encoder.ready").exists()
