from __future__ import annotations

import numpy as np
import pytest

from dataset_tools.labels import LabelStore
from dataset_tools.proposals import find_contacts, hysteresis, label_contacts, label_from_marks, merge_spans, pad_energy
from dataset_tools.reader import open_session
from skin_teleop.errors import SessionError
from skin_teleop.skin_layout import skin_layout

MS = 1_000_000


def seconds(session, t_ns: int) -> float:
    return (t_ns - session.start_ns) / 1e9


def test_marks_become_live_labels_once(record):
    marks = (
        (0.1, "rest", "begin"),
        (0.9, "rest", "end"),
        (1.0, "pick-and-drop", "begin"),
        (2.1, "pick-and-drop", "end"),
        (2.2, "my own word", "begin"),
        (2.6, "my own word", "end"),
        (2.7, "slide", "begin"),
    )
    session = open_session(record(marks=marks))
    store = LabelStore(session)
    added = label_from_marks(store)
    assert [(label.label, label.source, label.state, label.annotator) for label in added] == [
        ("rest", "live", "labelled", "p1"),
        ("pick-and-drop", "live", "labelled", "p1"),
        ("other", "live", "labelled", "p1"),
        ("slide", "live", "labelled", "p1"),
    ]
    assert added[2].attributes == {"mark": "my own word"}
    assert "ended before the mark did" in added[3].attributes["open"]
    assert seconds(session, added[1].t_start_mono_ns) == pytest.approx(1.0)
    assert label_from_marks(store) == []
    store.delete(added[0].id)
    assert label_from_marks(store) == []
    assert len(store.current()) == 3


def test_a_touch_is_proposed_where_it_was(record):
    session = open_session(record(contact_s=(1.2, 2.0)))
    store = LabelStore(session)
    (proposed,) = label_contacts(store)
    assert (proposed.label, proposed.source, proposed.state) == ("contact", "proposal", "proposed")
    assert seconds(session, proposed.t_start_mono_ns) == pytest.approx(1.2)
    assert seconds(session, proposed.t_end_mono_ns) == pytest.approx(1.99)
    layout = skin_layout()
    touched = {layout.pads[int(layout.pad_index[taxel])].name for taxel in range(100, 116)}
    assert set(proposed.attributes["pads"]) == touched
    assert label_contacts(store) == []


def test_an_untouched_skin_gives_no_proposal(record):
    assert find_contacts(open_session(record(contact_s=(0.0, 0.0)))) == []


def test_the_marked_rest_is_the_baseline(record):
    """Touched from the start: the first 0.8 s are no rest, the mark says where rest is."""
    marks = ((2.0, "rest", "begin"), (2.9, "rest", "end"))
    (contact,) = find_contacts(open_session(record(contact_s=(0.0, 1.0), marks=marks)))
    session_start = 1_000 * MS
    assert (contact.start_ns - session_start, contact.end_ns - session_start) == (0, 990 * MS)


def test_energy_of_noise_alone_is_sqrt_3(record):
    session = open_session(record(contact_s=(0.0, 0.0)))
    energy = pad_energy(session.streams["uskin"], skin_layout(), None)
    assert energy.shape == (300, 18)
    assert np.median(energy) == pytest.approx(np.sqrt(3), rel=0.1)


def test_a_session_without_skin_is_told(record):
    session = open_session(record(seconds=0.3))
    session.streams = {"truth": session.streams["truth"]}
    with pytest.raises(SessionError, match="no stream uskin"):
        find_contacts(session)


@pytest.mark.parametrize(
    ("signal", "spans"),
    [
        ([0, 9, 5, 5, 0], [(1, 3)]),
        ([0, 5, 5, 0], []),
        ([5, 9, 0, 9, 9], [(1, 1), (3, 4)]),
        ([0, 0], []),
        ([9], [(0, 0)]),
    ],
)
def test_hysteresis(signal, spans):
    assert hysteresis(np.array(signal), on=8, off=4) == spans


def test_near_spans_join_and_short_ones_go():
    t_mono_ns = np.arange(1000, dtype=np.int64) * 10 * MS
    spans = [(0, 20), (79, 90), (151, 160), (500, 530), (700, 729)]
    assert merge_spans(spans, t_mono_ns) == [(0, 90), (500, 530)]
