from __future__ import annotations

import os
import resource
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_tools.wal_frame import HEADER, SCHEMA_STREAM, StreamSchema, frame_header, read_schema, schema_payload
from dataset_tools.wal_scanner import FileScan, log_files
from dataset_tools.wal_writer import WalWriter
from skin_teleop.errors import SessionError
from skin_teleop.messages import Event, JointState, WristTarget

WRIST = StreamSchema.of(0, "wrist", WristTarget, {"nominal_hz": 72.0})
ROW_BYTES = WRIST.dtype.itemsize


def wrist_row(k: int) -> bytes:
    row = np.zeros((), WRIST.dtype)
    row["t_mono"], row["seq"], row["pose"] = k * 1000, k, k
    return row.tobytes()


def scanned(folder: Path) -> tuple[bytes, list[str]]:
    """All rows that the log still gives, and what stopped each file."""
    streams: dict[int, StreamSchema] = {}
    rows, faults = b"", []
    for path in log_files(folder):
        scan = FileScan(path, streams)
        rows += b"".join(frame.rows.tobytes() for frame in scan)
        faults.append(scan.fault)
    return rows, faults


def written_log(folder: Path, batches: int = 12, rows_per_batch: int = 3) -> bytes:
    """A log file of known rows; returns all of them."""
    writer = WalWriter(folder)
    writer.declare(WRIST)
    rows = [wrist_row(k) for k in range(batches * rows_per_batch)]
    for k, row in enumerate(rows):
        writer.append(0, row)
        if k % rows_per_batch == rows_per_batch - 1:
            writer.flush()
    writer.close()
    return b"".join(rows)


def test_the_checksum_is_crc32c():
    # RFC 3720 B.4: 32 bytes of zeroes give 0x8A9136AA
    assert google_crc32c.value(bytes(32)) == 0x8A9136AA
    header = frame_header(5, 2, b"payload")
    assert header[:16] == b"SKW1" + struct.pack("<HHII", 5, 1, 2, 7)
    assert HEADER.unpack(header)[-1] == google_crc32c.value(header[:16] + b"payload")


@pytest.mark.parametrize("kind", [WristTarget, JointState, Event])
def test_a_schema_survives_its_json(kind):
    schema = StreamSchema.of(3, "some_stream", kind, {"nominal_hz": 72.0, "source": "test"})
    (read,) = read_schema(schema_payload([schema])).values()
    assert read.dtype == kind.row_dtype()
    assert (read.number, read.name, read.message, read.units) == (3, "some_stream", kind.__name__, kind.column_units())
    assert read.attributes == schema.attributes


def test_rows_come_back_bit_for_bit(tmp_path):
    rows = written_log(tmp_path)
    assert scanned(tmp_path) == (rows, [""])


def test_every_file_can_be_read_alone_after_rotation(tmp_path):
    writer = WalWriter(tmp_path, rotate_bytes=1000)
    writer.declare(WRIST)
    for k in range(60):
        writer.append(0, wrist_row(k))
        writer.flush()
    writer.close()
    files = log_files(tmp_path)
    assert len(files) >= 4
    assert [path.name for path in files[:2]] == ["000000.wal", "000001.wal"]
    seen = []
    for path in files:
        seen += [int(seq) for frame in FileScan(path, {}) for seq in frame.rows["seq"]]
    assert seen == list(range(60))
    assert writer.bytes_written == sum(path.stat().st_size for path in files)


def test_a_file_is_rotated_by_age(tmp_path):
    writer = WalWriter(tmp_path, rotate_s=0.0)
    writer.declare(WRIST)
    for k in range(3):
        writer.append(0, wrist_row(k))
        writer.flush()
    writer.close()
    assert len(log_files(tmp_path)) >= 3
    assert scanned(tmp_path)[0] == b"".join(map(wrist_row, range(3)))


def test_a_stream_may_appear_later(tmp_path):
    writer = WalWriter(tmp_path)
    writer.declare(WRIST)
    writer.append(0, wrist_row(0))
    writer.flush()
    writer.declare(StreamSchema.of(1, "events", Event, {"nominal_hz": 0.0}))
    writer.append(1, Event.now("mark", 0, label="rest").pack())
    writer.close()
    frames = list(FileScan(tmp_path / "000000.wal", {}))
    assert [(frame.stream.name, len(frame.rows)) for frame in frames] == [("wrist", 1), ("events", 1)]


