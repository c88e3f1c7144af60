from __future__ import annotations

import numpy as np
import pytest

from encoder.live import LiveEncoder, LoadedEncoder, RestWatch, load_live, read_baseline
from skin_teleop.clock import Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.messages import SkinFrame
from skin_teleop.rig import load_rig

TICK_NS = 10_000_000
JOINTS = np.zeros(16, np.float32)


def frame(tick: int, counts: int = 33_000) -> SkinFrame:
    stamp = Stamp(0, 1_000_000_000 + tick * TICK_NS, 0)
    return SkinFrame.stamped(stamp, tick, flux=np.full((368, 3), counts, np.uint16), age_ms=np.zeros(368, np.uint16))


def live(baseline=True):
    """An encoder whose summary is the mean change of flux in each of the window's ten frames."""

    def infer(flux, position_m, valid):
        return flux.mean((2, 3)), np.zeros((1, 18, 10))

    still = (np.full((368, 3), 33_000, np.float32), np.ones(368, bool)) if baseline else None
    return LiveEncoder(load_rig("simulated"), LoadedEncoder(infer, "vendor", "xela_ah_right"), still)


def test_one_embedding_a_frame_from_the_tenth_on():
    encoder = live()
    answers = [encoder.take([frame(tick, 33_000 + tick)], JOINTS) for tick in range(12)]
    assert [answer is None for answer in answers] == [True] * 9 + [False] * 3
    assert answers[-1].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert (encoder.frames, encoder.skipped, encoder.holes) == (12, 0, 0)


def test_frames_that_came_together_make_one_embedding_of_the_newest_window_and_none_is_missing_in_it():
    encoder = live()
    assert encoder.take([frame(tick, 33_000 + tick) for tick in range(9)], JOINTS) is None
    newest = encoder.take([frame(tick, 33_000 + tick) for tick in range(9, 14)], JOINTS)
    assert newest.tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert (encoder.frames, encoder.skipped) == (14, 4)


def test_no_window_reaches_over_a_missing_tick_and_repeats_count_once():
    encoder = live()
    assert encoder.take([frame(tick) for tick in range(10)], JOINTS) is not None
    assert encoder.take([frame(9)], JOINTS) is None
    assert encoder.frames == 10
    after = [encoder.take([frame(tick)], JOINTS) for tick in range(11, 22)]
    assert [answer is None for answer in after] == [True] * 9 + [False] * 2
    assert encoder.holes == 1


def test_the_baseline_is_the_first_rest_not_the_first_frames():
    encoder = live(baseline=False)
    for tick in range(100):
        assert encoder.take([frame(tick, 33_000 + 40 * (tick % 20))], JOINTS) is None  # touched: 760 counts of travel
    assert encoder.waits_for_rest
    taken = 0
    while encoder.waits_for_rest:
        encoder.take([frame(100 + taken, 34_000)], JOINTS)
        taken += 1
    assert taken == 80
    window = [encoder.take([frame(180 + tick, 34_007)], JOINTS) for tick in range(10)]
    assert window[-1].tolist() == [7] * 10


def test_some_broken_taxels_do_not_keep_the_encoder_waiting_but_a_hole_does():
    watch, found = RestWatch(), None
    for tick in range(80):
        flux = np.full((368, 3), 33_000, np.uint16)
        flux[:7] += 1000 * (tick % 2)  # 7 of 368 are 1.9 %
        found = watch.add(flux)
    assert found is not None
    assert found[0][100].tolist() == [33_000] * 3
    watch.forget()
    assert watch.add(flux) is None


def test_a_baseline_of_zero_skin_is_read_and_another_skins_refused(tmp_path):
    counts = np.full((368, 3), 33_000, np.float32)
    counts[5] = 0
    np.savez(tmp_path / "zero.npz", mean_counts=counts, layout="xela_ah_right")
    baseline, known = read_baseline(tmp_path / "zero.npz", "xela_ah_right")
    assert baseline[6].tolist() == [33_000] * 3
    assert np.flatnonzero(~known).tolist() == [5]
    with pytest.raises(ConfigError, match="found: layout xela_ah_right; allowed: xela_ah_left"):
        read_baseline(tmp_path / "zero.npz", "xela_ah_left")
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("text.npz", "missing.npz"):
        with pytest.raises(ConfigError, match=f"baseline .*{name} was asked for"):
            read_baseline(tmp_path / name, "xela_ah_right")


def test_another_skin_than_the_encoders_is_refused():
    def infer(flux, position_m, valid):
        return flux[:, 0, 0], flux[:, 0]

    with pytest.raises(ConfigError, match="layout xela_ah_left, a skin of xela_ah_right"):
        LiveEncoder(load_rig("simulated"), LoadedEncoder(infer, "vendor", "xela_ah_left"), None)


def test_what_is_no_encoder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no config\.json"):
        load_live(tmp_path)
    with pytest.raises(ConfigError, match=r"no such file; next: skin-teleop export-onnx RUN"):
        load_live(tmp_path / "skin.onnx")
