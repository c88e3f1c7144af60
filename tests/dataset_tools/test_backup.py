from __future__ import annotations

import json
import shutil

import pytest

from dataset_tools.backup import DiskFolder, backup_session
from dataset_tools.checks.session import check_session
from dataset_tools.labels import LabelStore
from dataset_tools.manifest import covered_files
from dataset_tools.pack import pack_session
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from skin_teleop.cli.main import main
from skin_teleop.errors import SessionError


@pytest.fixture
def sealed(record):
    return seal_session(record(seconds=0.5))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_copy_is_the_session_file_by_file(sealed, tmp_path, capsys):
    store = LabelStore(open_session(sealed))
    store.add("slide", store.session.start_ns, store.session.start_ns + 10**8)
    assert main(["backup", str(sealed), "--to", str(tmp_path / "disk")]) == 0
    copy = tmp_path / "disk" / sealed.name
    assert contents(copy) == contents(sealed)
    assert check_session(copy).passed
    assert f"{len(covered_files(sealed))} files copied, 0 were there" in capsys.readouterr().out


def test_a_second_run_keeps_what_is_whole_and_brings_new_labels(sealed, tmp_path):
    backup_session(sealed, tmp_path)
    store = LabelStore(open_session(sealed))
    store.add("slide", store.session.start_ns, store.session.start_ns + 10**8)
    again = backup_session(sealed, tmp_path)
    assert (again.copied, again.kept) == (0, len(covered_files(sealed)))
    assert len(LabelStore(open_session(again.target)).current()) == 1


def test_an_interrupted_copy_goes_on_and_was_no_session_before(sealed, tmp_path, monkeypatch):
    copies, put = [], DiskFolder.put

    def failing(disk, source, name):
        if len(copies) == 5:
            raise OSError(28, "No space left on device")
        copies.append(disk.folder / name)
        put(disk, source, name)

    with monkeypatch.context() as patch:
        patch.setattr(DiskFolder, "put", failing)
        with pytest.raises(SessionError, match="No space left on device; next: free some space"):
            backup_session(sealed, tmp_path)
    with pytest.raises(SessionError, match=r"no readable session\.json"):
        open_session(tmp_path / sealed.name)
    (copies[2]).write_bytes(b"torn")
    done = backup_session(sealed, tmp_path)
    assert (done.copied, done.kept) == (len(covered_files(sealed)) - 4, 4)
    assert contents(done.target) == contents(sealed)


def test_a_damaged_session_is_not_copied_as_whole(sealed, tmp_path):
    name = next(name for name in covered_files(sealed) if "/c/" in name)
    (sealed / name).write_bytes((sealed / name).read_bytes() + b"x")
    with pytest.raises(SessionError, match="differs from the manifest"):
        backup_session(sealed, tmp_path)
    assert not (tmp_path / sealed.name / "session.json").exists()


def test_a_file_that_changes_while_it_is_copied_is_compared_with_the_manifest(sealed, tmp_path, monkeypatch):
    put, changed = DiskFolder.put, next(name for name in covered_files(sealed) if "/c/" in name)

    def late(disk, source, name):
        if name == changed:
            source.write_bytes(source.read_bytes() + b"x")
        put(disk, source, name)

    monkeypatch.setattr(DiskFolder, "put", late)
    with pytest.raises(SessionError, match=f"{changed} differs from the manifest, or changed while it was copied"):
        backup_session(sealed, tmp_path)
    assert not (tmp_path / sealed.name / "session.json").exists()


def test_what_the_seal_kept_beside_the_store_is_copied_too(record, tmp_path):
    sealed = seal_session(record(seconds=0.5), keep_wal=True)
    shutil.copytree(sealed / "session.zarr", sealed / "session.zarr.aside-0123abcd")
    whole = {name: content for name, content in contents(sealed).items() if name != "recorder.lock"}
    done = backup_session(sealed, tmp_path)
    assert contents(done.target) == whole and "wal/000000.wal" in whole
    (done.target / "wal" / "000000.wal").write_bytes(b"torn")
    again = backup_session(sealed, tmp_path)
    assert (again.copied, again.kept) == (1, done.copied - 1)
    assert contents(done.target) == whole


