"""The whole server over a real WebSocket, with stand-ins for the recorder and the hand."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.request
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server import control, process
from server.access import subprotocols
from server.control import Ack, Refused, StateChanged
from server.operator_client import OperatorClient
from server.protocol import POSE_SHAPE, RIGHT, Flag, PoseFrame, encode_pose_frame
from server.trace import Trace, TraceMark
from skin_teleop.bus import Latest
from skin_teleop.errors import AccessError, DeviceError
from skin_teleop.hand import hand_model
from skin_teleop.messages import JointTarget, RecorderStatus
from skin_teleop.rig import load_rig

TOKEN = "a-test-token"
ENGAGE = Flag.RIGHT_VALID | Flag.VISIBLE | Flag.CLUTCH_LEFT


def moving_trace(pose: np.ndarray, rows: int = 60) -> Trace:
    poses = np.repeat(pose[None], rows, axis=0)
    poses[:, :, 0] += np.float32(0.0005) * np.arange(rows, dtype=np.float32)[:, None]
    return Trace(
        poses,
        np.ones(rows, bool),
        np.arange(rows) / 144,
        (TraceMark(0.1, "squeeze", "begin"), TraceMark(0.2, "squeeze", "end")),
    )


def frame_bytes(seq: int, pose: np.ndarray, flags: Flag = ENGAGE) -> bytes:
    both = np.zeros(POSE_SHAPE, np.float32)
    both[RIGHT] = pose
    return encode_pose_frame(PoseFrame(seq, flags, 1000.0 + seq, 0.0, max(0, seq - 1), both))


async def refusal_of(url: str, offered: list[str], origin: str | None = None) -> tuple[int, str]:
    async with connect(url, subprotocols=offered, origin=origin, proxy=None) as client:
        with pytest.raises(ConnectionClosed):
            while True:
                await client.recv()
        return client.close_code, client.close_reason


def test_a_played_trace_reaches_the_recorder_bit_for_bit_and_drives_the_hand(served, poll, hand_pose):
    trace = moving_trace(hand_pose)

    async def operate() -> None:
        async with OperatorClient(served.url, TOKEN) as client:
            await client.arm()
            played = await client.play(trace)
            await client.acknowledged()
            assert (played.frames, played.invalid) == (60, 0)
            assert client.ack is not None
            assert client.ack.state == "engaged" or "ms old" in client.ack.reason  # a busy machine reads it late
            await client.stand_down()

    asyncio.run(operate())
    poll(lambda: "disconnected" in served.event_names(), "the disconnection")
    poses = served.stream("hand_pose")
    assert [row.seq for row in poses] == list(range(1, 61))
    assert b"".join(row.pose[RIGHT].tobytes() for row in poses) == trace.pose.tobytes()
    assert all(row.valid.tolist() == [0, 1] for row in poses)
    assert np.all(np.diff([row.t_mono for row in poses]) > 0)
    assert served.actions() == ["arm", "stop"]
    names = served.event_names()
    assert names[:3] == ["connected", "armed", "engaged"]
    assert names[-3:] == ["released", "disarmed", "disconnected"]
    assert set(names[3:-3]) <= {"released", "engaged"}  # a busy machine may fall silent for 100 ms
    assert [m.label for m in served.recorder_orders] == ["squeeze", "squeeze"]
    assert [m.edge for m in served.recorder_orders] == ["begin", "end"]
    assert len(served.stream("clock_headset")) >= 5


def test_targets_name_their_pose_and_are_withdrawn_on_release(served, poll, hand_pose):
    newest = Latest(served.runtime, "server", JointTarget, "allegro_target")

    async def operate() -> None:
        async with OperatorClient(served.url, TOKEN) as client:
            await client.arm()
            for _ in range(20):
                await client.send_pose(hand_pose, True)
                await asyncio.sleep(0.01)
            await client.acknowledged()
            await client.send_pose(hand_pose, True, dead_man=False)
            await client.acknowledged()

    asyncio.run(operate())
    poll(lambda: served.targets() and not served.targets()[-1].engaged, "the withdrawal")
    targets, model = served.targets(), hand_model("allegro_v4_right")
    received = {row.seq: row.t_mono for row in served.stream("hand_pose")}
    assert any(t.engaged for t in targets)
    assert all(t.t_pose == received[t.pose_seq] for t in targets)
    assert all(t.valid_until == t.t_pose + 100_000_000 for t in targets)
    assert [t.seq for t in targets] == sorted({t.seq for t in targets})
    assert all((t.target >= model.lower_rad).all() and (t.target <= model.upper_rad).all() for t in targets)
    wrists = served.stream("wrist")
    assert len(wrists) == len(targets)
    np.testing.assert_allclose(wrists[0].pose[:3], [-0.16, 0.0, 0.17], atol=1e-6)
    last = poll(newest.take, "the published target")
    assert last.engaged == 0
    newest.close()


def test_garbage_is_counted_and_moves_nothing(served, poll, hand_pose):
    async def operate() -> dict[str, int]:
        async with connect(served.url, subprotocols=subprotocols(TOKEN), proxy=None) as client:
            await client.send(frame_bytes(5, hand_pose))
            good = frame_bytes(6, hand_pose)
            for bad in (b"", good[:-1], b"\x00" + good[1:], good[:1] + b"\x09" + good[2:], frame_bytes(5, hand_pose),
                        frame_bytes(3, hand_pose), frame_bytes(6, hand_pose * np.float32(np.nan))):  # fmt: skip
                await client.send(bad)
            await client.send('{"type":"arm","folder":"/etc"}')
            await client.send("no json")
            await client.send(frame_bytes(7, hand_pose))
            while True:
                message = control.parse_from_server(await client.recv())
                if isinstance(message, Ack) and message.seq == 7:
                    return message.rejected

    rejected = asyncio.run(operate())
    assert rejected == {
        "wrong length of a pose frame": 2,
        "wrong magic or version": 1,
        "unknown frame type": 1,
        "sequence number not increasing": 2,
        "a number of a valid hand is not finite": 1,
        "a control message is not usable": 2,
    }
    poll(lambda: "disconnected" in served.event_names(), "the disconnection")
    assert [row.seq for row in served.stream("hand_pose")] == [5, 7]
    assert "rejected" in served.event_names()
    assert served.actions() == []
    targets = served.targets()
    assert {t.pose_seq for t in targets} <= {5, 7}
    assert not any(t.engaged for t in targets)
    assert all(np.array_equal(t.target, targets[0].target) for t in targets[:1])


def test_the_sequence_number_of_a_refused_frame_is_believed_only_near_the_last_one(served, hand_pose):
    far, nan = 2**32 - 1, hand_pose * np.float32(np.nan)

    async def operate() -> list[int]:
        async with connect(served.url, subprotocols=subprotocols(TOKEN), proxy=None) as client:
            for data in (frame_bytes(5, hand_pose), frame_bytes(6, nan), b"\x00" + frame_bytes(7, hand_pose)[1:],
                         b"\xa1\x09" + frame_bytes(8, hand_pose)[2:], frame_bytes(far, nan)):  # fmt: skip
                await client.send(data)
            acks: list[Ack] = []
            while not acks or sum(acks[-1].rejected.values()) < 4:
                message = control.parse_from_server(await client.recv())
                acks += [message] if isinstance(message, Ack) else []
            return [ack.seq for ack in acks]

    acks = asyncio.run(operate())
    assert acks[-1] == max(acks) == 6


def test_an_oversized_message_closes_the_connection_and_the_server_lives(served, poll, hand_pose):
    async def operate() -> int:
        async with connect(served.url, subprotocols=subprotocols(TOKEN), proxy=None) as client:
            await client.send(b"x" * 70_000)
            with pytest.raises(ConnectionClosed):
                while True:
                    await client.recv()
            return client.close_code

    assert asyncio.run(operate()) == 1009
    poll(lambda: "disconnected" in served.event_names(), "the disconnection")

    async def again() -> None:
        async with OperatorClient(served.url, TOKEN) as client:
            await client.send_pose(hand_pose, True)
            await client.acknowledged()

    asyncio.run(again())
    poll(lambda: len(served.stream("hand_pose")) == 1, "the pose of the operator who came back")


@pytest.mark.parametrize(
    ("offered", "origin", "code", "reason"),
    [
        (subprotocols("guess"), None, 4401, "wrong pairing token"),
        (["skin-teleop.v1"], None, 4401, "wrong pairing token"),
        (["token." + TOKEN], None, 4401, "was not offered"),
        (subprotocols(TOKEN), "https://elsewhere.example", 4403, "origin is not in server.allowed_origins"),
        (subprotocols(TOKEN), "null", 4403, "origin is not in server.allowed_origins"),
    ],
)
def test_strangers_are_told_why_they_are_refused(served, offered, origin, code, reason):
    closed, told = asyncio.run(refusal_of(served.url, offered, origin))
    assert closed == code
    assert reason in told
    assert served.stream("events") == []


def test_a_page_of_the_server_itself_may_connect(served):
    async def operate() -> str:
        own = f"http://localhost:{served.rig.server.port}"
        async with connect(served.url, subprotocols=subprotocols(TOKEN), origin=own, proxy=None) as client:
            assert client.subprotocol == "skin-teleop.v1"
            return type(control.parse_from_server(await client.recv())).__name__

    assert asyncio.run(operate()) == "Hello"


def test_a_second_operator_is_refused_and_the_first_keeps_control(served, hand_pose):
    async def operate() -> None:
        async with OperatorClient(served.url, TOKEN) as first:
            with pytest.raises(AccessError, match=r"another operator is in control of this rig \(code 4409\)"):
                async with OperatorClient(served.url, TOKEN):
                    pass
            await first.arm()
            await first.send_pose(hand_pose, True)
            await first.acknowledged()
            assert first.ack is not None and first.ack.state == "engaged"
        async with OperatorClient(served.url, TOKEN) as later:
            assert later.state == "disarmed"

    asyncio.run(operate())


def test_a_lost_connection_releases_and_disarms(served, poll, hand_pose):
    async def operate() -> None:
        client = await connect(served.url, subprotocols=subprotocols(TOKEN), proxy=None)
        await client.send('{"type":"arm"}')
        await client.send(frame_bytes(1, hand_pose))
        while True:
            message = control.parse_from_server(await client.recv())
            if isinstance(message, StateChanged) and message.state == "engaged":
                break
        await asyncio.to_thread(poll, served.targets, "the first target")
        client.transport.abort()

    asyncio.run(operate())
    poll(lambda: served.actions() == ["arm", "stop"], "the order to stop")
    poll(lambda: served.targets() and not served.targets()[-1].engaged, "the withdrawal")


def test_silence_releases_without_any_message(served, poll, hand_pose):
    async def operate() -> str:
        async with OperatorClient(served.url, TOKEN) as client:
            await client.arm()
            await client.send_pose(hand_pose, True)
            await client.acknowledged()
            while client.state == "engaged":
                await asyncio.sleep(0.01)
            return client.state

    assert asyncio.run(operate()) == "armed"
    released = next(e for e in served.events() if e.name == "released")
    assert released.facts["cause"].startswith("no frame for ")


def test_an_emergency_stop_flag_stops_the_hand(served, poll, hand_pose):
    async def operate() -> None:
        async with connect(served.url, subprotocols=subprotocols(TOKEN), proxy=None) as client:
            await client.send('{"type":"arm"}')
            await client.send(frame_bytes(1, hand_pose))
            for seq in (2, 3):
                await client.send(frame_bytes(seq, hand_pose, ENGAGE | Flag.EMERGENCY_STOP))
            while True:
                message = control.parse_from_server(await client.recv())
                if isinstance(message, Ack) and message.seq == 3:
                    assert message.state == "disarmed"
                    return

    asyncio.run(operate())
    poll(lambda: served.actions() == ["arm", "emergency_stop"], "one stop order")


def test_recording_orders_pass_and_status_comes_back(served, poll):
    async def operate() -> str:
        async with OperatorClient(served.url, TOKEN) as client:
            start = asyncio.create_task(client.start_recording("pringle", ("squeeze", "pressing"), "operator 1"))
            await asyncio.to_thread(poll, lambda: served.recorder_actions() == ["start"], "the start order")
            served.say(RecorderStatus("recording", session="s.rec"))
            await start
            await client.stop_recording()
            await asyncio.to_thread(poll, lambda: served.recorder_actions() == ["start", "stop"], "the stop order")
            served.say(RecorderStatus("idle", last_sealed="/sessions/s"))
            return await client.sealed()

    assert asyncio.run(operate()) == "/sessions/s"
    start = served.recorder_orders[0]
    assert (start.object, start.plan, start.operator, start.folder) == (
        "pringle", ("squeeze", "pressing"), "operator 1", ""
    )  # fmt: skip


def test_pages_hear_of_the_open_mark_and_the_verdict_what_the_recorder_says(served, poll):
    recording = RecorderStatus("recording", session="s.rec", marking="squeeze")
    stopped = RecorderStatus("idle", last_sealed="/sessions/s", unjudged=True)

    async def operate() -> None:
        async with OperatorClient(served.url, TOKEN) as client:
            for status in (recording, stopped):
                served.say(status)
                await asyncio.to_thread(poll, lambda status=status: client.recorder == status, "the recorder's word")

    asyncio.run(operate())
    assert served.recorder_actions() == []


def test_a_name_that_is_a_path_is_refused_with_the_reason(served):
    async def operate() -> None:
        async with OperatorClient(served.url, TOKEN) as client:
            with pytest.raises(AccessError, match=r"the server refused to record.*object"):
                await client.start_recording("../../etc")

    asyncio.run(operate())
    assert served.recorder_actions() == []


def test_the_status_page_is_self_contained_and_tells_the_truth(served):
    base = f"http://127.0.0.1:{served.rig.server.port}"
    with urllib.request.urlopen(base + "/status") as answer:
        page = answer.read().decode()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in page and "https://" not in page
    assert "make client" in page
    asyncio.run(refusal_of(served.url, subprotocols("guess")))
    with urllib.request.urlopen(base + "/api/status") as answer:
        status: dict[str, Any] = json.load(answer)
    assert (status["state"], status["connected"], status["poses"]) == ("disarmed", False, 0)
    assert status["refused_connections"] == {"token": 1}


def test_a_server_that_stops_disarms_and_tells_the_operator(served, poll, hand_pose):
    async def operate() -> None:
        async with OperatorClient(served.url, TOKEN) as client:
            await client.arm()
            await client.send_pose(hand_pose, True)
            await client.acknowledged()
            served.stop.set()
            with pytest.raises(DeviceError, match=r"operator's socket closed.*code 10(01|12)"):
                while True:
                    await client.send_pose(hand_pose, True)
                    await asyncio.sleep(0.01)

    asyncio.run(operate())
    poll(lambda: served.actions() == ["arm", "stop"], "the order to stop")


def test_a_busy_port_is_named_with_the_fix(runtime):
    rig = load_rig("simulated")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DeviceError, match=f"needs port {port} on 127.0.0.1.*Address already in use.*server.port"):
            process.listen("127.0.0.1", port)
    assert rig.server.host == "127.0.0.1"


def test_without_a_pairing_token_nothing_is_served(runtime):
    with pytest.raises(AccessError, match=r"pairing token of a rig.*skin-teleop up"):
        process.run(load_rig("simulated"), runtime, threading.Event())


def test_a_client_without_a_server_says_where_it_looked():
    async def operate() -> None:
        async with OperatorClient("ws://127.0.0.1:1/ws/operator", TOKEN):
            pass

    with pytest.raises(DeviceError, match=r"ws://127.0.0.1:1/ws/operator does not answer.*skin-teleop up"):
        asyncio.run(operate())


def test_a_refused_message_is_typed():
    assert control.parse_from_server(control.encode_control(Refused("no"))) == Refused("no")