def test_a_scan_goes_on_where_the_last_one_ended(tmp_path):
    writer = WalWriter(tmp_path)
    writer.declare(WRIST)
    writer.append(0, wrist_row(0))
    writer.flush()
    streams: dict[int, StreamSchema] = {}
    first = FileScan(tmp_path / "000000.wal", streams)
    assert [frame.rows["seq"].tolist() for frame in first] == [[0]]
    writer.append(0, wrist_row(1))
    writer.append(0, wrist_row(2))
    writer.close()
    second = FileScan(tmp_path / "000000.wal", streams, first.offset)
    assert [frame.rows["seq"].tolist() for frame in second] == [[1, 2]]


def test_a_large_batch_is_written_in_bounded_frames(tmp_path):
    writer = WalWriter(tmp_path)
    writer.declare(StreamSchema.of(0, "events", Event, {"nominal_hz": 0.0}))
    row = Event.now("mark", 0).pack()
    for _ in range(9000):
        writer.append(0, row)
    writer.close()
    frames = list(FileScan(tmp_path / "000000.wal", {}))
    assert len(frames) >= 2
    assert sum(len(frame.rows) for frame in frames) == 9000


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_leaves_exactly_a_valid_prefix(data):
    """Cut, zeroed, overwritten or flipped: what is read is whole batches from the start, and all before the hit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = written_log(folder)
        path = folder / "000000.wal"
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1), label="at")
        how = data.draw(st.sampled_from(["cut", "zeroes", "garbage", "flip"]), label="how")
        if how == "cut":
            content = content[:at]
        elif how == "zeroes":
            content[at:] = bytes(len(content) - at)
        elif how == "garbage":
            content = content[:at] + data.draw(st.binary(min_size=1, max_size=200))
        else:
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)

        read, _ = scanned(folder)
        assert rows.startswith(read)
        assert len(read) % (3 * ROW_BYTES) == 0
        frame_bytes = HEADER.size + 3 * ROW_BYTES
        schema_bytes = HEADER.size + len(schema_payload([WRIST]))
        whole_before = max(0, (at - schema_bytes) // frame_bytes)
        assert len(read) // (3 * ROW_BYTES) >= whole_before


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b"SKW1\x00", "cut short"),
        (b"nonsense, twenty-four by", "no frame"),
        (HEADER.pack(b"SKW1", 0, 1, 1, 0xFFFFFFFF, 0), "no frame"),
        (HEADER.pack(b"SKW1", 0, 1, 1, 4, 0) + b"abcd", "checksum"),
        (HEADER.pack(b"SKW1", 0, 1, 1, 400, 0) + b"abcd", "cut short"),
        (frame_header(9, 1, b"abcd") + b"abcd", "not declared"),
        (frame_header(0, 1, b"abcd") + b"abcd", "not declared"),
    ],
)
def test_each_kind_of_damage_is_named(tmp_path, frame, fault):
    rows = written_log(tmp_path)
    with (tmp_path / "000000.wal").open("ab") as file:
        file.write(frame)
    read, faults = scanned(tmp_path)
    assert read == rows
    assert fault in faults[0]


def test_a_newer_log_version_is_refused(tmp_path):
    payload = schema_payload([WRIST])
    head = HEADER.pack(b"SKW1", SCHEMA_STREAM, 2, 1, len(payload), 0)[:16]
    crc = google_crc32c.value(head + payload)
    (tmp_path / "000000.wal").write_bytes(head + struct.pack("<I", crc) + payload)
    with pytest.raises(SessionError, match=r"newer release.*log version 2.*allowed: up to 1"):
        scanned(tmp_path)


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond this, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path):
    folder = tmp_path / "sessions" / "one.rec" / "wal"
    folder.mkdir(parents=True)
    writer = WalWriter(folder)
    writer.declare(WRIST)
    rows = []
    with (
        files_limited_to(4096),
        pytest.raises(SessionError, match=r"cannot write to the log .*File too large.*recover"),
    ):
        for k in range(1000):
            writer.append(0, wrist_row(k))
            writer.flush()
            rows.append(wrist_row(k))
    writer.abandon()
    assert len(rows) > 20
    read, faults = scanned(folder)
    assert read == b"".join(rows)
    assert faults == ["the last frame is cut short"]


def test_a_failing_sync_is_told_at_the_next_batch(tmp_path, monkeypatch, wait_factor):
    writer = WalWriter(tmp_path, sync_ms=1)
    writer.declare(WRIST)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    writer.append(0, wrist_row(0))
    writer.flush()
    deadline = time.monotonic() + 5 * wait_factor
    while writer._sync.failure is None and time.monotonic() < deadline:
        time.sleep(0.002)
    writer.append(0, wrist_row(1))
    with pytest.raises(SessionError, match="Input/output error"):
        writer.close()
    assert scanned(tmp_path)[0].startswith(wrist_row(0))
