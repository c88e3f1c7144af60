"""What `bench record` and `bench windows` measure, and how their figures are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from skin_teleop.cli.bench_record import bench_record
from skin_teleop.cli.bench_windows import bench_windows


def show_record(figures: dict[str, Any]) -> None:
    """The writers side by side, then what the live recorder did."""
    table = Table("writer", "x real time", "core share at real time", box=None, header_style="dim")
    for name, row in figures["writers"].items():
        table.add_row(name, f"{row['x_realtime']:.1f}", f"{row['core_share_at_realtime']:.2%}")
    Console().print(table)
    ours = figures["writers"]["ours"]
    Console().print(
        f"sealed at {ours['seal_x_realtime']:.0f} x real time; the recorder took {ours['recorder_core_share']:.1%} "
        f"of a core, lost {ours['dropped']} rows, and stood sealed {ours['stop_to_sealed_s']:.2f} s after the stop; "
        f"load average {figures['load_average']:.1f}",
        highlight=False,
    )


def show_windows(figures: dict[str, Any]) -> None:
    """Every way to read windows as a multiple of the memmap's rate."""
    table = Table("rows a window", "pack", "memory", "zarr-python", "memmap, windows/s", box=None, header_style="dim")
    for length, row in figures["windows"].items():
        ratios = (row[f"{way}_to_memmap"] for way in ("pack", "ram", "zarr_slice"))
        table.add_row(length, *(f"{ratio:.3f}" for ratio in ratios), f"{row['memmap_per_s']:.0f}")
    Console().print(table)


STORAGE: dict[str, tuple[Callable[[float], dict[str, Any]], Callable[[dict[str, Any]], None]]] = {
    "record": (bench_record, show_record),
    "windows": (bench_windows, show_windows),
}