def test_what_a_killed_writer_left_is_not_copied(sealed, tmp_path):
    store = LabelStore(open_session(sealed))
    store.add("slide", store.session.start_ns, store.session.end_ns)
    (sealed / "labels/actions/.schema.json.0123abcd.tmp").write_text("{")
    for copy in (backup_session(sealed, tmp_path / "disk").target, pack_session(sealed, tmp_path / "pack")):
        names = sorted(path.name for path in (copy / "labels/actions").iterdir())
        assert names == ["labels.jsonl", "schema.json"]


def test_another_session_of_the_name_and_a_live_one_are_refused(sealed, record, tmp_path):
    (tmp_path / sealed.name).mkdir()
    (tmp_path / sealed.name / "MANIFEST.sha256").write_text("other\n")
    with pytest.raises(SessionError, match="another session at"):
        backup_session(sealed, tmp_path)
    with pytest.raises(SessionError, match="another session at"):
        backup_session(sealed, sealed.parent)
    with pytest.raises(SessionError, match="it is not sealed"):
        backup_session(record(seconds=0.3), tmp_path)
    assert json.loads((sealed / "session.json").read_text())["status"] == "sealed"


def test_labels_of_the_copy_are_never_lost(sealed, tmp_path):
    store = LabelStore(open_session(sealed))
    for k in range(1, 4):
        store.add("slide", store.session.start_ns, store.session.start_ns + k * 10**8)
    copy = backup_session(sealed, tmp_path).target
    label_file = sealed / "labels/actions/labels.jsonl"
    first, *_ = label_file.read_text().splitlines(keepends=True)
    label_file.write_text(first)
    with pytest.raises(SessionError, match=r"labels/actions/labels\.jsonl has labels that are not in the session"):
        backup_session(sealed, tmp_path)
    assert len(LabelStore(open_session(copy)).current()) == 3


def test_labels_that_do_not_come_back_are_an_error(sealed, tmp_path, monkeypatch):
    store, put = LabelStore(open_session(sealed)), DiskFolder.put
    store.add("slide", store.session.start_ns, store.session.end_ns)

    def forgetful(disk, source, name):
        put(disk, source, name)
        if name.endswith("labels.jsonl"):
            (disk.folder / name).write_bytes(b"")

    monkeypatch.setattr(DiskFolder, "put", forgetful)
    with pytest.raises(SessionError, match=r"copy of labels/actions/labels\.jsonl does not come back"):
        backup_session(sealed, tmp_path)


@pytest.mark.parametrize(
    "name", ["../other/session.json", "/etc/hostname", "session.zarr/../x", "session.json", "labels/x"]
)
def test_a_manifest_that_names_other_files_is_refused(sealed, tmp_path, name):
    with (sealed / "MANIFEST.sha256").open("a") as manifest:
        manifest.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(SessionError, match=r"allowed: files in session\.zarr, cameras, extras"):
        backup_session(sealed, tmp_path / "disk")
    assert not (tmp_path / "disk").exists()
    (finding,) = [found for found in check_session(sealed).findings if found.severity == "error"]
    assert finding.fault == "manifest" and name in finding.text


@pytest.mark.parametrize("name", ["labels/x", "session.zarr/zarr.json", "MANIFEST.sha256"])
def test_a_link_that_leads_out_of_the_session_is_not_followed(sealed, tmp_path, name):
    secret = tmp_path / "secret"
    secret.write_bytes((sealed / name).read_bytes() if (sealed / name).exists() else b"mine")
    (sealed / name).unlink(missing_ok=True)
    (sealed / name).parent.mkdir(exist_ok=True)
    (sealed / name).symlink_to(secret)
    with pytest.raises(SessionError, match=f"found: a link to {secret}"):
        backup_session(sealed, tmp_path / "disk")
    assert not (tmp_path / "disk" / sealed.name / name).exists()


def test_a_backup_is_named_after_its_session_also_from_within(sealed, tmp_path, monkeypatch):
    monkeypatch.chdir(sealed)
    assert main(["backup", ".", "--to", str(tmp_path / "disk")]) == 0
    assert [path.name for path in (tmp_path / "disk").iterdir()] == [sealed.name]


def test_a_session_whose_seal_was_not_finished_is_refused(sealed, tmp_path):
    live = sealed.rename(sealed.with_name(sealed.name + ".rec"))
    with pytest.raises(SessionError, match="it is not sealed; next: skin-teleop seal"):
        backup_session(live, tmp_path / "disk")
