from __future__ import annotations

import json
import os
import shutil
import threading

import msgspec
import pytest

from dataset_tools.labels import ACTIONS, VOCABULARY, LabelStore
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from skin_teleop.errors import SessionError

S = 1_000_000_000


@pytest.fixture
def store(record):
    return LabelStore(open_session(record(seconds=0.3)))


def at(store: LabelStore, seconds: float) -> int:
    return store.session.start_ns + round(seconds * S)


def add(store: LabelStore, label: str = "squeeze", start: float = 0.2, end: float = 0.5):
    return store.add(label, at(store, start), at(store, end), annotator="a1", attributes={"object": "can"})


def test_the_vocabulary_has_the_eight_actions(store):
    assert len(ACTIONS) == 8 and {"squeeze", "pick-and-drop", "articulation"} <= set(ACTIONS)
    add(store)
    schema = json.loads((store.folder / "schema.json").read_text())
    assert schema["vocabulary"] == list(VOCABULARY) and schema["schema"] == "skin_teleop.labels"


def test_a_label_is_one_line_with_all_its_facts(store):
    label = add(store)
    (line,) = (store.folder / "labels.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert row == {
        "id": label.id,
        "revision": 1,
        "label": "squeeze",
        "t_start_mono_ns": at(store, 0.2),
        "t_end_mono_ns": at(store, 0.5),
        "state": "labelled",
        "source": "human",
        "annotator": "a1",
        "created_at": label.created_at,
        "attributes": {"object": "can"},
    }
    assert store.current() == [label]


def test_readers_take_the_highest_revision(store):
    label = add(store)
    store.revise(label.id, state="reviewed", annotator="a2")
    store.revise(label.id, t_end_mono_ns=at(store, 0.6))
    (current,) = store.current()
    assert (current.revision, current.state, current.annotator) == (3, "reviewed", "a2")
    assert current.t_end_mono_ns == at(store, 0.6)
    assert [row["revision"] for row in store.history(label.id)] == [1, 2, 3]


def test_a_deletion_is_a_tombstone(store):
    label, other = add(store), add(store, "slide", 0.1, 0.3)
    store.delete(label.id)
    assert store.current() == [other]
    assert store.history(label.id)[-1]["state"] == "deleted"
    assert "label" not in store.history(label.id)[-1]
    with pytest.raises(SessionError, match=r"it was deleted; next: skin-teleop label .* --list"):
        store.delete(label.id)
    with pytest.raises(SessionError, match="it was deleted"):
        store.revise(label.id, state="gold")
    with pytest.raises(SessionError, match="no such label"):
        store.delete("nobody")


def test_labels_come_in_order_of_time(store):
    late, early = add(store, "slide", 0.6, 0.7), add(store, "wiping", 0.1, 0.2)
    assert store.current() == [early, late]


@pytest.mark.parametrize(
    ("label", "start", "end", "text"),
    [
        ("juggling", 0.1, 0.2, "label 'juggling' was asked for; allowed: squeeze, slide"),
        ("squeeze", -0.1, 0.2, "from -0.1 s to 0.2 s was asked for; allowed: a span inside the session, 0 s to"),
        ("squeeze", 0.3, 0.3, "from 0.3 s to 0.3 s"),
        ("squeeze", 0.1, 1e9, "inside the session"),
    ],
)
def test_labels_that_cannot_be_are_refused(store, label, start, end, text):
    with pytest.raises(SessionError, match=text):
        add(store, label, start, end)
    assert store.current() == []


def test_a_revision_is_checked_as_an_addition(store):
    label = add(store)
    with pytest.raises(SessionError, match="inside the session"):
        store.revise(label.id, t_end_mono_ns=at(store, -5))
    with pytest.raises(SessionError, match="cannot become"):
        store.revise(label.id, state="splendid")
    with pytest.raises(SessionError, match="exists already"):
        store.add("rest", at(store, 0.1), at(store, 0.2), label_id=label.id)
    assert store.current() == [label]


def test_a_line_cut_by_a_crash_costs_only_itself(store):
    first = add(store)
    file = store.folder / "labels.jsonl"
    with file.open("ab") as stream:
        stream.write(b'{"id": "half", "revis')
    second = add(store, "slide", 0.6, 0.7)
    assert store.current() == [first, second]
    assert len(file.read_bytes().splitlines()) == 3


def test_two_annotators_at_once_lose_nothing(store):
    label = add(store)
    stores = [LabelStore(open_session(store.session.path)) for _ in range(4)]

    def work(mine: LabelStore) -> None:
        for _ in range(5):
            mine.revise(label.id, state="reviewed")

    threads = [threading.Thread(target=work, args=(mine,)) for mine in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["revision"] for row in store.history(label.id)] == list(range(1, 22))


def test_a_seal_takes_the_labels_along_and_leaves_them_out_of_the_manifest(store):
    label = add(store)
    sealed = seal_session(store.session.path)
    assert LabelStore(open_session(sealed)).current() == [label]
    assert "labels" not in (sealed / "MANIFEST.sha256").read_text()


def test_two_first_labels_at_once_are_both_kept(store):
    """Both writers make the labelset and its schema."""
    session, failed = store.session, []
    span = session.start_ns, session.end_ns
    for _ in range(20):
        shutil.rmtree(session.path / "labels", ignore_errors=True)
        barrier = threading.Barrier(2)

        def first(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                LabelStore(session).add("slide", *span)
            except SessionError as error:
                failed.append(error)

        writers = [threading.Thread(target=first) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(LabelStore(session).current()) == 2 and not failed
        assert sorted(path.name for path in store.folder.iterdir()) == ["labels.jsonl", "schema.json"]


def test_a_label_for_a_session_that_was_sealed_meanwhile_is_refused(record):
    live = record(seconds=0.5)
    store = LabelStore(open_session(live))
    span = store.session.start_ns, store.session.end_ns
    sealed = seal_session(live)
    with pytest.raises(SessionError, match=f"sealed or moved meanwhile; next: open {sealed}$"):
        store.add("slide", *span)
    assert not live.exists()


def test_labels_are_all_written_or_none_when_the_disk_fills_up(store, monkeypatch):
    session = store.session
    store.add("rest", session.start_ns, session.end_ns)
    before, write = (store.folder / "labels.jsonl").read_bytes(), os.write

    def until_full(descriptor: int, content: bytes) -> int:
        if len(content) < 1000:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:400])

    many = [msgspec.structs.replace(store.current()[0], id=str(k)) for k in range(8)]
    with monkeypatch.context() as patch, pytest.raises(SessionError, match="No space left"):
        patch.setattr("dataset_tools.labels.os.write", until_full)
        store.add_new(many)
    assert (store.folder / "labels.jsonl").read_bytes() == before
    assert len(store.add_new(many)) == 8 and len(store.current()) == 9
