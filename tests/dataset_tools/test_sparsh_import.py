"""Files in exactly the published layout become sessions; a pickle that holds anything but arrays runs nothing."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.checks.session import check_session
from dataset_tools.durable import is_temporary
from dataset_tools.imports import sparsh_skin
from dataset_tools.imports.restricted_pickle import load_arrays
from dataset_tools.imports.sparsh_extras import write_extras
from dataset_tools.imports.sparsh_skin import START_NS, import_sparsh_skin
from dataset_tools.reader import open_session
from dataset_tools.recovery import recover_folder
from dataset_tools.session_folder import is_live, load_meta
from skin_teleop.cli.main import main
from skin_teleop.errors import SessionError


def dump(path: Path, value: object, protocol: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol))


def skin_frames(count: int, seed: int = 0, t0_s: float = -0.05) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(32_000, 34_000, (count, 368, 3)).astype(np.float64)
    t_s = np.broadcast_to(t0_s + np.arange(count)[:, None, None] * 0.01, (count, 368, 1))
    return list(np.concatenate([t_s, counts], axis=2))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    root = tmp_path / "sparsh-skin-dataset"
    for k, (obj, seq) in enumerate([("corn", "0"), ("corn", "1"), ("drill", "0")]):
        folder = root / obj / seq
        dump(folder / "xela" / "data.pkl", skin_frames(60, seed=k))
        joints = np.random.default_rng(k).normal(size=(150, 33))
        joints[:, 0] = np.arange(150) * 0.004
        dump(folder / "allegro" / "data.pkl", {"joint_states": joints})
    first = root / "corn" / "0"
    dump(first / "xela" / "forces.pkl", [np.full((248, 4), k * 0.01) for k in range(20)] + [np.empty((0, 4))])
    dump(first / "data.pkl", {"force": np.ones((5, 4)), "ee_pose": np.ones((5, 8))})
    dump(first / "object_pose.pkl", np.full((7, 8), 0.5))
    (first / "left_camera" / "color").mkdir(parents=True)
    (first / "left_camera" / "color" / "timestamps.txt").write_text("0.00e+00\n3.3e-02\n")
    dump(root / "baseline" / "xela" / "data.pkl", skin_frames(30, seed=9))
    return root


def test_every_recording_becomes_a_session_that_passes_the_check(published, tmp_path, capsys):
    target = tmp_path / "sessions"
    assert main(["import", "sparsh-skin", str(published), "--to", str(target)]) == 0
    sessions = [open_session(path) for path in sorted(target.iterdir())]
    assert sorted(session.meta["object"] for session in sessions) == ["", "corn", "corn", "drill"]
    assert {session.meta["licence"] for session in sessions} == {"cc-by-nc-4.0"}
    for session in sessions:
        assert session.status == "sealed" and check_session(session.path).passed
    corn = next(session for session in sessions if session.meta["source"].endswith("corn/0"))
    frames = np.array(skin_frames(60))
    np.testing.assert_array_equal(corn.streams["uskin"]["flux"], frames[:, :, 1:])
    assert corn.start_ns == START_NS - 50_000_000 and corn.duration_s == pytest.approx(0.646)
    t_ns = corn.streams["uskin"].t_mono - START_NS
    assert t_ns[:2].tolist() == [-50_000_000, -40_000_000]
    assert corn.streams["allegro"]["position"].shape == (150, 16)
    extras = np.load(corn.path / "extras" / "sparsh_skin.npz")
    assert extras["forces"].shape == (20, 248, 3) and extras["ee_pose"].shape == (5, 7)
    assert (extras["left_camera_t_mono_ns"] - START_NS).tolist() == [0, 33_000_000]
    assert extras["object_pose_t_mono_ns"][0] == START_NS + 500_000_000
    assert "extras/sparsh_skin.npz" in (corn.path / "MANIFEST.sha256").read_text()


def test_a_second_import_goes_on_where_the_first_ended(published, tmp_path):
    target = tmp_path / "sessions"
    running = import_sparsh_skin(published, target)
    assert next(running).note == "imported"
    running.close()
    notes = [one.note for one in import_sparsh_skin(published, target)]
    assert notes == ["already there", "imported", "imported", "imported"]
    assert len(list(target.iterdir())) == 4


def test_an_import_that_lacks_nothing_but_its_seal_is_sealed(published, tmp_path, monkeypatch):
    target = tmp_path / "sessions"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            "dataset_tools.imports.sparsh_skin.seal_session", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        list(import_sparsh_skin(published, target))
    (unsealed,) = target.iterdir()
    assert unsealed.suffix == ".rec"
    first, *others = import_sparsh_skin(published, target)
    assert (first.note, first.session) == ("already there", unsealed.with_suffix(""))
    assert [one.note for one in others] == ["imported"] * 3
    assert len(list(target.iterdir())) == 4 and all(open_session(path).status == "sealed" for path in target.iterdir())


@pytest.mark.parametrize("labelled", [False, True])
def test_a_part_of_a_recording_never_counts_as_imported(published, tmp_path, monkeypatch, labelled):
    target, in_order = tmp_path / "sessions", sparsh_skin._in_order

    def cut(streams):
        for k, row in enumerate(in_order(streams)):
            if k == 20:
                raise KeyboardInterrupt
            yield row

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sparsh_skin, "_in_order", cut)
        list(import_sparsh_skin(published, target))
    ((part,),) = [recover_folder(target)]
    if labelled:
        (part.path / "labels").mkdir()
    imported = list(import_sparsh_skin(published, target))
    assert [one.note for one in imported] == ["imported"] * 4
    assert open_session(imported[0].session).streams["uskin"].rows == 30
    assert part.path.is_dir() == labelled
    assert {one.note for one in import_sparsh_skin(published, target)} == {"already there"}


@pytest.mark.parametrize("late", ["allegro/data.pkl", "xela/forces.pkl", "left_camera/color/timestamps.txt"])
def test_a_recording_that_got_another_file_since_is_imported_anew(published, tmp_path, late):
    recording, target = published / "corn" / "0", tmp_path / "sessions"
    content = (recording / late).read_bytes()
    (recording / late).unlink()
    list(import_sparsh_skin(published, target))
    (recording / late).write_bytes(content)
    notes = {str(one.source.relative_to(published)): one.note for one in import_sparsh_skin(published, target)}
    assert notes == dict.fromkeys(("baseline", "corn/1", "drill/0"), "already there") | {"corn/0": "imported"}
    assert {one.note for one in import_sparsh_skin(published, target)} == {"already there"}


def test_nobody_else_may_touch_a_session_before_its_extras_are_there(published, tmp_path, monkeypatch):
    written = []

    def watched(arrays, session):
        write_extras(arrays, session)
        written.append((is_live(session), "source_digest" in load_meta(session)))

    monkeypatch.setattr(sparsh_skin, "write_extras", watched)
    list(import_sparsh_skin(published, tmp_path / "sessions"))
    assert written == [(True, False)] * 4


def test_extras_are_on_the_disk_before_anything_says_so(tmp_path, monkeypatch):
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))
    write_extras({"forces": np.ones(3)}, tmp_path)
    assert synced[0].parent == tmp_path / "extras" and is_temporary(synced[0])
    assert synced[1:] == [tmp_path / "extras", tmp_path]
    assert np.load(tmp_path / "extras/sparsh_skin.npz")["forces"].tolist() == [1, 1, 1]


def test_a_full_disk_leaves_out_one_recording_and_not_the_others(published, tmp_path, monkeypatch):
    def full(arrays, session):
        if arrays:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sparsh_skin, "write_extras", full)
        imported = list(import_sparsh_skin(published, tmp_path / "sessions"))
    (left_out,) = [one for one in imported if one.session is None]
    assert left_out.source == published / "corn" / "0" and "found: [Errno 28] No space left" in left_out.note
    notes = [one.note for one in import_sparsh_skin(published, tmp_path / "sessions")]
    assert sorted(notes) == ["already there"] * 3 + ["imported"]
    assert len(list((tmp_path / "sessions").iterdir())) == 4


def test_a_folder_that_cannot_be_read_stops_no_import(published, tmp_path):
    for content in ("{}", "{"):
        folder = tmp_path / "sessions" / f"bad{len(content)}"
        folder.mkdir(parents=True)
        (folder / "session.json").write_text(content)
    assert [one.note for one in import_sparsh_skin(published, tmp_path / "sessions")] == ["imported"] * 4
    assert (tmp_path / "sessions/bad1").is_dir() and (tmp_path / "sessions/bad2").is_dir()


def test_bad_frames_and_equal_stamps_are_left_out(published, tmp_path):
    frames = skin_frames(20)
    frames[3] = frames[3][:300]
    frames[5][7, 2] = np.nan
    frames[6][7, 2] = 70_000
    frames[9][:, 0] = frames[8][:, 0]
    dump(published / "drill" / "0" / "xela" / "data.pkl", frames)
    imported = {one.source.parts[-2:]: one for one in import_sparsh_skin(published, tmp_path / "sessions")}
    flux = open_session(imported["drill", "0"].session).streams["uskin"]["flux"]
    kept = [k for k in range(20) if k not in (3, 5, 6, 9)]
    np.testing.assert_array_equal(flux, np.array([frames[k][:, 1:] for k in kept]))


@pytest.mark.parametrize(
    ("file", "value", "text"),
    [
        ("xela/data.pkl", {"x": 1}, "found: dict"),
        ("xela/data.pkl", [np.zeros((300, 4))], "no frame of 368 taxels"),
        ("allegro/data.pkl", {"joint_states": np.zeros((5, 32))}, r"\(5, 32\)"),
        ("allegro/data.pkl", [1, 2], "found: list"),
        ("data.pkl", {"force": np.zeros((5, 3))}, r"\(5, 3\)"),
    ],
)
def test_another_layout_is_left_out_and_said(published, tmp_path, file, value, text, capsys):
    dump(published / "drill" / "0" / file, value)
    assert main(["import", "sparsh-skin", str(published), "--to", str(tmp_path / "s")]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "/drill/0:" in line]
    assert re.search(text, line) and "imported" not in line
    assert len(list((tmp_path / "s").iterdir())) == 3


class Evil:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> object:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    ("evil", "named"),
    [
        (lambda mark: Evil(os.system, f"touch {mark}"), "posix.system"),
        (lambda mark: Evil(eval, f"open({str(mark)!r}, 'w')"), r"builtins\W+eval|__builtin__.eval"),
        (lambda mark: Evil(getattr, np.ndarray, "tofile"), "getattr"),
        (lambda mark: [np.zeros(3), {"a": Evil(Path, str(mark))}], "pathlib"),
        (lambda mark: Evil(np.load, str(mark)), "load"),
    ],
)
def test_a_malicious_pickle_is_refused_by_name_and_runs_nothing(tmp_path, evil, named, protocol):
    mark, path = tmp_path / "mark", tmp_path / "data.pkl"
    dump(path, evil(mark), protocol)
    with pytest.raises(SessionError, match=f"a pickle that asks for .*({named})"):
        load_arrays(path)
    assert not mark.exists()


def forged(dtype: bytes, tail: bytes) -> bytes:
    """A protocol 4 pickle that puts `numpy.dtype(dtype)` where `tail` says what is done with it."""
    return b"\x80\x04" + tail.replace(b"DTYPE", b"cnumpy\ndtype\n(\x8c" + bytes([len(dtype)]) + dtype + b"\x89\x88tR")


STATE = b"(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
"""BUILD of a dtype whose flags say that it holds no objects."""
CALLED = b"cnumpy\nndarray\n(K\x01\x85DTYPEC\x08AAAAAAAAtR."
REBUILT = (
    b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    b"(K\x01K\x01\x85DTYPE" + STATE + b"\x89C\x08AAAAAAAAtb."
)
SCALAR = b"cnumpy._core.multiarray\nscalar\n(DTYPEC\x10AAAAAAAAAAAAAAAAtR."
BUFFERED = b"cnumpy._core.numeric\n_frombuffer\n(C\x10AAAAAAAAAAAAAAAADTYPEK\x01\x85\x8c\x01CtR."


@pytest.mark.parametrize(
    ("dtype", "tail", "found"),
    [
        (b"f8", CALLED, "TypeError"),
        (b"O", CALLED, "an array of type 'O'"),
        (b"O", REBUILT, "an array of type 'O'"),
        (b"T", SCALAR, "an array of type 'T'"),
        (b"T", BUFFERED, "an array of type 'T'"),
        (b"O,f8", BUFFERED, "an array of type 'O,f8'"),
        (b"U4", BUFFERED, "an array of type 'U4'"),
        (b"(2,f8", BUFFERED, r"an array of type '\(2,f8'"),
        (b"i3", BUFFERED, "TypeError"),
    ],
)
def test_no_pickle_makes_an_array_of_pointers(tmp_path, dtype, tail, found):
    (tmp_path / "data.pkl").write_bytes(forged(dtype, tail))
    with pytest.raises(SessionError, match=found):
        load_arrays(tmp_path / "data.pkl")


def test_the_forgeries_are_pickles_that_load_where_the_type_is_a_number(tmp_path):
    for tail in (REBUILT, SCALAR.replace(b"C\x10AAAAAAAA", b"C\x08"), BUFFERED.replace(b"C\x10AAAAAAAA", b"C\x08")):
        (tmp_path / "data.pkl").write_bytes(forged(b"f8", tail))
        assert np.asarray(load_arrays(tmp_path / "data.pkl")).tobytes() == b"AAAAAAAA"


def test_an_array_never_takes_more_rows_than_it_has_bytes(tmp_path):
    (tmp_path / "data.pkl").write_bytes(forged(b"f8", REBUILT.replace(b"(K\x01K\x01\x85", b"(K\x01K\x02\x85")))
    with pytest.raises(SessionError, match="cannot reshape"):
        load_arrays(tmp_path / "data.pkl")


@pytest.mark.parametrize(
    "shape", [b"J\xff\xff\xff\xff\x85", b"]", b"\x88\x85", b"K\x01"], ids=["-1", "[]", "True", "1"]
)
@pytest.mark.parametrize("tail", [REBUILT, BUFFERED.replace(b"C\x10AAAAAAAA", b"C\x08")])
def test_a_shape_is_a_tuple_of_whole_numbers(tmp_path, tail, shape):
    before, after = tail.rsplit(b"K\x01\x85", 1)
    (tmp_path / "data.pkl").write_bytes(forged(b"f8", before + shape + after))
    with pytest.raises(SessionError, match="shape is not a tuple of whole numbers"):
        load_arrays(tmp_path / "data.pkl")


def test_an_array_takes_one_state(tmp_path):
    state = REBUILT[REBUILT.index(b"(K\x01K\x01\x85") : -1]
    (tmp_path / "data.pkl").write_bytes(forged(b"f8", REBUILT[:-1] + state + b"."))
    with pytest.raises(SessionError, match="a second state for an array"):
        load_arrays(tmp_path / "data.pkl")


def test_arrays_of_objects_and_damaged_files_are_refused(tmp_path):
    dump(tmp_path / "objects.pkl", [np.array([{"a": 1}], dtype=object)])
    with pytest.raises(SessionError, match="an array of type 'O8'"):
        load_arrays(tmp_path / "objects.pkl")
    whole = pickle.dumps([np.arange(50.0), {"t": np.float64(2.5)}], 4)
    for k in range(0, len(whole), 7):
        (tmp_path / "cut.pkl").write_bytes(whole[:k])
        with pytest.raises(SessionError, match=r"cut\.pkl was to be read"):
            load_arrays(tmp_path / "cut.pkl")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_every_protocol_are_read(tmp_path, protocol):
    dump(tmp_path / "a.pkl", {"x": [np.arange(6.0).reshape(2, 3), np.float64(1.5), 3, "text", None]}, protocol)
    (array, number, *rest) = load_arrays(tmp_path / "a.pkl")["x"]
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    empty = [np.empty((0, 4))] if protocol > 2 else []  # pickle spells no bytes as a call of `bytes` before that
    strided = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)
    for layout in (np.asfortranarray(array), strided, np.arange(4, dtype=">i2"), np.array([True, False]), *empty):
        dump(tmp_path / "b.pkl", layout, protocol)
        found = load_arrays(tmp_path / "b.pkl")
        np.testing.assert_array_equal(found, layout)
        assert (found.shape, found.dtype.kind) == (layout.shape, layout.dtype.kind)
    assert (number, rest) == (1.5, [3, "text", None])


def test_a_folder_without_recordings_is_an_error(tmp_path, capsys):
    assert main(["import", "sparsh-skin", str(tmp_path), "--to", str(tmp_path / "s")]) == 1
    assert "found: no xela/data.pkl" in capsys.readouterr().err
