from __future__ import annotations

import numpy as np
import pytest
import torch

from encoder.body import body_of
from encoder.embedding import embed
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.session_data import load_recording, passes_gate, rest_baseline
from encoder.streaming import StreamingEncoder, torch_inference
from encoder.windows import TactileWindows

FRESH = np.zeros(368, np.uint16)


@pytest.fixture
def made_up(session):
    made = session(140)
    made.streams["uskin"].columns["flux"][100, 7] = 0  # a glitch: missing in ten windows
    made.streams["uskin"].columns["age_ms"][110, 8] = 1200  # and a stale one
    return made


def baseline_of(frames):
    return rest_baseline(frames, passes_gate(frames))


@pytest.mark.parametrize("unit", ["taxel", "pad"])
def test_streaming_gives_the_numbers_of_the_recording(made_up, unit):
    """Frame by frame, on the recording's own grid and baseline: what `embed` writes, from the tenth frame on."""
    recording = load_recording(made_up)
    encoder = SparshSkinEncoder(EncoderSize(24, 1, 3, unit)).eval()
    expected = embed(encoder, TactileWindows([recording], split=False)).summary
    flux, age_ms = made_up.streams["uskin"]["flux"], made_up.streams["uskin"]["age_ms"]
    stream = StreamingEncoder(torch_inference(encoder), recording.body, "vendor", *baseline_of(flux[:50]))
    answers = [stream.push(*frame) for frame in zip(flux, age_ms, recording.joint_rad, strict=True)]
    assert [answer is None for answer in answers] == [True] * 9 + [False] * 131
    summaries = np.array([answer[0] for answer in answers if answer is not None])
    np.testing.assert_allclose(summaries, expected, atol=2e-5)


def test_a_hole_in_time_empties_the_ring(made_up):
    encoder = SparshSkinEncoder(EncoderSize(24, 1, 3, "pad")).eval()
    flux = made_up.streams["uskin"]["flux"]
    stream = StreamingEncoder(torch_inference(encoder), body_of(made_up.meta), "vendor", *baseline_of(flux[:50]))
    joints = np.zeros(16)
    before = [stream.push(frame, FRESH, joints) for frame in flux[:12]]
    stream.forget()
    after = [stream.push(frame, FRESH, joints) for frame in flux[12:24]]
    assert [answer is not None for answer in before] == [False] * 9 + [True] * 3
    assert [answer is not None for answer in after] == [False] * 9 + [True] * 3
    first, last = before[-1][1], after[-1][1]
    assert first.shape == last.shape == (18, 24)
    assert torch.isfinite(torch.from_numpy(last)).all()


def test_a_taxel_that_never_rested_validly_stays_missing(made_up):
    flux = made_up.streams["uskin"]["flux"].copy()
    flux[:50, 9] = 65_000
    baseline, known = baseline_of(flux[:50])
    assert np.flatnonzero(~known).tolist() == [9]
    seen = []

    def infer(values, position_m, valid):
        seen.append(valid[0].copy())
        return np.zeros((1, 4)), np.zeros((1, 18, 4))

    stream = StreamingEncoder(infer, body_of(made_up.meta), "vendor", baseline, known)
    for frame in flux[50:70]:
        stream.push(frame, FRESH, np.zeros(16))
    assert len(seen) == 11
    assert all(np.flatnonzero(~valid).tolist() == [9] for valid in seen)
