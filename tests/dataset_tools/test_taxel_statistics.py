from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_tools import taxel_statistics
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_cache import cache_file
from dataset_tools.taxel_statistics import collection_taxels, no_taxels, of_rows, session_taxels
from skin_teleop.cli.main import main


def rows(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (count, 368, 3)).astype(np.uint16)


def same(one, other) -> bool:
    return one.to_arrays().keys() == other.to_arrays().keys() and all(
        np.array_equal(values, other.to_arrays()[name]) for name, values in one.to_arrays().items()
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 29), min_size=1, max_size=4, unique=True), st.randoms())
def test_any_cuts_merged_in_any_order_are_exactly_the_whole(seed, cuts, random):
    whole = rows(seed, 30)
    parts = [of_rows(part) for part in np.split(whole, sorted(cuts))]
    random.shuffle(parts)
    together = no_taxels()
    for part in parts:
        together = together.merged(part)
    assert same(together, of_rows(whole))


def test_mean_m2_and_deviation_are_those_of_the_rows():
    whole = rows(1, 200)
    found = of_rows(whole)
    np.testing.assert_allclose(found.mean, whole.mean(axis=0))
    np.testing.assert_allclose(found.deviation, whole.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.m2, np.square(whole - whole.mean(axis=0)).sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(found.high, whole.max(axis=0))


def test_a_small_movement_around_a_large_value_is_not_lost_over_many_hours():
    """Half of 2e9 rows at 33000 counts and half at 33001: a sum of squares in float64 would say nothing."""
    found = of_rows(np.array([33000, 33001], np.uint16)[:, None, None] * np.ones((1, 368, 3), np.uint16))
    for _ in range(30):
        found = found.merged(found)
    assert found.count == 2**31
    assert np.all(found.squares > 0)
    np.testing.assert_allclose(found.deviation, 0.5, rtol=1e-12)


def test_no_rows_have_no_mean():
    assert np.isnan(no_taxels().mean).all() and np.isnan(no_taxels().deviation).all()
    assert same(no_taxels().merged(of_rows(rows(3, 2))), of_rows(rows(3, 2)))


def test_a_session_is_counted_once_and_then_read(record, monkeypatch):
    session = open_session(seal_session(record(seconds=0.5)))
    found = session_taxels(session)
    assert found.count == 50
    np.testing.assert_array_equal(found.low, session.streams["uskin"]["flux"].min(axis=0))
    assert cache_file(session, "taxels").is_file()
    monkeypatch.setattr(taxel_statistics, "_counted", None)
    assert same(session_taxels(open_session(session.path)), found)


def test_a_collection_is_the_sum_of_its_sessions(record):
    sessions = [open_session(seal_session(record(seconds=seconds))) for seconds in (0.3, 0.5)]
    together = collection_taxels(sessions)
    assert together.count == 80
    assert same(together, of_rows(np.concatenate([s.streams["uskin"]["flux"] for s in sessions])))


def test_the_verb_writes_figures_and_a_picture_once(record, rig, tmp_path, capsys):
    seal_session(record(seconds=0.5))
    figures, picture = tmp_path / "taxels.npz", tmp_path / "collection.png"
    words = ["sessions", rig.recorder.folder, "--taxels", str(figures), "--picture", str(picture)]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{figures}\n{picture}\n"
    with np.load(figures) as stored:
        assert int(stored["count"]) == 50 and stored["mean"].shape == (368, 3)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(words) == 1
    assert "it exists already; allowed: a new" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["picture.doc", "no/picture.png"])
def test_pictures_elsewhere_or_of_another_kind_are_refused(record, rig, tmp_path, name, capsys):
    assert main(["sessions", str(tmp_path), "--picture", str(tmp_path / Path(name))]) == 1
    assert "allowed: a new .png or .svg file" in capsys.readouterr().err
