from __future__ import annotations

import argparse

import pytest

from skin_teleop.cli.duration import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("0.5h", 1800), ("-1", -1), ("60.0", 60)]
)
def test_lengths_of_time(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10 minutes", "1d", "nan", "inf", "1m30s", "infh"])
def test_what_is_no_length_of_time_is_told_what_is(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no length of time; allowed: 90, 90s, 10m or 2h"):
        duration_s(text)
