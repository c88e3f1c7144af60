"""The slot between the event loop and the follower."""

from __future__ import annotations

import threading

from server.newest import Newest


def test_only_the_newest_value_is_handed_over():
    slot: Newest[int] = Newest()
    for value in (1, 2, 3):
        slot.put(value)
    assert slot.take(0) == 3
    assert slot.take(0) is None
    assert slot.overwritten == 2


def test_a_waiting_thread_wakes_up(wait_factor):
    slot: Newest[str] = Newest()
    got: list[str | None] = []
    waiting = threading.Thread(target=lambda: got.append(slot.take(10 * wait_factor)))
    waiting.start()
    slot.put("pose")
    waiting.join()
    assert got == ["pose"]
