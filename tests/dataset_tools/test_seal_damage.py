"""What a seal does with damaged bytes and full disks: nothing that was recorded is deleted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dataset_tools import seal
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
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


def test_a_store_that_holds_more_than_a_damaged_log_is_put_aside(record, monkeypatch):
    live = record(seconds=1.5)
    before = contents(live)
    sealed_but_for_the_manifest(live, monkeypatch)
    log = live / "wal" / "000000.wal"
    content = bytearray(log.read_bytes())
    content[len(content) // 10] ^= 1
    log.write_bytes(content)
    with pytest.raises(SessionError, match=r"the log is damaged; found: rows .*; next: the store is kept as"):
        seal_session(live)
    sealed = seal_session(live)
    assert open_session(sealed).streams["uskin"].rows < 150 and (sealed / "wal").is_dir()
    (aside,) = sealed.glob("session.zarr.aside-*")
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
    with pytest.raises(SessionError, match="does not hold what was recorded"):
        seal_session(live)
    assert contents(seal_session(live)) == before


def test_a_seal_without_room_gives_the_room_back(record, monkeypatch):
    live = record(seconds=0.5)
    with monkeypatch.context() as patch, pytest.raises(SessionError, match="No space left"):
        patch.setattr(seal, "sync_tree", no_room)
        seal_session(live)
    assert sorted(path.name for path in live.iterdir()) == ["recorder.lock", "session.json", "wal"]
    assert seal_session(live).is_dir()
