from __future__ import annotations

import json

import pytest

from dataset_tools.backup import DiskFolder, backup_session
from dataset_tools.checks.session import check_session
from dataset_tools.labels import LabelStore
from dataset_tools.manifest import covered_files
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
