from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

from dataset_tools.agreement import agreement, cohen_kappa, matches
from dataset_tools.label_exchange import MAX_FILE_BYTES, import_labels, to_csv, to_eaf
from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from skin_teleop.cli.main import main
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import SessionError


@pytest.fixture
def store(record) -> LabelStore:
    store = LabelStore(open_session(record(seconds=2.5)))
    t0 = store.session.start_ns
    store.add(
        "slide", t0 + 123_456_789, t0 + 900_000_001, annotator="a1", attributes={"object": "can", "quality": "good"}
    )
    store.add("squeeze", t0 + 1_000_000_000, t0 + 1_500_000_000, annotator="a2")
    return store


def spans(store: LabelStore) -> list[tuple[str, int, int]]:
    return [(label.label, label.t_start_mono_ns, label.t_end_mono_ns) for label in store.current()]


def test_csv_comes_back_to_the_nanosecond(store, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(to_csv(store))
    other = LabelStore(store.session, "copy")
    added = import_labels(other, file, "a9")
    assert spans(other) == spans(store)
    assert [label.annotator for label in added] == ["a1", "a2"] and {label.source for label in added} == {"import"}
    assert added[0].attributes == {"object": "can", "quality": "good"}
    assert import_labels(other, file, "a9") == []


@pytest.mark.parametrize(
    "text", ["label\nsqueeze\n", "label,start_s\nsqueeze,0.5\n", "label,start_s,end_s\nsqueeze,0.5,\n"]
)
def test_a_label_without_its_times_is_refused_by_line_and_nothing_is_added(store, tmp_path, text):
    file, before = tmp_path / "labels.csv", spans(store)
    file.write_text(text)
    with pytest.raises(SessionError, match=r"line 2 of .*labels.csv.*neither a column t_(start|end)_mono_ns nor"):
        import_labels(store, file, "a9")
    assert spans(store) == before


def test_eaf_comes_back_to_the_millisecond(store, tmp_path):
    file = tmp_path / "labels.eaf"
    file.write_text(to_eaf(store))
    other = LabelStore(store.session, "copy")
    import_labels(other, file, "a9")
    whole = [(w, *((t - store.session.start_ns) // NS_PER_MS for t in edges)) for w, *edges in spans(store)]
    back = [(w, *((t - store.session.start_ns) / NS_PER_MS for t in edges)) for w, *edges in spans(other)]
    assert whole == back
    assert {label.annotator for label in other.current()} == {"a1", "a2"}


def test_seconds_from_a_spreadsheet_are_enough(store, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("label,start_s,end_s\nwiping,0.25,0.5\n")
    (label,) = import_labels(LabelStore(store.session, "other"), file, "a9")
    assert (label.t_start_mono_ns - store.session.start_ns, label.annotator) == (250_000_000, "a9")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.csv", "label,start_s,end_s\nslide,0.1,0.2\nslide,0.3,1e9\n", "inside the session"),
        ("a.csv", "label,start_s,end_s\nslide,0.1,0.2\njuggling,0.3,0.4\n", "allowed: squeeze"),
        ("a.csv", "label,start_s,end_s,quality\nslide,0.1,0.2,superb\n", "allowed: good, fair, bad"),
        ("a.csv", "label,start_s,end_s\nslide,one,two\n", "could not convert string to float"),
        ("a.csv", "word\nslide\n", "skin-teleop label SESSION --export csv"),
        ("a.eaf", "<a><b></a>", "ParseError"),
        ("a.eaf", '<!DOCTYPE x [<!ENTITY e "eee">]><x>&e;</x>', "document type or an entity"),
        ("a.txt", "slide", "a file named .csv or .eaf"),
    ],
)
def test_a_bad_file_adds_nothing(store, tmp_path, name, content, text):
    (tmp_path / name).write_text(content)
    before = spans(store)
    with pytest.raises(SessionError, match=text):
        import_labels(store, tmp_path / name, "a9")
    assert spans(store) == before


def test_a_huge_file_is_refused_unread(store, tmp_path):
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(SessionError, match="at most 16 MiB"):
        import_labels(store, tmp_path / "huge.csv", "a9")


def test_accept_reject_and_set_from_the_command_line(store, capsys):
    session = str(store.session.path)
    first, second = (label.id for label in store.current())
    assert main(["label", session, "--accept", first, second, "--annotator", "a3"]) == 0
    assert {label.state for label in store.current()} == {"reviewed"}
    assert main(["label", session, "--accept", first]) == 1
    assert "it is reviewed already" in capsys.readouterr().err
    assert main(["label", session, "--set", first, "label=wiping", "start=0.5", "outcome=success"]) == 0
    changed = store.current()[0]
    assert changed.label == "wiping" and changed.t_start_mono_ns - store.session.start_ns == 500_000_000
    assert changed.attributes == {"object": "can", "quality": "good", "outcome": "success"}
    assert main(["label", session, "--reject", second]) == 0
    assert [label.id for label in store.current()] == [first]
    for words in (["colour=red"], ["start"], ["start=soon"], ["outcome=perhaps"]):
        assert main(["label", session, "--set", first, *words]) == 1


def test_an_edit_of_an_older_revision_is_refused(store, capsys):
    label = store.current()[0]
    store.revise(label.id, expected_revision=1, label="wiping", annotator="a5")
    with pytest.raises(SessionError, match="found: revision 2 by a5"):
        store.revise(label.id, expected_revision=1, label="pressing")
    with pytest.raises(SessionError, match="revision 1 of label"):
        store.delete(label.id, expected_revision=1)
    assert main(["label", str(store.session.path), "--set", label.id, "label=slide", "--revision", "1"]) == 1
    assert store.current()[0].label == "wiping"


def test_export_never_overwrites(store, tmp_path, capsys):
    out = tmp_path / "labels.csv"
    assert main(["label", str(store.session.path), "--export", "csv", "--out", str(out)]) == 0
    assert [row["label"] for row in csv.DictReader(out.read_text().splitlines())] == ["slide", "squeeze"]
    assert main(["label", str(store.session.path), "--export", "csv", "--out", str(out)]) == 1
    assert "allowed: a new file" in capsys.readouterr().err


def test_two_annotators_are_compared(store, capsys):
    t0 = store.session.start_ns
    other = LabelStore(store.session, "second")
    other.add("slide", t0 + 223_456_789, t0 + 900_000_001)
    other.add("wiping", t0 + 1_000_000_000, t0 + 1_500_000_000)
    assert main(["label", str(store.session.path), "--agreement", "second"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["f1_at_overlap"] == {"0.1": 0.5, "0.25": 0.5, "0.5": 0.5}
    assert figures["boundary_error_ms"] == pytest.approx(50.0) and figures["labels"] == [2, 2]
    assert 0.3 < figures["kappa"] < 0.9


def test_agreement_with_oneself_is_perfect(store):
    labels = store.current()
    same = agreement(labels, labels, store.session.start_ns, store.session.end_ns)
    assert (
        same.kappa == pytest.approx(1.0) and set(same.f1_at_overlap.values()) == {1.0} and same.boundary_error_ms == 0
    )
    nothing = agreement([], [], 0, 10**9)
    assert nothing.kappa == 1.0 and math.isnan(nothing.boundary_error_ms)
    assert matches(labels, labels[:1], 0.5) == [(labels[0], labels[0])]


def test_kappa_of_a_known_table():
    # 20 + 15 agree, 5 + 10 differ: observed 0.7, chance 0.5 (Cohen 1960 as in the usual textbook example)
    one = np.array(["y"] * 25 + ["n"] * 25)
    other = np.array(["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15)
    assert cohen_kappa(one, other) == pytest.approx(0.4)
