from __future__ import annotations

import numpy as np
import pytest

from encoder.joint_track import JOINTS_KEPT, JointTrack
from encoder.live import LiveEncoder, LoadedEncoder, RestWatch, load_live, read_baseline
from encoder.session_data import load_recording, passes_gate, rest_baseline
from encoder.windows import TactileWindows
from skin_teleop.clock import Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.messages import JointState, SkinFrame
from skin_teleop.rig import load_rig

TICK_NS = 10_000_000
START_NS = 1_000_000_000
FRESH = np.zeros(368, np.uint16)


def frame(tick: int, counts: int = 33_000, age_ms: int = 0) -> SkinFrame:
    stamp = Stamp(0, START_NS + tick * TICK_NS, 0)
    flux, ages = np.full((368, 3), counts, np.uint16), np.full(368, age_ms, np.uint16)
    return SkinFrame.stamped(stamp, tick, flux=flux, age_ms=ages)


def joints(t_ns: int, angle_rad: float | np.ndarray = 0.0) -> JointState:
    still = np.zeros(16, np.float32)
    return JointState.stamped(
        Stamp(0, t_ns, 0), 0, position=np.full(16, angle_rad, np.float32), velocity=still, target=still,
        torque_command=still, target_seq=0, t_command=0,
    )  # fmt: skip


STILL = JointTrack()
STILL.add([joints(0)])


def live(baseline=True):
    """An encoder whose summary is the mean change of flux in each of the window's ten frames."""

    def infer(flux, position_m, valid):
        return flux.mean((2, 3)), np.zeros((1, 18, 10))

    still = (np.full((368, 3), 33_000, np.float32), np.ones(368, bool)) if baseline else None
    return LiveEncoder(load_rig("simulated"), LoadedEncoder(infer, "vendor", "xela_ah_right"), still)


def test_one_embedding_a_frame_from_the_tenth_on():
    encoder = live()
    answers = [encoder.take([frame(tick, 33_000 + tick)], STILL) for tick in range(12)]
    assert [answer is None for answer in answers] == [True] * 9 + [False] * 3
    assert answers[-1].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert (encoder.frames, encoder.skipped, encoder.holes) == (12, 0, 0)


def test_frames_that_came_together_make_one_embedding_of_the_newest_window_and_none_is_missing_in_it():
    encoder = live()
    assert encoder.take([frame(tick, 33_000 + tick) for tick in range(9)], STILL) is None
    newest = encoder.take([frame(tick, 33_000 + tick) for tick in range(9, 14)], STILL)
    assert newest.tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert (encoder.frames, encoder.skipped) == (14, 4)


def test_windows_that_a_batch_completed_before_its_hole_are_counted():
    encoder = live()
    encoder.take([frame(tick) for tick in range(10)], STILL)
    assert encoder.take([*(frame(tick) for tick in range(10, 14)), frame(20)], STILL) is None
    assert (encoder.skipped, encoder.holes) == (4, 1)
    assert encoder.take([frame(9)], STILL) is None  # late: completes nothing
    assert encoder.skipped == 4


def test_no_window_reaches_over_a_hole_and_repeats_count_once():
    encoder = live()
    assert encoder.take([frame(tick) for tick in range(10)], STILL) is not None
    assert encoder.take([frame(9)], STILL) is None
    assert encoder.frames == 10
    after = [encoder.take([frame(tick)], STILL) for tick in range(13, 24)]  # three ticks are missing
    assert [answer is None for answer in after] == [True] * 9 + [False] * 2
    assert encoder.holes == 1


