"""Documentation is tested: what exists is described, and what is described exists."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from skin_teleop.cli.main import main
from skin_teleop.cli.verbs import VERBS
from skin_teleop.rig import (
    HandConfig,
    LiveEncoderConfig,
    RecorderConfig,
    ServerConfig,
    SkinConfig,
    SupervisorConfig,
    WorldConfig,
)

ROOT = Path(__file__).parents[2]
TABLES = {
    "hand": HandConfig,
    "skin": SkinConfig,
    "server": ServerConfig,
    "recorder": RecorderConfig,
    "supervisor": SupervisorConfig,
    "world": WorldConfig,
    "encoder": LiveEncoderConfig,
}


def documented(page: str) -> set[str]:
    return set(re.findall(r"^\| `([\w.-]+)`", (ROOT / "docs" / page).read_text(), re.MULTILINE))


def test_every_verb_is_documented_and_every_documented_verb_exists() -> None:
    assert documented("commands.md") == {verb.name for verb in VERBS}


def test_every_rig_key_is_documented_and_every_documented_key_exists() -> None:
    keys = {f"{table}.{field.name}" for table, kind in TABLES.items() for field in dataclasses.fields(kind)}
    assert documented("rig.md") == keys | {"schema", "name"}


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main([verb, "--help"])
    assert exit_code.value.code == 0
    assert f"usage: skin-teleop {verb}" in capsys.readouterr().out


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_the_readme_names_the_two_commands_on_its_first_screen() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:25])
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    machine_path = re.compile(r"(?<![\w.])/(?:work|farm|root|home)/[\w.-]+")
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".html", ".ts", ".csv"} and path.is_file():
            assert not machine_path.search(path.read_text(errors="replace")), name
