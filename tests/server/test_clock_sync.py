"""The client's clock from pings, with made-up times."""

from __future__ import annotations

from server.clock_sync import UNANSWERED, ClockSync

MS = 1_000_000


def exchange(sync: ClockSync, at_ms: float, rtt_ms: float, offset_ms: float, skew: float = 0.5) -> None:
    """One ping whose answer was read on the client at a share `skew` of the round trip."""
    ping = sync.ping(int(at_ms * MS))
    sync.pong(ping, int((at_ms + skew * rtt_ms + offset_ms) * MS), int((at_ms + rtt_ms) * MS))


def test_nothing_is_known_before_the_first_answer():
    sync = ClockSync()
    assert (sync.offset_ns, sync.rtt_ns) == (None, None)


def test_slow_and_lopsided_exchanges_are_not_believed():
    sync = ClockSync()
    for k in range(5):
        exchange(sync, 100 * k, 2.0, 5000)
    for k in range(5):
        exchange(sync, 1000 + 100 * k, 80.0, 5000, skew=0.95)
    assert sync.offset_ns == 5000 * MS
    assert sync.rtt_ns == 2 * MS


def test_a_clock_that_stood_still_while_the_headset_slept_is_measured_anew():
    sync = ClockSync()
    for k in range(30):
        exchange(sync, 1000 * k, 4.0, 5000)
    exchange(sync, 33_000, 4.0, 2000)
    assert sync.offset_ns == 2000 * MS
    exchange(sync, 34_000, 60.0, 2000, skew=0.9)  # lopsided by 24 ms, which its round trip allows
    assert sync.offset_ns == 2000 * MS


def test_an_exchange_is_stamped_in_its_middle():
    sync = ClockSync()
    answered = sync.pong(sync.ping(100), 7, 140)
    assert answered is not None
    assert (answered.t_client, answered.t_mono, answered.rtt) == (7, 120, 40)


def test_answers_nobody_asked_for_and_second_answers_are_ignored():
    sync = ClockSync()
    assert sync.pong(99, 0, 0) is None
    ping = sync.ping(0)
    assert sync.pong(ping, 0, 10) is not None
    assert sync.pong(ping, 0, 20) is None


def test_unanswered_pings_are_forgotten():
    sync = ClockSync()
    first = sync.ping(0)
    for _ in range(UNANSWERED):
        sync.ping(0)
    assert sync.pong(first, 0, 10) is None
