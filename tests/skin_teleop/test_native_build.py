"""C source is built once, kept under its checksum, built anew when it changes, and its absence names the fix."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from skin_teleop import native_build
from skin_teleop.cli import supervisor
from skin_teleop.errors import MissingPartError
from skin_teleop.native_build import built_library, cache_folder, compiler


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package with two C files; the cache is a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    native = tmp_path / "some_package" / "native"
    native.mkdir(parents=True)
    (native.parent / "__init__.py").write_text("")
    (native / "seven.h").write_text("enum { SEVEN = 7 };\n")
    (native / "answer.c").write_text('#include "seven.h"\nint answer(void) { return SEVEN; }\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("some_package", None)
    return native


def built() -> ctypes.CDLL:
    return built_library("some_package", ("seven.h", "answer.c"), "answers")


def test_the_library_computes_what_its_source_says_and_is_kept(package: Path) -> None:
    assert built().answer() == 7
    assert [path.suffix for path in cache_folder().iterdir()] == [".so"], "no half-built file is left"
    assert next(cache_folder().iterdir()).name.startswith("answers-")


def test_it_is_built_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built()
    monkeypatch.setattr(native_build.subprocess, "run", lambda *_, **__: pytest.fail("it was built twice"))
    assert built().answer() == 7


def test_a_changed_header_is_built_anew(package: Path) -> None:
    built()
    (package / "seven.h").write_text("enum { SEVEN = 8 };\n")
    assert built().answer() == 8
    assert len(list(cache_folder().iterdir())) == 2


def test_a_source_that_does_not_compile_is_reported_with_the_compilers_words(package: Path) -> None:
    (package / "answer.c").write_text("int answer(void) { return MISSING_NAME; }\n")
    with pytest.raises(MissingPartError, match=r"(?s)answers-\w+ could not be built.*MISSING_NAME"):
        built()
    assert list(cache_folder().iterdir()) == []


def test_without_a_compiler_the_fix_is_named(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_build.shutil, "which", lambda name: None)
    monkeypatch.setattr(native_build, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"no C compiler .*; next: sudo apt install gcc"):
        built()


def test_a_machine_without_a_compiler_uses_the_one_in_the_package_ziglang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_build.shutil, "which", lambda name: None)
    monkeypatch.setattr(native_build, "find_spec", lambda name: object() if name == "ziglang" else None)
    assert compiler()[1:] == ["-m", "ziglang", "cc"]
    monkeypatch.setattr(native_build.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert compiler() == ["/usr/bin/cc"]


def test_a_library_that_was_cut_short_is_built_anew(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_build.ctypes, "CDLL", lambda path: None)  # the loader remembers what it has loaded
        built()
    (library,) = cache_folder().iterdir()
    whole = library.stat().st_size
    library.write_bytes(b"\x7fELF, and then the disk was full")
    assert built().answer() == 7
    assert library.stat().st_size == whole
    assert "is built anew" in caplog.text


def test_a_cache_that_cannot_be_used_is_a_missing_part(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package.parent.parent / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(package.parent.parent / "file"))
    with pytest.raises(MissingPartError, match=r"answers could not be built; found: .*next: set XDG_CACHE_HOME"):
        built()


def test_another_users_cache_is_refused(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_build.os, "geteuid", lambda: 12_345)
    with pytest.raises(MissingPartError, match="belongs to another user"):
        built()


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_cache_that_others_may_write_to_is_refused(package: Path, mode: int) -> None:
    cache_folder().mkdir(parents=True)
    cache_folder().chmod(mode)
    with pytest.raises(MissingPartError, match=r"others may write to .*would be run: chmod go-w .*skin-teleop"):
        built()
    cache_folder().chmod(0o755)
    assert built().answer() == 7


def test_a_build_leaves_a_process_time_for_its_fallback() -> None:
    assert native_build.BUILD_TIMEOUT_S <= supervisor.START_TIMEOUT_S - 20


def test_a_compiler_that_hangs_is_a_missing_part(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_build, "BUILD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(native_build, "compiler", lambda: [sys.executable, "-c", "import time; time.sleep(9)"])
    with pytest.raises(MissingPartError, match=r"answers could not be built; found: .*timed out after 0\.2"):
        built()


def test_a_relative_cache_folder_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "skin-teleop"
