"""`skin-teleop simulate --pictures`: a strip an action, from the same episodes that sessions are made of."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from drivers.simulated.objects import OBJECT_NAMES
from drivers.simulated.scripted.actions import ACTION_NAMES, Attempt, suits
from skin_teleop.cli import simulate_pictures
from skin_teleop.cli.main import main
from skin_teleop.cli.simulate_pictures import BEST_OBJECT, EXTREMES, draw_actions
from skin_teleop.errors import ConfigError
from skin_teleop.messages import Truth
from skin_teleop.rig import load_rig


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_pictures, "WIDTH", 48)
    monkeypatch.setattr(simulate_pictures, "HEIGHT", 40)


def test_a_picture_of_every_action_asked_for_is_written_and_no_session(
    tmp_path: Path, small: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    command = ["simulate", "--pictures", str(folder), "--actions", "articulation,pressing", "--out", str(out)]
    assert main(command) == 0
    names = ["articulation.png", "pressing.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [Path(line).name for line in capsys.readouterr().out.split()] == names
    assert not out.exists()
    for name in names:
        picture = matplotlib.image.imread(folder / name)[..., :3]  # (H, W, 3)
        assert picture.shape[1] > 3 * picture.shape[0], "four moments beside each other"
        assert picture.mean() < 0.5, "dark"
        moments = np.array_split(picture[picture.shape[0] // 3 :], 4, axis=1)
        assert all(moment.std() > 0.1 for moment in moments), "none is blank"
        assert np.abs(moments[0] - moments[2]).mean() > 0.005, "something moved"


def frames(force_n: list[float]) -> simulate_pictures._Film:
    """A film at 100 Hz in which one pad feels these forces."""
    film = simulate_pictures._Film()
    names = Truth.row_dtype().names[5:]
    for k, force in enumerate(force_n):
        columns = {name: np.zeros(Truth.row_dtype()[name].shape, np.float32) for name in names}
        columns["pad_wrench"][3, 2] = -force
        stamp = {"t_dev": (k + 1) * 10_000_000, "t_mono": 0, "t_wall": 0, "seq": k, "flags": 0}
        film.on_skin(Truth(**stamp, **columns | {"phase": 0}), np.zeros((368, 3)))
    return film


def test_moments_are_the_approach_the_first_touch_and_the_extremes_of_the_attempt() -> None:
    film = frames([0.0] * 100 + [2.0] * 300)
    np.testing.assert_allclose(film.force_n()[[99, 100]], [0, 2])
    squeeze = simulate_pictures._moments(Attempt("squeeze", 2.0, 3.0), film)
    assert squeeze == [("coming near", 55), ("first touch", 105), ("squeeze", 249), ("squeeze", 299)]
    wiping = simulate_pictures._moments(Attempt("wiping", 2.0, 3.0), film)
    assert [frame for _, frame in wiping[2:]] == [224, 274]


def test_the_standard_choice_of_objects_suits_every_action() -> None:
    assert set(BEST_OBJECT) == set(ACTION_NAMES)
    assert set(EXTREMES) < set(ACTION_NAMES)
    assert all(suits(action, name) for action, name in BEST_OBJECT.items())
    assert len(set(BEST_OBJECT.values())) == len(ACTION_NAMES)
    assert set(BEST_OBJECT.values()) <= set(OBJECT_NAMES)


def test_an_object_that_does_not_suit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a picture of articulation with cup.*give an object that suits"):
        draw_actions(load_rig("simulated"), ["articulation"], ["cup"], 0, tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"a folder for pictures at .*found: Not a directory"):
        draw_actions(load_rig("simulated"), ["squeeze"], ["cup"], 0, tmp_path / "file" / "pictures")


def test_nothing_worth_showing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_pictures, "ROUNDS", 0)
    with pytest.raises(ConfigError, match=r"nothing kept in 0 draws.*try another --seed"):
        draw_actions(load_rig("simulated"), ["squeeze"], ["cup"], 0, tmp_path)


@pytest.mark.parametrize(
    ("rig", "text"),
    [("teapot", r"rig 'teapot' was asked for.*simulated_left"), ("lab.toml", r"a rig with a \[world\] table")],
)
def test_only_a_simulated_rig_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rig: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lab.toml").write_text('schema = "skin_teleop.rig/1"\nname = "lab"\n')
    assert main(["simulate", "--rig", rig, "--out", "out"]) != 0
    shown = " ".join(capsys.readouterr().err.split())
    assert re.search(text, shown), shown
    assert not Path("out").exists()
