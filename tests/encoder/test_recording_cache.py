from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dataset_tools.labels import Label
from encoder.recording_cache import cached_recording, fingerprint_of
from encoder.session_data import load_recording
from skin_teleop.clock import NS_PER_S

LABEL = Label(
    id="a",
    revision=1,
    label="squeeze",
    t_start_mono_ns=6 * NS_PER_S,
    t_end_mono_ns=7 * NS_PER_S,
    state="gold",
    source="human",
    annotator="test",
    created_at="2026-03-01T10:00:00+00:00",
)


@pytest.fixture
def sealed(session):
    """The made-up session with digests, as a sealed one has."""
    made_up = session(300)
    return SimpleNamespace(
        path=made_up.path,
        meta=made_up.meta | {"object": "cup"},
        streams=made_up.streams,
        rest_span_ns=made_up.rest_span_ns,
        digests={"uskin": {"flux": "12ab"}},
    )


def test_the_cache_gives_the_same_numbers_from_mapped_files(sealed, tmp_path):
    plain = load_recording(sealed, [LABEL])
    for _ in range(2):
        kept = cached_recording(sealed, [LABEL], tmp_path)
        assert isinstance(kept.delta, np.memmap)
        for field in dataclasses.fields(plain):
            np.testing.assert_array_equal(getattr(kept, field.name), getattr(plain, field.name))
        assert kept.fingerprint() == plain.fingerprint()
    assert (kept.action == 0).sum() == 100
    assert [path.name for path in tmp_path.iterdir()] == [fingerprint_of(sealed, [LABEL])]


def test_the_second_time_nothing_is_decoded(sealed, tmp_path):
    cached_recording(sealed, [], tmp_path)
    sealed.streams = {}
    assert len(cached_recording(sealed, [], tmp_path).t_mono_ns) == 300


def test_other_rows_labels_or_description_are_another_entry(sealed):
    before = fingerprint_of(sealed, [])
    assert fingerprint_of(sealed, [LABEL]) != before
    sealed.meta["object"] = "ball"
    assert fingerprint_of(sealed, []) != before
    sealed.meta["object"] = "cup"
    assert fingerprint_of(sealed, []) == before
    sealed.digests = {"uskin": {"flux": "12ac"}}
    assert fingerprint_of(sealed, []) != before


def test_a_broken_entry_is_decoded_anew(sealed, tmp_path, caplog):
    cached_recording(sealed, [], tmp_path)
    (broken,) = tmp_path.glob("*/delta.npy")
    broken.write_bytes(broken.read_bytes()[:50])
    np.testing.assert_array_equal(cached_recording(sealed, [], tmp_path).delta, load_recording(sealed).delta)
    assert "cannot be read and is decoded anew" in caplog.text
    assert broken.stat().st_size > 1000


def test_a_session_that_still_grows_is_not_kept(sealed, tmp_path):
    sealed.digests = {}
    assert len(cached_recording(sealed, [], tmp_path).t_mono_ns) == 300
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_only_time(sealed, tmp_path, caplog):
    blocked = tmp_path / "file"
    Path(blocked).write_text("")
    assert len(cached_recording(sealed, [], blocked).t_mono_ns) == 300
    assert "stays in memory" in caplog.text
