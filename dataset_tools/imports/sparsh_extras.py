"""What a Sparsh-skin recording holds beside skin and joints: calibrated forces, wrench, poses, camera stamps.

They have no stream of their own and are kept as arrays in `extras/sparsh_skin.npz`; every time is t_mono in ns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.durable import replace_durably
from dataset_tools.imports.restricted_pickle import load_arrays
from dataset_tools.session_folder import EXTRAS_FOLDER
from dataset_tools.wal_sync import sync_folder
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

EXTRAS_FILE = f"{EXTRAS_FOLDER}/sparsh_skin.npz"
TABLES = {("data.pkl", "force"): 4, ("data.pkl", "ee_pose"): 8, ("object_pose.pkl", ""): 8}
"""(file, key) to columns: t and x y z, or t, x y z and quaternion xyzw."""


def read_extras(recording: Path, start_ns: int) -> dict[str, Array]:
    """The extras of a recording by name, times as t_mono ns.

    Raises SessionError when a file is there but not in the published layout.
    """
    arrays: dict[str, Array] = {}
    for (file, key), columns in TABLES.items():
        if (recording / file).is_file():
            value = load_arrays(recording / file)
            table = value.get(key) if key and isinstance(value, dict) else value
            if table is not None:
                name, numbers = key or file.removesuffix(".pkl"), _numbers(table, columns, recording / file)
                arrays[f"{name}_t_mono_ns"], arrays[name] = _to_ns(numbers[:, 0], start_ns), numbers[:, 1:]
    if (recording / "xela" / "forces.pkl").is_file():
        _add_forces(arrays, recording / "xela" / "forces.pkl", start_ns)
    for stamps in _stamp_files(recording):
        arrays[f"{stamps.parts[-3]}_t_mono_ns"] = _to_ns(_read_stamps(stamps), start_ns)
    return arrays


def write_extras(arrays: dict[str, Array], session: Path) -> None:
    """Write extras into a session folder, where there are any, and bring them to the disk."""
    if arrays:
        (session / EXTRAS_FILE).parent.mkdir()
        replace_durably(session / EXTRAS_FILE, lambda file: np.savez(file, allow_pickle=False, **arrays))
        sync_folder(session)


def extra_files(recording: Path) -> list[Path]:
    """The files that `read_extras` would read, in a fixed order."""
    named = [*sorted({file for file, _ in TABLES}), "xela/forces.pkl"]
    return [recording / name for name in named if (recording / name).is_file()] + _stamp_files(recording)


def _stamp_files(recording: Path) -> list[Path]:
    return sorted(recording.glob("*/color/timestamps.txt"))


def _add_forces(arrays: dict[str, Array], file: Path, start_ns: int) -> None:
    """Forces (T, M, 3) of the M calibrated taxels; frames of another M than most are left out."""
    frames = [f for f in load_arrays(file) if isinstance(f, np.ndarray) and f.ndim == 2 and f.shape[1] == 4 and len(f)]
    if not frames:
        return
    sizes, counts = np.unique([len(frame) for frame in frames], return_counts=True)
    forces = np.stack([frame for frame in frames if len(frame) == sizes[counts.argmax()]])  # (T, M, 4)
    arrays["forces_t_mono_ns"], arrays["forces"] = _to_ns(forces[:, 0, 0], start_ns), forces[:, :, 1:]


def _numbers(value: Any, columns: int, file: Path) -> Array:
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.shape[1] != columns:
        raise SessionError(f"{file} was to be read", found=str(getattr(value, "shape", type(value).__name__)),
                           allowed=f"an array (K, {columns})")  # fmt: skip
    return value


def _read_stamps(file: Path) -> Array:
    try:
        return np.atleast_1d(np.array([float(line) for line in file.read_text().split()]))
    except ValueError as error:
        raise SessionError(f"{file} was to be read", found=str(error), allowed="one time in seconds a line") from error


def _to_ns(t_s: Array, start_ns: int) -> Array:
    stamps: Array = start_ns + np.round(t_s * NS_PER_S).astype(np.int64)
    return stamps
