from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools import second_opinion as second_opinion_module
from dataset_tools.labels import LabelStore
from dataset_tools.proposal_quality import Score, met, overlapping, score, stretches
from dataset_tools.proposals import contacts_in, label_contacts, strongest_around
from dataset_tools.reader import open_session
from dataset_tools.second_opinion import agreement_facts, second_opinion
from skin_teleop.cli.main import main
from skin_teleop.errors import MissingPartError
from skin_teleop.skin_layout import skin_layout

MS = 1_000_000
ROWS_NS = np.arange(1000, dtype=np.int64) * 10 * MS


def test_repetitions_that_follow_each_other_are_one_stretch(record):
    store = LabelStore(open_session(record(seconds=3.0, live=False)))
    t0 = store.session.start_ns
    for start_ms, end_ms in ((1000, 1500), (100, 500), (520, 900), (1900, 2000)):
        store.add("slide", t0 + start_ms * MS, t0 + end_ms * MS)
    store.add("squeeze", t0, t0 + 90 * MS)
    found = {
        word: [((a - t0) // MS, (b - t0) // MS) for a, b in spans] for word, spans in stretches(store.current()).items()
    }
    assert found == {"slide": [(100, 900), (1000, 1500), (1900, 2000)], "squeeze": [(0, 90)]}


@pytest.mark.parametrize(
    ("there", "proposed", "count"),
    [
        ([0, 1000], [250, 1251], 1),
        ([0, 100], [90], 1),
        ([0, 300], [240, 260], 2),
        ([1000], [], 0),
        ([], [5], 0),
    ],
)
def test_each_proposed_boundary_meets_at_most_one(there, proposed, count):
    assert met([t * MS for t in there], [t * MS for t in proposed]) == count


@given(st.lists(st.integers(0, 30), max_size=4), st.lists(st.integers(0, 30), max_size=5))
def test_no_other_pairing_meets_more(there, proposed):
    def most(rest: list[int], free: list[int]) -> int:
        if not rest:
            return 0
        hits = [1 + most(rest[1:], free[:k] + free[k + 1 :]) for k, t in enumerate(free) if abs(t - rest[0]) <= 5]
        return max([most(rest[1:], free), *hits])

    assert met(there, proposed, 5) == most(there, proposed)


def test_starts_are_met_by_starts_and_spans_by_half_of_their_union():
    there, proposed = [(0, 1000 * MS), (5000 * MS, 6000 * MS)], [(900 * MS, 1100 * MS), (5100 * MS, 7000 * MS)]
    assert score(there, proposed, 0) == Score(2, 2, 1)
    assert score(there, proposed, 1) == Score(2, 2, 1)
    assert score(there, proposed) == Score(4, 4, 2)
    assert overlapping(there, proposed) == Score(2, 2, 0)
    assert overlapping(there, [(0, 600 * MS), (5100 * MS, 6100 * MS)]) == Score(2, 2, 2)
    assert (Score(4, 2, 1).recall, Score(4, 2, 1).precision) == (0.25, 0.5)
    assert (Score().recall, Score().precision) == (1.0, 1.0)


def energy_of(*spans: tuple[int, int, float], tail: float = 0.0) -> np.ndarray:
    """Energy (1000, 18) of one pad: rest, spans of rows with a height, and a slowly ending remainder after each."""
    energy = np.ones((1000, 18))
    for first, last, height in spans:
        energy[first:last, 4] = height
        energy[last : last + 200, 4] = np.maximum(energy[last : last + 200, 4], tail)
    return energy


def test_what_the_elastomer_still_shows_between_two_touches_is_no_touch():
    energy = energy_of((200, 350, 2000.0), (500, 650, 2000.0), tail=30.0)
    found = contacts_in(energy, ROWS_NS, skin_layout())
    assert [(c.start_ns // (10 * MS), c.end_ns // (10 * MS)) for c in found] == [(200, 349), (500, 649)]


def test_a_faint_touch_alone_is_still_found():
    (found,) = contacts_in(energy_of((200, 350, 12.0)), ROWS_NS, skin_layout())
    assert (found.start_ns // (10 * MS), found.end_ns // (10 * MS)) == (200, 349)


def test_strongest_around_reaches_two_seconds_to_both_sides():
    signal = np.zeros(1000)
    signal[500] = 7
    assert np.flatnonzero(strongest_around(signal, ROWS_NS)).tolist() == list(range(300, 701))
    assert strongest_around(np.array([3.0]), ROWS_NS[:1]).tolist() == [3.0]


class TestRuptures:
    @pytest.fixture(autouse=True)
    def needs_ruptures(self):
        pytest.importorskip("ruptures", reason="a second opinion needs: pip install 'skin-teleop[label]'")

    def test_it_finds_the_edge_of_a_step(self):
        energy = energy_of((400, 800, 50.0))[:, 4]
        assert second_opinion(energy, ROWS_NS, 4_100 * MS) == -100 * MS
        assert agreement_facts(energy, ROWS_NS, (4_100 * MS, 8_000 * MS)) == {
            "ruptures_ms": [-100, 0],
            "ruptures_agrees": True,
        }

    def test_it_disagrees_where_the_edge_is_elsewhere(self):
        energy = energy_of((400, 800, 50.0))[:, 4]
        facts = agreement_facts(energy, ROWS_NS, (3_500 * MS, 8_000 * MS))
        assert facts == {"ruptures_ms": [500, 0], "ruptures_agrees": False}

    def test_too_few_rows_give_no_opinion(self):
        assert second_opinion(np.ones(15), ROWS_NS[:15], 0) is None
        assert not agreement_facts(np.ones(15), ROWS_NS[:15], (0, 100 * MS))["ruptures_agrees"]

    def test_proposals_carry_it(self, record, capsys):
        path = record(contact_s=(1.2, 2.0), live=False)
        assert main(["label", str(path), "--propose", "--second-opinion", "--json"]) == 0
        attributes = json.loads(capsys.readouterr().out)["attributes"]
        assert attributes["ruptures_agrees"] is True
        assert max(map(abs, attributes["ruptures_ms"])) <= 20

    def test_the_bench_compares_with_the_labels_of_the_script_alone(self, record, rig, tmp_path, capsys):
        store = LabelStore(open_session(record(contact_s=(1.2, 2.0), live=False)))
        t0 = store.session.start_ns
        store.add("squeeze", t0 + 1_300 * MS, t0 + 1_600 * MS, source="script")
        store.add("squeeze", t0 + 1_600 * MS, t0 + 2_500 * MS, source="script")
        store.add("slide", t0, t0 + 500 * MS)
        record(seconds=0.5, live=False)
        figures = tmp_path / "figures.json"
        assert main(["bench", "proposals", rig.recorder.folder, "--json", str(figures)]) == 0
        assert "squeeze" in capsys.readouterr().out
        assert json.loads(figures.read_text())["actions"] == {
            "squeeze": {
                "sessions": 1,
                "starts": {"recall": 1.0, "precision": 1.0, "there": 1},
                "ends": {"recall": 0.0, "precision": 0.0, "there": 1},
                "spans": {"recall": 1.0, "precision": 1.0, "there": 1},
                "ruptures_agrees": 1.0,
            }
        }


def test_without_ruptures_the_error_says_what_to_install(record, monkeypatch):
    def missing(name: str):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(second_opinion_module, "import_module", missing)
    store = LabelStore(open_session(record(live=False)))
    with pytest.raises(MissingPartError, match=r"pip install 'skin-teleop\[label\]'"):
        label_contacts(store, ask_ruptures=True)


def test_folders_without_a_scripts_labels_are_an_error(tmp_path, capsys):
    assert main(["bench", "proposals", str(tmp_path)]) == 1
    assert main(["bench", "proposals"]) == 1
    assert capsys.readouterr().err.count("skin-teleop simulate --out FOLDER") == 2
