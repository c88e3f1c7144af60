"""The storage benchmarks run and tell every figure that they promise; no figure is judged here."""

from __future__ import annotations

import json

import pytest

from skin_teleop.cli.bench_workload import live_workload
from skin_teleop.cli.main import main


def test_the_workload_hands_over_every_row_once_and_in_order():
    workload = live_workload(2.0)
    seen = dict.fromkeys(workload.rows, 0)
    for batch in workload.batches():
        for name, rows in batch.items():
            assert rows["seq"].tolist() == list(range(seen[name], seen[name] + len(rows)))
            seen[name] += len(rows)
    assert seen == {"uskin": 200, "allegro": 666, "hand_pose": 144, "allegro_target": 144, "wrist": 144}
    assert 0.5e6 < workload.byte_count / 2.0 < 0.8e6


def test_bench_windows_tells_its_figures(tmp_path, monkeypatch):
    monkeypatch.setattr("skin_teleop.cli.bench_windows.ROUND_S", 0.02)
    assert main(["bench", "windows", "--seconds", "3", "--json", str(tmp_path / "w.json")]) == 0
    figures = json.loads((tmp_path / "w.json").read_text())
    for length in ("10", "100"):
        ratios = {f"{way}_to_memmap" for way in ("pack", "ram", "zarr_slice")}
        assert ratios <= figures["windows"][length].keys()
        assert all(figures["windows"][length][name] > 0 for name in ratios)


def test_bench_record_tells_its_figures(tmp_path):
    pytest.importorskip("h5py", reason="bench record writes with h5py too: pip install 'skin-teleop[dev]'")
    assert main(["bench", "record", "--seconds", "2", "--json", str(tmp_path / "r.json")]) == 0
    writers = json.loads((tmp_path / "r.json").read_text())["writers"]
    assert list(writers) == ["ours", "h5py_swmr", "mcap", "zarr_append"]
    assert all(figures["x_realtime"] > 0 and figures["core_share_at_realtime"] > 0 for figures in writers.values())
    assert writers["ours"]["dropped"] == 0 and writers["ours"]["seal_x_realtime"] > 0
