"""What a power loss may cost, shown by the order of every write and sync: the calls to the system are traced, then the
power is cut at each of their moments.

After a cut the disk holds a file only when its folder was synced since the file was made, and of a file only the bytes
that had been written when its last finished `fdatasync` began.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.session_log import SessionLog
from dataset_tools.wal_frame import StreamSchema
from dataset_tools.wal_scanner import FileScan
from skin_teleop.clock import NS_PER_MS, Stamp, mono_ns
from skin_teleop.messages import JointState

PROMISED_MS = 300
BATCH_ROWS = 20
"""At one row each 3 ms and a little more, a batch is as long as the way of a row to its write may be in a rig: 20 ms in
its producer and 50 ms in the recorder's socket."""
ROWS = 400
SLOW_SYNC_S = 0.03
"""A disk that takes this long for every sync."""


@dataclass
class Cut:
    """A moment in which the power may fail: what the disk holds then, and the rows that had been handed over."""

    at_ns: int
    durable: dict[str, int]
    """File name to bytes that survive; a file whose name is not on the disk is absent."""


@dataclass
class TracedDisk:
    """Stands between the log and the system and keeps account of what a power loss would leave."""

    cuts: list[Cut] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    synced: dict[str, int] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def attach(self, patch: pytest.MonkeyPatch) -> None:
        self.writev, self.fdatasync, self.fsync, self.close = os.writev, os.fdatasync, os.fsync, os.close
        patch.setattr("dataset_tools.wal_writer.os.writev", self.traced_writev)
        patch.setattr("dataset_tools.wal_sync.os.fdatasync", self.traced_fdatasync)
        patch.setattr("dataset_tools.wal_sync.os.fsync", self.traced_fsync)
        patch.setattr("dataset_tools.wal_sync.os.close", self.traced_close)

    def note(self, call: str) -> None:
        self.order.append(call)
        self.cuts.append(Cut(mono_ns(), {name: self.synced.get(name, 0) for name in self.named}))

    def traced_writev(self, descriptor: int, buffers: list[bytes]) -> int:
        name = opened(descriptor).name
        with self.lock:
            count = self.writev(descriptor, buffers)
            self.written[name] = self.written.get(name, 0) + count
            self.note(f"write {name}")
        return count

    def traced_fdatasync(self, descriptor: int) -> None:
        name, begun_with = opened(descriptor).name, dict(self.written)
        time.sleep(SLOW_SYNC_S)
        self.fdatasync(descriptor)
        with self.lock:
            self.synced[name] = begun_with.get(name, 0)
            self.note(f"sync {name}")

    def traced_fsync(self, descriptor: int) -> None:
        present = {path.name for path in opened(descriptor).glob("*.wal")}
        self.fsync(descriptor)
        with self.lock:
            self.named |= present
            self.note("sync folder")

    def traced_close(self, descriptor: int) -> None:
        target = opened(descriptor)
        if target.suffix == ".wal":
            self.order.append(f"close {target.name}")
        self.close(descriptor)


def opened(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def joints(k: int) -> JointState:
    values = np.full(16, k, np.float32)
    joint_values = dict.fromkeys(("position", "velocity", "target", "torque_command"), values)
    return JointState.stamped(Stamp.now(), k, **joint_values, target_seq=k, t_command=k)


def rows_after_cut(folder: Path, durable: dict[str, int], scratch: Path) -> list[int]:
    """Sequence numbers that the log still gives after a power loss."""
    streams: dict[int, StreamSchema] = {}
    seqs: list[int] = []
    for name in sorted(durable):
        (scratch / name).write_bytes((folder / name).read_bytes()[: durable[name]])
        for frame in FileScan(scratch / name, streams):
            if frame.stream.name == "allegro":
                seqs += frame.rows["seq"].tolist()
    return seqs


def record_traced(rig, disk: TracedDisk, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[int], int]:
    """Joint states over several files; returns the log, every row's t_mono and this thread's longest pause, ns."""
    with monkeypatch.context() as patch:
        session = SessionLog.create(Path(rig.recorder.folder), rig)
        session._wal._rotate_s = 0.3
        disk.attach(patch)
        stamps: list[int] = []
        longest_ns = 0
        for k in range(ROWS):
            stamps.append(mono_ns())
            session.add(joints(k), "allegro")
            if k % BATCH_ROWS == BATCH_ROWS - 1:
                session.flush()
            time.sleep(0.003)
            longest_ns = max(longest_ns, mono_ns() - stamps[-1])
        session.close()
    return session.folder / "wal", stamps, longest_ns


def test_a_power_loss_at_any_moment_costs_what_was_promised_and_never_gives_a_wrong_row(
    rig, tmp_path, monkeypatch, wait_factor
):
    disk = TracedDisk()
    folder, stamps, longest_ns = record_traced(rig, disk, monkeypatch)
    allowed_ns = PROMISED_MS * NS_PER_MS * wait_factor + 5 * longest_ns
    (tmp_path / "cut").mkdir()
    oldest_lost_ms = []
    for cut in disk.cuts:
        survived = rows_after_cut(folder, cut.durable, tmp_path / "cut")
        assert survived == list(range(len(survived)))
        first_lost_ns = next((stamp for stamp in stamps[len(survived) :] if stamp <= cut.at_ns), cut.at_ns)
        assert cut.at_ns - first_lost_ns <= allowed_ns
        oldest_lost_ms.append((cut.at_ns - first_lost_ns) / NS_PER_MS)
    assert rows_after_cut(folder, disk.cuts[-1].durable, tmp_path / "cut") == list(range(ROWS))
    print(f"\n{len(disk.cuts)} power cuts, syncs of 30 ms: at most {max(oldest_lost_ms):.0f} ms lost, 0 wrong rows")


def test_every_file_is_synced_before_it_is_closed_and_its_name_is_brought_to_the_disk(rig, monkeypatch):
    disk = TracedDisk()
    record_traced(rig, disk, monkeypatch)
    files = sorted(disk.written)
    assert len(files) >= 4 and disk.named == set(files)
    for name in files:
        calls = [call.partition(" ")[0] for call in disk.order if call.endswith(name)]
        assert calls.count("close") == 1 and calls[-2:] == ["sync", "close"]
        assert disk.synced[name] == disk.written[name]
        first_write = disk.order.index(f"write {name}")
        assert "sync folder" in disk.order[first_write:]
    assert disk.order.count("sync folder") >= len(files) - 1
