"""What the server makes of the recorder's news: when a recording began, and for how long it has been on."""

from __future__ import annotations

from server.recording import Recording
from skin_teleop.messages import RecorderStatus


def test_a_recording_begins_once_until_it_ends_or_is_another_one():
    told = Recording()
    heard = "idle", "recording a", "recording a", "sealing a", "recording a", "recording b"
    began = [told.hear(RecorderStatus(*words.split())) for words in heard]
    assert began == [False, True, False, False, True, True]


def test_its_duration_is_told_while_it_lasts():
    told = Recording()
    assert told.session_s is None
    told.hear(RecorderStatus("recording", session="a"))
    assert told.session_s is not None and told.session_s >= 0
    told.hear(RecorderStatus("sealing", session="a"))
    assert told.session_s is None
