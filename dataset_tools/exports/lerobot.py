"""Sessions as a LeRobotDataset v3.0: the layout that LeRobot 0.4 and later load, written with pyarrow alone.

Layout and field names follow `lerobot/datasets/utils.py` and `dataset_metadata.py` of that release. LeRobot knows one
frame rate and no device clocks: rows are resampled by holding the newest value, and the true stamps are kept in
columns of their own (`observation.t_mono`, `observation.tactile_age`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.exports.card import dataset_card
from dataset_tools.exports.episodes import Episode, episodes
from dataset_tools.exports.extra import export_module
from dataset_tools.exports.folder import new_folder
from dataset_tools.exports.running_stats import RunningStats
from dataset_tools.reader import open_session
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

CODEBASE_VERSION = "v3.0"
FILES_PER_CHUNK = 1000
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
JOINT_NAMES = [f"joint_{k}" for k in range(16)]
FEATURES: dict[str, dict[str, Any]] = {
    "observation.state": {"dtype": "float32", "shape": [16], "names": JOINT_NAMES},
    "action": {"dtype": "float32", "shape": [16], "names": JOINT_NAMES},
    "observation.tactile": {"dtype": "float32", "shape": [368, 3], "names": ["taxel", "axis"]},
    "observation.tactile_age": {"dtype": "float32", "shape": [1], "names": ["seconds"]},
    "observation.t_mono": {"dtype": "int64", "shape": [1], "names": ["nanoseconds"]},
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}


def export_lerobot(paths: Sequence[Path], target: Path, *, fps: int = 30) -> Path:
    """Write sessions to a new folder, an episode a settled label.

    Raises SessionError when the folder exists, a session cannot be read, or there is not one frame.
    """
    with new_folder(target) as folder:
        dataset = _Dataset(folder, fps)
        sessions = [open_session(path) for path in paths]
        for session in sessions:
            for episode in episodes(session, fps):
                dataset.add(episode)
        dataset.finish()
        (folder / "README.md").write_text(dataset_card(sessions, {"default": "data/*/*.parquet"}, ("LeRobot",)))
    return target


class _Dataset:
    """The data set while it is written: a data file an episode, the tables at the end."""

    def __init__(self, folder: Path, fps: int) -> None:
        self._folder, self._fps = folder, fps
        self._arrow, self._parquet = export_module("pyarrow"), export_module("pyarrow.parquet")
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._frames = 0
        self._stats = {name: RunningStats() for name in FEATURES}

    def add(self, episode: Episode) -> None:
        number, length = len(self._episodes), len(episode.t_mono_ns)
        columns = self._columns(episode, number)
        chunk, file = divmod(number, FILES_PER_CHUNK)
        self._write(DATA_PATH.format(chunk_index=chunk, file_index=file), self._table(columns))
        own = {name: RunningStats() for name in FEATURES}
        for name, values in columns.items():
            own[name].add(values)
            self._stats[name].add(values)
        self._episodes.append(
            {"episode_index": number, "tasks": [episode.task], "length": length, "session": episode.session}
            | {"data/chunk_index": chunk, "data/file_index": file}
            | {"dataset_from_index": self._frames, "dataset_to_index": self._frames + length}
            | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
            | {f"stats/{name}/{key}": v for name, stats in own.items() for key, v in stats.to_json().items()}
        )
        self._frames += length

    def finish(self) -> None:
        if not self._frames:
            raise SessionError("an export was asked for", found="no frame in any label", next_step="label the sessions")
        self._write("meta/episodes/chunk-000/file-000.parquet", self._arrow.Table.from_pylist(self._episodes))
        self._write("meta/tasks.parquet", self._task_table())
        stats = {name: figures.to_json() for name, figures in self._stats.items()}
        (self._folder / "meta" / "stats.json").write_text(json.dumps(stats))
        (self._folder / "meta" / "info.json").write_text(json.dumps(self._info(), indent=4))

    def _columns(self, episode: Episode, number: int) -> dict[str, Array]:
        frame = np.arange(len(episode.t_mono_ns))
        task = self._tasks.setdefault(episode.task, len(self._tasks))
        return {
            "observation.state": episode.state,
            "action": episode.action,
            "observation.tactile": episode.tactile,
            "observation.tactile_age": episode.tactile_age_s,
            "observation.t_mono": episode.t_mono_ns,
            "timestamp": (frame / self._fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(len(frame), number),
            "index": frame + self._frames,
            "task_index": np.full(len(frame), task),
        }

    def _table(self, columns: dict[str, Array]) -> Any:
        return self._arrow.table({name: self._lists(values) for name, values in columns.items()})

    def _lists(self, values: Array) -> Any:
        """An array (n, a, b) as a column of nested fixed-size lists."""
        column = self._arrow.array(np.ascontiguousarray(values).reshape(-1))
        for size in reversed(values.shape[1:]):
            column = self._arrow.FixedSizeListArray.from_arrays(column, size)
        return column

    def _task_table(self) -> Any:
        """Tasks by index, with the note by which pandas makes the task the table's index, as LeRobot expects."""
        table = self._arrow.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        columns = [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
            {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
        ]
        note = {"index_columns": ["task"], "column_indexes": [], "columns": [c | {"metadata": None} for c in columns]}
        return table.replace_schema_metadata({"pandas": json.dumps(note | {"pandas_version": "2.2.0"})})

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": CODEBASE_VERSION,
            "robot_type": "allegro_uskin",
            "total_episodes": len(self._episodes),
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA_PATH,
            "video_path": None,
            "features": {name: facts | {"fps": self._fps} for name, facts in FEATURES.items()},
        }

    def _write(self, name: str, table: Any) -> None:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        self._parquet.write_table(table, file, compression="zstd")
