"""A baseline is measured, and what does not work is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from drivers.simulated.xela_server import XelaServer
from drivers.uskin.baseline import measure_baseline, taxel_names
from skin_teleop.cli import zero_skin
from skin_teleop.cli.main import main
from skin_teleop.errors import ConfigError
from skin_teleop.rig import free_port
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
CENTRE = np.tile(np.array([16_400, 16_100, 36_500]), (368, 1))
"""Rest of another firmware than the kit's (XELA uSPa46 manual)."""


def resting(rng: np.random.Generator) -> np.ndarray:
    return (CENTRE + rng.integers(-4, 5, (368, 3))).astype(np.uint16)


def rows(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return np.array([resting(rng) for _ in range(count)]), np.zeros((count, 368), np.uint16)


def test_rest_and_noise_are_measured():
    baseline = measure_baseline(*rows())
    np.testing.assert_allclose(baseline.mean_counts, CENTRE, atol=1.0)
    np.testing.assert_allclose(baseline.noise_counts, 2.58, atol=0.5)
    assert len(baseline.never) == len(baseline.stuck) == len(baseline.restless) == 0


def test_a_long_watch_is_as_exact_as_a_short_one():
    """A minute at 50 Hz whose sums need more digits than float32 has: values alternate by one count."""
    flux = np.full((3000, 368, 3), 32_771, np.uint16)
    flux[::2] += 1
    baseline = measure_baseline(flux, np.zeros((3000, 368), np.uint16))
    np.testing.assert_allclose(baseline.mean_counts, 32_771.5, atol=1e-6)
    np.testing.assert_allclose(baseline.noise_counts, 0.5, atol=1e-6)


def test_dead_stuck_and_touched_taxels_are_told_apart():
    flux, age = rows()
    age[:, 10], flux[:, 10] = 65535, 0
    flux[:, 20] = 0
    flux[:, 30] = CENTRE[30]
    flux[100:, 40, 2] += 900
    baseline = measure_baseline(flux, age)
    assert (baseline.never.tolist(), baseline.stuck.tolist(), baseline.restless.tolist()) == ([10, 20], [30], [40])
    assert taxel_names(baseline.stuck, LAYOUT) == ["link_15 taxel 1"]


def test_too_few_rows_are_refused():
    with pytest.raises(ConfigError, match="a baseline needs rows; found: 3; allowed: at least 20"):
        measure_baseline(*rows(3))


@pytest.fixture
def lab(tmp_path) -> Iterator[str]:
    """A rig file and its skin server, which streams a skin at rest with one stuck taxel."""
    url = f"ws://127.0.0.1:{free_port()}"
    path = tmp_path / "lab.toml"
    path.write_text(f'schema = "skin_teleop.rig/1"\nname = "lab"\n[skin]\nurl = "{url}"\n')
    server, stop, rng = XelaServer(url, LAYOUT), threading.Event(), np.random.default_rng(0)

    def publish() -> None:
        while not stop.wait(0.01):
            flux = resting(rng)
            flux[100] = CENTRE[100]
            server.publish(flux, np.full(368, 3.0, np.float32), time.time_ns())

    thread = threading.Thread(target=publish)
    thread.start()
    yield str(path)
    stop.set()
    thread.join()
    server.close()


def test_the_verb_writes_the_baseline_and_names_the_stuck_taxel(lab, tmp_path, capsys):
    out = tmp_path / "baseline.npz"
    assert main(["zero-skin", "--rig", lab, "--seconds", "1.5", "--out", str(out)]) == 1
    assert f"stuck at one value: {taxel_names(np.array([100]), LAYOUT)[0]}" in capsys.readouterr().out
    with np.load(out) as written:
        np.testing.assert_allclose(written["mean_counts"], CENTRE, atol=4.0)
        assert str(written["layout"]) == "xela_ah_right"


def test_a_skin_that_is_not_there_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zero_skin, "FIRST_DATA_S", 0.2)
    path = tmp_path / "lab.toml"
    path.write_text(f'schema = "skin_teleop.rig/1"\nname = "lab"\n[skin]\nurl = "ws://127.0.0.1:{free_port()}"\n')
    assert main(["zero-skin", "--rig", str(path)]) != 0
    assert "no complete skin within" in capsys.readouterr().err
