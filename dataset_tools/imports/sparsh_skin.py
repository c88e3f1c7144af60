"""The public Sparsh-skin recordings (Hugging Face `facebook/sparsh-skin-dataset`) as ordinary sessions.

Layout: `<object>/<sequence>/{allegro,xela}/data.pkl`, optionally `xela/forces.pkl`, `data.pkl`, `object_pose.pkl` and
`<camera>/color/timestamps.txt`; `baseline/xela/data.pkl` without contact. Times are float seconds from an unknown
start; skin counts are stored as float. `xela/data.pkl` is a list of (368, 4) arrays (t, x, y, z), `allegro/data.pkl` a
dictionary with `joint_states` (N, 33): t, 16 positions in rad, 16 efforts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.imports.restricted_pickle import load_arrays
from dataset_tools.imports.sparsh_extras import extra_files, read_extras, write_extras
from dataset_tools.manifest import file_digest
from dataset_tools.seal import seal_session
from dataset_tools.session_folder import META_FILE, change_meta, is_live, load_meta
from dataset_tools.session_log import SessionLog
from skin_teleop.clock import ABSENT_NS, NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.messages import N_JOINTS, N_TAXELS, Array, JointState, Sample, SkinFrame
from skin_teleop.rig import Rig, load_rig

log = logging.getLogger(__name__)

START_NS = 1000 * NS_PER_S
"""Where t = 0 of a recording is put on the session's clock: its frames before t = 0 stay positive."""
MAX_TIME_S = 86_400.0
BASELINE = "baseline"
IMPORTING = "importing"
"""Key of session.json that an import writes first; SOURCE_DIGEST follows when all rows and extras are there."""
SOURCE_DIGEST = "source_digest"
SKIN_FILE, JOINTS_FILE = "xela/data.pkl", "allegro/data.pkl"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one recording."""

    source: Path
    session: Path | None
    note: str
    """`imported`, `already there`, or why it was left out."""


def import_sparsh_skin(source: Path, target: Path, *, licence: str = "cc-by-nc-4.0") -> Iterator[Imported]:
    """Turn every recording below `source` into a sealed session in `target`, one after the other.

    A second run goes on where the first ended. A recording that cannot be read is reported and left out. Raises
    SessionError when `source` holds no recording.
    """
    recordings = sorted(path.parent.parent for path in source.glob("**/xela/data.pkl"))
    if not recordings:
        raise SessionError(
            f"Sparsh-skin recordings in {source} were asked for",
            found="no xela/data.pkl",
            allowed="a folder with <object>/<sequence>/xela/data.pkl",
        )
    done = _imported_before(target)
    for recording in recordings:
        try:
            digest = _digest(recording)
            if digest in done:
                yield Imported(recording, done[digest], "already there")
                continue
            yield Imported(recording, _import_one(recording, source, target, digest, licence), "imported")
        except SessionError as error:
            log.warning("%s was left out: %s", recording, error)
            yield Imported(recording, None, str(error))
        except OSError as error:
            log.warning("%s was left out: %s", recording, error)
            again = "make room or the files readable, then import again: it goes on where it ended"
            problem = SessionError(f"{recording} was to be imported", found=str(error), next_step=again)
            yield Imported(recording, None, str(problem))


def _imported_before(target: Path) -> dict[str, Path]:
    """Digest of the source to the session made of it.

    What an interrupted import left half done is removed, also where `recover` has sealed it since; only a session that
    somebody has labelled meanwhile stays. One that lacks nothing but its seal is sealed.
    """
    done = {}
    for folder in [path.parent for path in target.glob(f"[!.]*/{META_FILE}")]:
        try:
            meta = load_meta(folder)
            if SOURCE_DIGEST in meta:
                done[str(meta[SOURCE_DIGEST])] = seal_session(folder)
            elif IMPORTING in meta and not is_live(folder) and not (folder / "labels").exists():
                log.warning("%s is what an interrupted import left, it is removed", folder)
                shutil.rmtree(folder)
        except SessionError as error:
            log.warning("%s is passed over: %s", folder, error)
    return done


def _import_one(recording: Path, source: Path, target: Path, digest: str, licence: str) -> Path:
    skin = skin_rows(load_arrays(recording / SKIN_FILE), recording)
    streams: dict[str, tuple[type[Sample], Array]] = {"uskin": (SkinFrame, skin)}
    joints = recording / JOINTS_FILE
    if joints.is_file():
        streams["allegro"] = (JointState, joint_rows(load_arrays(joints), recording))
    extras, parts = read_extras(recording, START_NS), recording.relative_to(source).parts
    facts: dict[str, Any] = {
        "source": "facebook/sparsh-skin-dataset/" + "/".join(parts),
        IMPORTING: digest,
        "licence": licence,
    }
    facts |= {"notes": [f"extras: {', '.join(sorted(extras))}"] if extras else []}
    held = _object_name(parts)
    with SessionLog.create(target, _rig(), object_name=held, operator="sparsh-skin", live=False) as session:
        change_meta(session.folder, **facts)
        for name, row in _in_order(streams):
            session.add_packed(streams[name][0].__name__, name, row.tobytes())
            if session.rows[name] % 500 == 0:
                session.flush()
        write_extras(extras, session.folder)
        session.facts_at_end[SOURCE_DIGEST] = digest
    return seal_session(session.folder)


def skin_rows(frames: Any, recording: Path) -> Array:
    """Structured skin rows (T,) from the pickled list of (368, 4) arrays (t, x, y, z).

    Frames of another taxel count and frames whose values are no uint16 counts are left out. Raises SessionError when
    nothing remains.
    """
    if not isinstance(frames, list | np.ndarray) or not len(frames):
        raise SessionError(
            f"{recording}/xela/data.pkl was to be read", found=f"{type(frames).__name__}", allowed="frames"
        )
    whole = [frame for frame in frames if isinstance(frame, np.ndarray) and frame.shape == (N_TAXELS, 4)]
    good = [f for f in whole if np.isfinite(f).all() and f[:, 1:].min() >= 0 and f[:, 1:].max() <= 65_535]
    if not good:
        raise SessionError(f"{recording}/xela/data.pkl was to be read", found="no frame of 368 taxels and (t, x, y, z)")
    if len(good) < len(frames):
        log.warning("%s: %d of %d frames left out", recording, len(frames) - len(good), len(frames))
    rows = _stamped(SkinFrame, np.array([frame[0, 0] for frame in good]), recording)
    rows["seq"] = [k for k, _ in enumerate(good)]
    for row, frame in zip(rows, good):
        row["flux"] = frame[:, 1:]
    return rows[_first_of_equal_times(rows)]


def joint_rows(value: Any, recording: Path) -> Array:
    """Structured joint rows (N,) from the pickled dictionary; efforts go to `torque_command`, what is unknown is NaN.

    Raises SessionError when the array has not the published shape.
    """
    table = value.get("joint_states") if isinstance(value, dict) else None
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.shape[1] != 1 + 2 * N_JOINTS or not len(table):
        raise SessionError(
            f"{recording}/allegro/data.pkl was to be read", found=str(getattr(table, "shape", type(value).__name__)),
            allowed="joint_states (N, 33): t, 16 positions, 16 efforts",
        )  # fmt: skip
    rows = _stamped(JointState, table[:, 0], recording)
    rows["seq"] = np.arange(len(rows))
    rows["position"], rows["torque_command"] = table[:, 1 : 1 + N_JOINTS], table[:, 1 + N_JOINTS :]
    rows["velocity"] = rows["target"] = np.nan
    return rows[_first_of_equal_times(rows)]


def _stamped(kind: type[Sample], t_s: Array, recording: Path) -> Array:
    if not np.isfinite(t_s).all() or np.abs(t_s - t_s[0]).max() > MAX_TIME_S:
        raise SessionError(
            f"{recording} was to be read", found="times that are no seconds", allowed="finite, within a day"
        )
    rows = np.zeros(len(t_s), kind.row_dtype())
    rows["t_mono"] = START_NS + np.round(t_s * NS_PER_S).astype(np.int64)
    rows["t_wall"], rows["t_dev"] = rows["t_mono"], ABSENT_NS
    return rows


def _first_of_equal_times(rows: Array) -> Array:
    """The converter of the data set permits equal stamps; of those the first row stays, in order of time."""
    _, first = np.unique(rows["t_mono"], return_index=True)
    return first


def _in_order(streams: dict[str, tuple[type[Sample], Array]]) -> Iterator[tuple[str, Any]]:
    """Rows of all streams by time."""
    stamps = np.concatenate([rows["t_mono"] for _, rows in streams.values()])
    owners = list(itertools.chain.from_iterable(zip([name] * len(rows), rows) for name, (_, rows) in streams.items()))
    for k in np.argsort(stamps, kind="stable"):
        yield owners[k]


def _rig() -> Rig:
    """The rig that recorded the data set: the same hand and skin as the default rig, without a simulated world."""
    rig = load_rig("simulated")
    return dataclasses.replace(rig, name="sparsh-skin", world=None)


def _object_name(parts: tuple[str, ...]) -> str:
    return "" if BASELINE in parts else parts[0] if parts else ""


def _digest(recording: Path) -> str:
    """SHA-256 of names and digests of all files that an import reads, so that one that comes later makes a difference.

    Raises OSError when one cannot be read.
    """
    files = [recording / name for name in (SKIN_FILE, JOINTS_FILE) if (recording / name).is_file()]
    files += extra_files(recording)
    lines = (f"{file_digest(file)}  {file.relative_to(recording).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
