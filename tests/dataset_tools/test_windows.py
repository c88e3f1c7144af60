from __future__ import annotations

import numpy as np
import pytest

from dataset_tools.reader import open_session
from dataset_tools.windows import NEVER_NS, held_at, rows_between


def test_the_newest_row_measured_by_then_and_its_age(record):
    stream = open_session(record(seconds=1.0)).streams["uskin"]
    t0 = int(stream.t_mono[0])
    held = held_at(stream, "age_ms", np.array([t0 - 1, t0, t0 + 9_999_999, t0 + 10_000_000, t0 + 5_000_000_000]))
    assert held.row.tolist() == [-1, 0, 0, 1, 99]
    assert held.age_ns.tolist() == [NEVER_NS, 0, 9_999_999, 0, 5_000_000_000 - 990_000_000]
    assert held.values[:, 0].tolist() == [0, 0, 0, 1, 99]


def test_a_latency_makes_the_measurement_earlier(record):
    stream = open_session(record(seconds=1.0)).streams["allegro"]
    stream.schema.attributes["latency_ns"] = 4_000_000
    t0 = int(stream.t_mono[0])
    held = held_at(stream, "position", np.array([t0 - 1_000_000, t0]))
    assert held.row.tolist() == [0, 1]
    assert held.age_ns.tolist() == [3_000_000, 4_000_000 - (int(stream.t_mono[1]) - t0)]
    assert rows_between(stream, t0 - 4_000_000, t0) == slice(0, 2)


@pytest.mark.parametrize(
    ("start", "stop", "rows"), [(0, 10, (0, 1)), (-50, 5000, (0, 100)), (15, 15, (2, 2)), (15, 36, (2, 4))]
)
def test_rows_of_a_span_of_time(record, start, stop, rows):
    stream = open_session(record(seconds=1.0)).streams["uskin"]
    t0 = int(stream.t_mono[0])
    assert rows_between(stream, t0 + start * 1_000_000, t0 + stop * 1_000_000) == slice(*rows)


def test_no_times_give_no_rows(record):
    stream = open_session(record(seconds=0.5)).streams["uskin"]
    held = held_at(stream, "flux", np.empty(0, np.int64))
    assert held.values.shape == (0, 368, 3) and held.age_ns.shape == (0,)
