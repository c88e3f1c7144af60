"""Wall-clock stamps on the monotonic clock: a slewed clock, a stepped clock, a stamp that nobody can have made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.arrival_clock import ArrivalClock, paired_clocks, stamp_source_of
from skin_teleop.clock import NS_PER_MS, NS_PER_S, mono_ns
from skin_teleop.messages import STAMP_SOURCES

EPOCH_NS = 1_790_000_000 * NS_PER_S
FLOAT_NS = 500
"""A stamp is a float of seconds, whose last bit is about 240 ns."""


class Clocks:
    """A monotonic and a wall clock, told what to show; frames carry the wall clock of their arrival."""

    def __init__(self) -> None:
        self.mono_ns, self.wall_ns = 5 * NS_PER_S, EPOCH_NS

    def pair(self) -> tuple[int, int]:
        return self.mono_ns, self.wall_ns

    def pass_ns(self, ns: int, slew_ppm: int = 0) -> None:
        self.mono_ns += ns
        self.wall_ns += ns + ns * slew_ppm // 1_000_000

    @property
    def stamp_s(self) -> float:
        return self.wall_ns / 1e9


def frames(clocks: Clocks, arrival: ArrivalClock, count: int, *, waits_ms: float = 0.2) -> list[int]:
    """Frames 3 ms apart, each read a little after it arrived: how far each mapped stamp is from the truth, ns."""
    errors = []
    for _ in range(count):
        clocks.pass_ns(3 * NS_PER_MS)
        truth_ns, stamp_s = clocks.mono_ns, clocks.stamp_s
        clocks.pass_ns(round(waits_ms * NS_PER_MS))
        errors.append(arrival.arrival_ns(stamp_s) - truth_ns)
    return errors


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 0.02, -0.02, 0.001, -0.001])
def test_a_step_of_the_wall_clock_does_not_move_the_stamps(step_s):
    clocks = Clocks()
    arrival = ArrivalClock("socketcan", clocks.pair)
    before = frames(clocks, arrival, 50)
    clocks.wall_ns += round(step_s * NS_PER_S)
    after = frames(clocks, arrival, 50)
    assert np.abs(before + after[1:]).max() <= FLOAT_NS
    assert 0 <= after[0] <= NS_PER_MS // 5  # it may have waited since before the step, so its reading counts
    assert (arrival.steps, arrival.unmapped) == (1, 1)


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 20, -20, 2, -2])
def test_frames_that_waited_while_the_clock_was_stepped_count_from_their_reading(step_ms):
    """Four frames lie in the queue, the clock steps, then they are read: no stamp leaves arrival and reading."""
    clocks = Clocks()
    arrival = ArrivalClock("socketcan", clocks.pair)
    frames(clocks, arrival, 5)
    arrived = []
    for _ in range(4):
        clocks.pass_ns(NS_PER_MS)
        arrived.append((clocks.mono_ns, clocks.stamp_s))
    clocks.wall_ns += step_ms * NS_PER_MS
    for truth_ns, stamp_s in arrived:
        clocks.pass_ns(NS_PER_MS // 10)
        mapped_ns = arrival.arrival_ns(stamp_s)
        assert truth_ns - FLOAT_NS <= mapped_ns <= clocks.mono_ns + FLOAT_NS
    assert arrival.steps == 1
    assert np.abs(frames(clocks, arrival, 20)).max() <= FLOAT_NS


def test_a_slewed_clock_is_followed_and_is_no_step():
    clocks = Clocks()
    arrival = ArrivalClock("udp_multicast", clocks.pair)
    for _ in range(2000):
        clocks.pass_ns(3 * NS_PER_MS, slew_ppm=500)
        truth_ns, stamp_s = clocks.mono_ns, clocks.stamp_s
        clocks.pass_ns(NS_PER_MS, slew_ppm=500)
        assert abs(arrival.arrival_ns(stamp_s) - truth_ns) <= 500 + FLOAT_NS
    assert (arrival.steps, arrival.unmapped) == (0, 0)


@pytest.mark.parametrize("age_ms", [51, 10_000, -1, -10_000])
def test_a_stamp_that_cannot_be_is_replaced_and_counted(age_ms):
    clocks = Clocks()
    arrival = ArrivalClock("socketcan", clocks.pair)
    assert arrival.arrival_ns(clocks.stamp_s - age_ms / 1000) == clocks.mono_ns
    assert arrival.unmapped == 1


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(-(10**10), 10**10)), max_size=50))
def test_stamps_only_ever_increase_and_never_lie_ahead(steps):
    clocks = Clocks()
    arrival = ArrivalClock("socketcan", clocks.pair)
    last_ns = 0
    for count, (passed_ns, step_ns) in enumerate(steps, 1):
        stamp_s = clocks.stamp_s
        clocks.pass_ns(passed_ns)
        clocks.wall_ns += step_ns
        mapped_ns = arrival.arrival_ns(stamp_s)
        assert last_ns < mapped_ns <= clocks.mono_ns + count
        last_ns = mapped_ns


@pytest.mark.parametrize("interface", ["slcan", "virtual", "pcan"])
def test_an_interface_without_receive_stamps_counts_from_the_reading(interface):
    before_ns = mono_ns()
    assert before_ns <= ArrivalClock(interface).arrival_ns(1.0) <= mono_ns()
    assert stamp_source_of(interface) == "host"


def test_every_source_is_explained():
    sources = {stamp_source_of(name) for name in ("socketcan", "udp_multicast", "skin_teleop_local", "slcan")}
    assert sources == {"kernel", "sender", "host"} and sources < set(STAMP_SOURCES)


def test_a_pair_of_clocks_is_read_at_one_moment():
    before_ns = mono_ns()
    first, second = paired_clocks(), paired_clocks()
    assert before_ns <= first[0] <= second[0] <= mono_ns()
    assert abs((second[1] - second[0]) - (first[1] - first[0])) < 50 * NS_PER_MS
