from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from dataset_tools import overview
from dataset_tools.overview import build_overview, session_overview
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_cache import cache_file, keep_figures, load_figures

MS = 1_000_000


def lane(found, group: str, name: str) -> int:
    return next(k for k, lane in enumerate(found.lanes) if (lane.group, lane.name) == (group, name))


def last_ns(session) -> int:
    """Of the skin: the recorder's own events in made-up sessions are stamped now."""
    return int(session.streams["uskin"].t_mono[-1])


def content_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def session(record):
    return open_session(seal_session(record(seconds=3.0, contact_s=(1.2, 2.0), live=False)))


def test_every_bucket_holds_the_lowest_and_highest_of_its_rows(session):
    found = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    finest, joints = found.levels[0], session.streams["allegro"]
    place = lane(found, "position", "index 2")
    buckets = (joints.t_mono - session.start_ns) // (100 * MS)
    degrees = np.rad2deg(joints["position"][:, 2])
    assert finest.low.shape == (30, len(found.lanes))
    for k in range(30):
        inside = degrees[buckets == k]
        assert finest.low[k, place] == pytest.approx(inside.min())
        assert finest.high[k, place] == pytest.approx(inside.max())


def test_the_lanes_are_pads_joints_hand_and_rates(session):
    found = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    counts = {group: len(list(lanes)) for group, lanes in itertools.groupby(found.lanes, lambda lane: lane.group)}
    assert counts == {"skin": 18, "position": 16, "target": 16, "torque": 16, "hand": 4, "rate": 4}


def test_a_touch_shows_on_its_pads_and_when_it_was(session):
    found = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    strongest = found.levels[0].high[:, :18].max(axis=1)
    assert np.flatnonzero(strongest > 200).tolist() == list(range(12, 20))


def test_a_hand_that_is_not_tracked_has_no_value(session):
    """Row k of the made-up stream holds k everywhere; only the right hand is valid."""
    session.meta["rig"]["server"]["driven_hand"] = "left"
    left = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    assert np.isnan(left.levels[0].low[:, lane(left, "hand", "left wrist x")]).all()
    session.meta["rig"]["server"]["driven_hand"] = "right"
    right = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    assert right.levels[0].low[0, lane(right, "hand", "right wrist x")] == 0
    assert right.levels[0].high[0, lane(right, "hand", "right wrist x")] == 7


def test_rates_are_rows_a_second_and_the_unfinished_second_has_none(record):
    session = open_session(record(seconds=2.5, live=False))
    found = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    rate = found.levels[0].low[:, lane(found, "rate", "uskin")]
    assert rate[:20].tolist() == [100.0] * 20
    assert np.isnan(rate[20:]).all()


def test_coarser_levels_join_four_buckets_and_lose_no_extreme(session, monkeypatch):
    monkeypatch.setattr(overview, "COARSEST_BUCKETS", 10)
    found = build_overview(session, session.start_ns, last_ns(session), 10 * MS)
    sizes = [(level.bucket_ns // MS, len(level.low)) for level in found.levels]
    assert sizes == [(10, 300), (40, 75), (160, 19), (640, 5)]
    for finer, coarser in itertools.pairwise(found.levels):
        assert np.fmax.reduce(finer.high) == pytest.approx(np.fmax.reduce(coarser.high), nan_ok=True)
        for k in range(len(coarser.low)):
            joined = np.fmin.reduce(finer.low[4 * k : 4 * k + 4])
            np.testing.assert_array_equal(coarser.low[k], joined)


def test_rows_that_ran_backwards_still_fall_into_their_bucket(session):
    stream = session.streams["allegro"]
    ordered = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    stamps = stream.t_mono.copy()
    stamps[[100, 101]] = stamps[[101, 100]]
    stream.t_mono = stamps
    swapped = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    np.testing.assert_array_equal(swapped.levels[0].high, ordered.levels[0].high)


def test_the_second_look_reads_the_file_beside_the_session(session, monkeypatch):
    before = content_of(session.path)
    first = session_overview(session)
    assert cache_file(session, "overview").parent == session.path.parent
    assert content_of(session.path) == before
    monkeypatch.setattr(overview, "build_overview", None)
    second = session_overview(open_session(session.path))
    assert second.lanes == first.lanes
    np.testing.assert_array_equal(second.levels[0].high, first.levels[0].high)


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_worked_out_anew(session, damage):
    first = session_overview(session)
    cache_file(session, "overview").write_bytes(damage)
    again = session_overview(session)
    np.testing.assert_array_equal(again.levels[0].low, first.levels[0].low)
    assert load_figures(session, "overview", overview.VERSION) is not None


def test_figures_of_other_rows_or_another_version_do_not_fit(session):
    assert keep_figures(session, "kind", 1, {"a": np.arange(3)})
    assert load_figures(session, "kind", 1)["a"].tolist() == [0, 1, 2]
    assert load_figures(session, "kind", 2) is None
    session.digests["uskin"]["flux"] = "0" * 64
    assert load_figures(session, "kind", 1) is None


def test_a_session_that_still_grows_is_never_kept(record):
    session = open_session(record(seconds=0.5, live=False))
    assert not keep_figures(session, "kind", 1, {"a": np.arange(3)})
    session_overview(session)
    assert not cache_file(session, "overview").exists()


def test_a_part_has_the_buckets_that_it_touches(session):
    whole = build_overview(session, session.start_ns, last_ns(session), 100 * MS)
    part = whole.part(session.start_ns + 1_250 * MS, session.start_ns + 1_950 * MS)
    assert part.start_ns == session.start_ns + 1_200 * MS
    np.testing.assert_array_equal(part.levels[0].high, whole.levels[0].high[12:20])
