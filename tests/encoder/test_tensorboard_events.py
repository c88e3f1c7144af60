from __future__ import annotations

import math
import struct

from encoder import tensorboard_events
from encoder.run_folder import MetricsLog
from encoder.tensorboard_events import EventFile


def records(content: bytes) -> list[bytes]:
    """The bytes in each TFRecord, checked against its checksums."""
    found = []
    while content:
        (length,) = struct.unpack_from("<Q", content)
        body = content[12 : 12 + length]
        assert content[: 16 + length] == tensorboard_events.record(body)
        found.append(body)
        content = content[16 + length :]
    return found


def test_the_bytes_are_those_that_tensorboard_writes(tmp_path, monkeypatch):
    """One event of tensorboard 2.21's RecordWriter: wall time 1.5, step 300, loss 0.5."""
    monkeypatch.setattr(tensorboard_events.time, "time", lambda: 1.5)
    events = EventFile(tmp_path)
    (path,) = tmp_path.iterdir()
    before = path.stat().st_size
    events.scalars(300, {"loss": 0.5})
    assert path.read_bytes()[before:].hex() == (
        "1b00000000000000" "1a0d9e13" "09000000000000f83f10ac022a0d0a0b0a046c6f7373150000003f" "69f9315b"
    )  # fmt: skip
    assert records(path.read_bytes())[0].endswith(b"\x1a\x0dbrain.Event:2")
    assert path.name == "events.out.tfevents.1.skin_teleop"


def test_a_run_that_goes_on_has_one_file_with_the_rows_that_are_kept(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in range(3):
        log.append({"step": step, "loss": 1.0 + step, "alarms": ["it collapsed"]})
    MetricsLog(tmp_path, 2).append({"step": 2, "loss": math.inf})
    (path,) = tmp_path.glob("events.out.tfevents.*")
    told = records(path.read_bytes())[1:]
    values = [struct.unpack("<f", event[-4:])[0] for event in told]
    assert values == [1.0, 2.0, math.inf]
    assert [event[9:11] for event in told] == [b"\x10\x00", b"\x10\x01", b"\x10\x02"]  # field 2, the step
    assert not any(b"alarms" in event for event in told)


def test_long_names_and_many_values_keep_their_lengths(tmp_path):
    events, name = EventFile(tmp_path), "n" * 200
    events.scalars(1_000_000, {name: 2.0, "b": -1.0})
    (path,) = tmp_path.iterdir()
    event = records(path.read_bytes())[1]
    assert event[9:13] == b"\x10\xc0\x84\x3d"  # 1 000 000 as a variable-length integer
    value = b"\x0a\xc8\x01" + name.encode() + b"\x15" + struct.pack("<f", 2.0)
    assert b"\x0a\xd0\x01" + value in event
    assert event.endswith(b"\x0a\x08\x0a\x01b\x15" + struct.pack("<f", -1.0))
