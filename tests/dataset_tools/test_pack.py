from __future__ import annotations

import json
import os

import numpy as np
import pytest
import zarr

from dataset_tools.labels import LabelStore
from dataset_tools.pack import pack_session
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.stream import column_file
from skin_teleop.cli.main import main
from skin_teleop.errors import SessionError


@pytest.fixture
def sealed(record):
    sealed = seal_session(record(seconds=1.0))
    store = LabelStore(open_session(sealed))
    store.add("slide", store.session.start_ns, store.session.start_ns + 10**9)
    return sealed


def test_a_pack_is_read_like_any_session(sealed, tmp_path):
    packed = open_session(pack_session(sealed, tmp_path / "packs" / "one"))
    whole = open_session(sealed)
    assert packed.streams.keys() == whole.streams.keys() and packed.digests == whole.digests
    for name, stream in whole.streams.items():
        assert packed.streams[name].attributes == stream.attributes
        for field in stream.fields:
            assert packed.streams[name][field].dtype == stream[field].dtype
            np.testing.assert_array_equal(packed.streams[name][field], stream[field])
    assert [label.label for label in LabelStore(packed).current()] == ["slide"]
    assert packed.events() == whole.events()


def test_windows_are_views_of_the_file_that_nobody_can_change(sealed, tmp_path):
    flux = open_session(pack_session(sealed, tmp_path / "one")).streams["uskin"]
    window = flux.read("flux", 30, 40)
    assert window.shape == (10, 368, 3) and window.base is not None and not window.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        window[0] = 1


def test_plain_zarr_reads_a_pack(sealed, tmp_path):
    packed = pack_session(sealed, tmp_path / "one")
    flux = zarr.open(str(packed / "pack.zarr/streams/uskin/flux"), mode="r")
    np.testing.assert_array_equal(flux[:], open_session(sealed).streams["uskin"]["flux"])
    assert column_file(flux).stat().st_size == flux.shape[0] * 368 * 3 * 2


def test_a_session_that_is_not_sealed_can_be_packed(record, tmp_path):
    live = record(seconds=0.5)
    assert open_session(pack_session(live, tmp_path / "one")).streams["uskin"].rows == 50


def test_an_existing_pack_stays_as_it_is(sealed, tmp_path, capsys):
    assert main(["pack", str(sealed), "--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / sealed.name}: ")
    before = sorted(tmp_path.rglob("*"))
    assert main(["pack", str(sealed), "--to", str(tmp_path)]) == 1
    assert "it exists already" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_session_leaves_no_pack(sealed, tmp_path):
    array = zarr.open(str(sealed / "session.zarr"), mode="r+")["streams/allegro/position"]
    array[7, 3] = 99.0
    with pytest.raises(SessionError, match=r"cannot be packed; found: allegro/position does not match"):
        pack_session(sealed, tmp_path / "packs" / "one")
    assert list((tmp_path / "packs").iterdir()) == []


def test_a_cut_column_is_refused(sealed, tmp_path):
    packed = pack_session(sealed, tmp_path / "one")
    file = column_file(zarr.open(str(packed / "pack.zarr/streams/uskin/flux"), mode="r"))
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(SessionError, match="pack the session again"):
        open_session(packed)


def test_a_target_that_cannot_be_made_is_an_error(sealed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="cannot be written"):
        pack_session(sealed, tmp_path / "file" / "one")


def test_a_column_of_anything_but_numbers_is_never_mapped(sealed, tmp_path):
    packed = pack_session(sealed, tmp_path / "one")
    description = packed / "pack.zarr/streams/uskin/seq/zarr.json"
    changed = {"data_type": "string", "fill_value": "", "codecs": [{"name": "vlen-utf8", "configuration": {}}]}
    description.write_text(json.dumps(json.loads(description.read_text()) | changed))
    rows = open_session(sealed).streams["uskin"].rows
    (packed / "pack.zarr/streams/uskin/seq/c/0").write_bytes(b"A" * 16 * rows)
    with pytest.raises(SessionError, match=r"seq was to be mapped; found: (StringDType|object).*a dtype of numbers"):
        open_session(packed)


def test_labels_that_lead_out_of_the_session_are_not_packed(sealed, tmp_path):
    (tmp_path / "secret").write_text("mine")
    (sealed / "labels" / "x").symlink_to(tmp_path / "secret")
    with pytest.raises(SessionError, match=r"a link to .*secret"):
        pack_session(sealed, tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_a_pack_is_named_after_its_session_also_from_within(sealed, tmp_path, monkeypatch):
    monkeypatch.chdir(sealed)
    assert main(["pack", ".", "--to", str(tmp_path / "packs")]) == 0
    assert open_session(tmp_path / "packs" / sealed.name).streams["uskin"].rows == 100
