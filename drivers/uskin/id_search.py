"""Finds the id map of a kit on raw CAN: press one taxel after the other and see which id answers.

Nothing is assumed of how ids are given out: every taxel of a pad is pressed, and the answers of the whole pad are
shared out together, the strongest first, so that a press that also moved a neighbour does no harm.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import can
import numpy as np

from drivers.uskin.id_map import COLUMNS, rows_on
from drivers.uskin.raw_can import decode_raw
from drivers.uskin.raw_client import RECEIVE_TIMEOUT_S, open_skin_bus
from skin_teleop.errors import WireError
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.transforms import Array

IDS = 2048
"""11-bit identifiers of one bus."""
JOIN_S = 0.5


class RawListener:
    """Hears every taxel frame on the skin's buses, whatever its id; `z_counts` holds the newest."""

    def __init__(self, config: SkinConfig, stop: threading.Event) -> None:
        """Open every bus; raises DeviceError when one cannot be."""
        self._stop = stop
        self._buses = [open_skin_bus(config, channel) for channel in config.can_channels]
        self.z_counts: Array = np.full(len(self._buses) * IDS, np.nan)
        """(buses * 2048,) newest Z of each id, NaN where it never sent."""
        self._threads = [threading.Thread(target=self._listen, args=(n,), daemon=True) for n in range(len(self._buses))]

    def start(self) -> None:
        """Begin to listen."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until the threads have left, then leave the buses."""
        for thread, bus in zip(self._threads, self._buses, strict=True):
            thread.join(JOIN_S)
            bus.shutdown()

    def _listen(self, number: int) -> None:
        while not self._stop.is_set():
            message = self._buses[number].recv(RECEIVE_TIMEOUT_S)
            if message is not None and not message.is_remote_frame and not message.is_error_frame:
                self._take(number, message)

    def _take(self, number: int, message: can.Message) -> None:
        try:
            frame = decode_raw(message.arbitration_id, bytes(message.data))
        except WireError:
            return
        self.z_counts[number * IDS + frame.id] = frame.xyz[2]


def share_out(answers: Array, taken: set[int]) -> list[int]:
    """For each of n presses (n, ids) the id that answered it, no id twice and none of `taken`; -1 where none is left.

    The strongest answer of all is given first.
    """
    left = answers.copy()
    left[:, sorted(taken)] = 0
    found = [-1] * len(answers)
    for _ in found:
        press, identifier = np.unravel_index(left.argmax(), left.shape)
        if left[press, identifier] <= 0:
            break
        found[int(press)] = int(identifier)
        left[press], left[:, identifier] = -1, -1
    return found


def taken_ids(rows: list[list[str]], buses: tuple[str, ...]) -> set[int]:
    """Places in `RawListener.z_counts` of the ids that a map names."""
    return {buses.index(row[0]) * IDS + int(row[1], 0) for row in rows}


def id_rows(found: list[int], pad: Pad, layout: SkinLayout, buses: tuple[str, ...]) -> list[list[str]]:
    """Rows of an id map, `bus,id,pad,taxel`, for the ids that answered a pad's taxels in canonical order."""
    numbers = layout.vendor_taxel[pad.taxels].tolist()
    return [
        [buses[index // IDS], f"0x{index % IDS:03X}", pad.name, str(number)]
        for index, number in zip(found, numbers, strict=True)
    ]


def read_begun(file: Path, buses: tuple[str, ...]) -> list[list[str]]:
    """Rows of a map that was begun earlier on these buses; none where there is no file yet.

    Raises ConfigError with the line for a row that cannot be, such as one of another bus.
    """
    return [list(row.values()) for _, _, row in rows_on(str(file), buses)] if file.exists() else []


def write_rows(file: Path, rows: list[list[str]]) -> None:
    """Write a map, whole or begun; a full disk or a lost power leaves the map as it was, never a part of one."""
    beside = file.with_name(f".{file.name}.tmp")
    try:
        with beside.open("w") as lines:
            lines.writelines(f"{','.join(row)}\n" for row in [COLUMNS, *rows])
            lines.flush()
            os.fsync(lines.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