@pytest.mark.parametrize("missing", [[60], [60, 61], [60, 63], [60, 61, 62], list(range(60, 69))])
def test_missing_ticks_are_bridged_or_holes_as_on_the_grid_of_a_recording(session, missing):
    """The same frames by both roads: equal windows, at the same ends."""
    made_up = session(120)
    columns = made_up.streams["uskin"].columns
    kept = np.setdiff1d(np.arange(120), missing)
    columns.update({name: values[kept] for name, values in columns.items()})
    recording = load_recording(made_up)
    windows = TactileWindows([recording], split=False)
    seen, track = [], JointTrack()

    def infer(flux, position_m, valid):
        seen.append((flux[0].copy(), position_m[0].copy()))
        return np.zeros((1, 4)), np.zeros((1, 18, 4))

    baseline = rest_baseline(columns["flux"][:50], passes_gate(columns["flux"][:50]))
    encoder = LiveEncoder(load_rig("simulated"), LoadedEncoder(infer, "vendor", "xela_ah_right"), baseline)
    hand = made_up.streams["allegro"].columns
    track.add(joints(int(t_ns), position) for t_ns, position in zip(hand["t_mono"], hand["position"], strict=True))
    ends = []
    for t_ns, flux in zip(columns["t_mono"], columns["flux"], strict=True):
        sample = SkinFrame.stamped(Stamp(0, int(t_ns), 0), 0, flux=flux, age_ms=np.zeros(368, np.uint16))
        if encoder.take([sample], track) is not None:
            ends.append(int(t_ns))
    rows = np.flatnonzero(np.isin(windows.last_frame_ns(np.arange(len(windows))), columns["t_mono"]))
    assert ends == windows.last_frame_ns(rows).tolist()
    assert len(rows) + encoder.skipped == len(windows)
    assert encoder.holes == (len(missing) > 2)
    batch = windows.gather(rows)
    np.testing.assert_array_equal(np.array([flux for flux, _ in seen]), batch.flux.numpy())
    np.testing.assert_allclose(np.array([place for _, place in seen]), batch.position_m.numpy(), atol=1e-6)


def test_every_frame_of_a_batch_gets_the_joints_of_its_own_time():
    seen = []

    def infer(flux, position_m, valid):
        seen.append(position_m[0])
        return np.zeros((1, 4)), np.zeros((1, 18, 4))

    still = (np.full((368, 3), 33_000, np.float32), np.ones(368, bool))
    encoder, track = (
        LiveEncoder(load_rig("simulated"), LoadedEncoder(infer, "vendor", "xela_ah_right"), still),
        JointTrack(),
    )
    track.add(joints(START_NS + tick * TICK_NS - 1, 0.05 * tick) for tick in range(12))
    encoder.take([frame(tick) for tick in range(10)], track)
    body = encoder._body
    for tick in range(10):
        expected = body.taxel_positions_m(np.full(16, 0.05 * tick, np.float32), "vendor")
        np.testing.assert_allclose(seen[0][tick], expected, atol=1e-6)


def test_joints_are_the_newest_at_or_before_and_a_bounded_number_is_kept():
    track = JointTrack()
    assert not track
    track.add(joints(t_ns, t_ns) for t_ns in range(10, JOINTS_KEPT + 11))
    assert [track.at(t_ns).t_mono for t_ns in (5, 11, 12, 500, 10**9)] == [11, 11, 12, 500, JOINTS_KEPT + 10]


def test_a_stale_skin_is_masked_and_makes_no_baseline():
    encoder = live(baseline=False)
    for tick in range(100):
        encoder.take([frame(tick, age_ms=65_535)], STILL)
    assert encoder.waits_for_rest, "held values are no rest"
    masks = []

    def infer(flux, position_m, valid):
        masks.append(bool(valid.any()))
        return np.zeros((1, 4)), np.zeros((1, 18, 4))

    still = (np.full((368, 3), 33_000, np.float32), np.ones(368, bool))
    encoder = LiveEncoder(load_rig("simulated"), LoadedEncoder(infer, "vendor", "xela_ah_right"), still)
    for tick in range(11):
        encoder.take([frame(tick, age_ms=1001 * (tick == 10))], STILL)
    assert masks == [True, False]


def test_the_baseline_is_the_first_rest_not_the_first_frames():
    encoder = live(baseline=False)
    for tick in range(100):
        assert encoder.take([frame(tick, 33_000 + 40 * (tick % 20))], STILL) is None  # touched: 760 counts of travel
    assert encoder.waits_for_rest
    taken = 0
    while encoder.waits_for_rest:
        encoder.take([frame(100 + taken, 34_000)], STILL)
        taken += 1
    assert taken == 80
    window = [encoder.take([frame(180 + tick, 34_007)], STILL) for tick in range(10)]
    assert window[-1].tolist() == [7] * 10


def test_some_broken_taxels_do_not_keep_the_encoder_waiting_but_a_hole_does():
    watch, found = RestWatch(), None
    for tick in range(80):
        flux = np.full((368, 3), 33_000, np.uint16)
        flux[:7] += 1000 * (tick % 2)  # 7 of 368 are 1.9 %
        found = watch.add(flux, FRESH)
    assert found is not None
    assert found[0][100].tolist() == [33_000] * 3
    watch.forget()
    assert watch.add(flux, FRESH) is None


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
