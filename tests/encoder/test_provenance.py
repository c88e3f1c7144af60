from __future__ import annotations

import dataclasses

import pytest

from encoder.card import model_card
from encoder.checkpoint import SCHEMA, EncoderConfig
from encoder.presets import EncoderSize
from encoder.provenance import seen
from encoder.session_data import load_recording


@pytest.fixture
def three(session):
    """Two recordings of one folder name, the second of them not simulated, and one of another name."""
    first, other = (load_recording(session(80, seed=seed)) for seed in (0, 1))
    return first, dataclasses.replace(other, name=first.name, simulated=False), other


def config_of(data) -> EncoderConfig:
    size, n = EncoderSize(12, 1, 3), len(data.fingerprints)
    return EncoderConfig(
        SCHEMA, size, "vendor", "xela_ah_right", "demo", "student", "a test", 1, 0,
        data.simulated == n, data.fingerprints, False, simulated_sessions=data.simulated,
    )  # fmt: skip


def test_sessions_of_one_name_stay_apart_and_the_same_one_counts_once(three):
    data = seen([*three, three[0]])
    assert list(data.fingerprints.values()) == [recording.fingerprint() for recording in three]
    assert {key.split("#")[0] for key in data.fingerprints} == {"made_up_0", "made_up_1"}
    assert data.simulated == 2


def test_what_an_extended_run_had_seen_comes_first(three):
    base = config_of(seen(three[1:2]))
    data = seen(three[:2], base)
    assert list(data.fingerprints.values()) == [three[1].fingerprint(), three[0].fingerprint()]
    assert data.simulated == 1
    older = dataclasses.replace(seen(three[:1]))
    assert config_of(older).seen_simulated == 1


@pytest.mark.parametrize(
    ("chosen", "origin", "limits"),
    [
        ([0, 2], "simulated (2 sessions)", "All numbers come from a simulated skin."),
        ([1], "recorded on hardware (1 session)", "Recorded on a real skin"),
        (
            [0, 1, 2],
            "mixed: 2 sessions simulated, 1 recorded on hardware",
            "Forces are known in the simulated ones",
        ),
    ],
)
def test_the_card_says_where_the_data_comes_from(three, chosen, origin, limits):
    card = model_card(config_of(seen([three[k] for k in chosen])), None, "a test")
    assert f"| data | {origin} |" in card
    assert limits in card
