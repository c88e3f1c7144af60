"""What a seal does with damaged bytes and full disks: nothing that was recorded is deleted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dataset_tools import seal
from dataset_tools.checks.session import check_session
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.wal_frame import HEADER, SCHEMA_STREAM, frame_header, schema_payload
from dataset_tools.wal_scanner import FileScan
from skin_teleop.errors import SessionError


def contents(session: Path) -> dict[str, bytes]:
    """Every column of every stream, as bytes."""
    streams = open_session(session).streams
    return {f"{name}/{field}": stream[field].tobytes() for name, stream in streams.items() for field in stream.fields}


@pytest.mark.parametrize("at", [0.0, 0.1])
def test_a_flipped_bit_with_good_frames_behind_it_keeps_the_log(record, at):
    live = record(seconds=1.5)
    log = live / "wal" / "000000.wal"
    content = bytearray(log.read_bytes())
    content[int(at * len(content))] ^= 1
    log.write_bytes(content)
    sealed = seal_session(live)
    meta = json.loads((sealed / "session.json").read_text())
    assert meta["rows"].get("uskin", 0) < 50 and meta["log_damage"][0]["lost_bytes"] > len(content) * 0.8
    assert (sealed / "wal" / "000000.wal").read_bytes() == content


def no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def sealed_but_for_the_manifest(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a session as a disk that fills up after the store was published."""
    with monkeypatch.context() as patch, pytest.raises(SessionError, match="No space left"):
        patch.setattr(seal, "write_manifest", no_room)
        seal_session(live)
    assert (live / "session.zarr").is_dir() and (live / "wal").is_dir()


def in_two_files(live: Path) -> None:
    """Write a session's log of one file again as a recorder that rotated it."""
    log = live / "wal" / "000000.wal"
    content = log.read_bytes()
    scan = FileScan(log, {})
    offsets = [frame.payload_offset for frame in scan]
    middle = offsets[len(offsets) // 2] - HEADER.size
    schema = schema_payload(list(scan.streams.values()))
    log.write_bytes(content[:middle])
    second = frame_header(SCHEMA_STREAM, len(scan.streams), schema) + schema + content[middle:]
    (live / "wal" / "000001.wal").write_bytes(second)


def flip_a_bit(log: Path) -> None:
    content = bytearray((log / "000000.wal").read_bytes())
    content[len(content) // 10] ^= 1
    (log / "000000.wal").write_bytes(content)


LOSSES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": flip_a_bit,
    "the first file": lambda log: (log / "000000.wal").unlink(),
    "the last file": lambda log: (log / "000001.wal").unlink(),
    "an empty first file": lambda log: os.truncate(log / "000000.wal", 0),
    "an empty last file": lambda log: os.truncate(log / "000001.wal", 0),
}
TELLTALE = ("a flipped bit", "the first file", "an empty first file")
"""Losses that the log itself shows, so that what is left of it is kept."""


@pytest.mark.parametrize("loss", LOSSES)
def test_a_store_that_holds_more_than_its_log_is_put_aside(record, monkeypatch, loss):
    live = record(seconds=1.5)
    in_two_files(live)
    before = contents(live)
    sealed_but_for_the_manifest(live, monkeypatch)
    LOSSES[loss](live / "wal")
    with pytest.raises(SessionError, match=r"its log differ; found: rows .*; next: the store is kept as"):
        seal_session(live)
    sealed = seal_session(live)
    assert open_session(sealed).streams["uskin"].rows < 150
    assert (sealed / "wal").is_dir() == (loss in TELLTALE)
    (aside,) = sealed.glob("session.zarr.aside-*")
    (finding,) = [found for found in check_session(sealed).findings if found.fault == "store aside"]
    assert (finding.severity, finding.where) == ("warning", aside.name)
    shutil.rmtree(sealed / "session.zarr")
    aside.rename(sealed / "session.zarr")
    assert contents(sealed) == before


@pytest.mark.parametrize("damage", ["a cut shard", "no attributes"])
def test_a_store_that_cannot_be_decoded_is_built_anew_from_a_whole_log(record, monkeypatch, damage):
    live = record(seconds=1.5)
    before = contents(live)
    sealed_but_for_the_manifest(live, monkeypatch)
    store = live / "session.zarr"
    if damage == "a cut shard":
        shard = next(path for path in (store / "streams/uskin/flux/c").rglob("*") if path.is_file())
        os.truncate(shard, shard.stat().st_size // 2)
    else:
        (store / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(SessionError, match="the store is kept as"):
        seal_session(live)
    assert contents(seal_session(live)) == before


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sealed_store_is_never_given_up_for_what_is_left_of_the_log(record, loss):
    live = record(seconds=1.5)
    in_two_files(live)
    before = contents(live)
    described = seal_session(live, keep_wal=True).rename(live) / "session.json"
    meta = described.read_bytes()
    LOSSES[loss](live / "wal")
    sealed = seal_session(live)
    assert contents(sealed) == before and not list(sealed.glob("session.zarr.aside-*"))
    assert (sealed / "session.json").read_bytes() == meta


def test_a_sealed_store_and_a_log_that_are_both_damaged_are_left_as_they_are(record):
    live = record(seconds=1.5)
    in_two_files(live)
    seal_session(live, keep_wal=True).rename(live)
    shard = next(path for path in (live / "session.zarr/streams/uskin/flux/c").rglob("*") if path.is_file())
    os.truncate(shard, shard.stat().st_size // 2)
    LOSSES["the last file"](live / "wal")
    (live / "recorder.lock").touch()
    before = {path: path.read_bytes() for path in live.rglob("*") if path.is_file()}
    for _ in range(2):
        with pytest.raises(SessionError, match=r"has been damaged since; found: .*a log that holds less"):
            seal_session(live)
    assert {path: path.read_bytes() for path in live.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("whole", [True, False])
def test_a_store_that_does_not_come_back_as_it_was_written_is_removed(record, monkeypatch, whole):
    live = record(seconds=0.5)
    if not whole:
        flip_a_bit(live / "wal")
    before = contents(live)

    def failing(*_: object) -> None:
        raise SessionError("the store does not hold what was recorded")

    with monkeypatch.context() as patch:
        patch.setattr(seal, "verify_store", failing)
        for _ in range(2):
            with pytest.raises(SessionError, match="does not hold what was recorded"):
                seal_session(live)
            assert sorted(path.name for path in live.iterdir()) == ["recorder.lock", "session.json", "wal"]
    assert contents(seal_session(live)) == before


def test_a_seal_removes_what_killed_writers_left(record):
    live = record(seconds=0.5)
    (live / "extras").mkdir()
    for leftover in (".session.json.0123abcd.tmp", "extras/.sparsh_skin.npz.0123abcd.tmp"):
        (live / leftover).write_text("{")
    (live / "extras" / "own.tmp").write_text("mine")
    sealed = seal_session(live)
    assert [path.name for path in (sealed / "extras").iterdir()] == ["own.tmp"]
    assert not list(sealed.glob(".*"))


def test_a_seal_without_room_gives_the_room_back(record, monkeypatch):
    live = record(seconds=0.5)
    with monkeypatch.context() as patch, pytest.raises(SessionError, match="No space left"):
        patch.setattr(seal, "sync_tree", no_room)
        seal_session(live)
    assert sorted(path.name for path in live.iterdir()) == ["recorder.lock", "session.json", "wal"]
    assert seal_session(live).is_dir()
