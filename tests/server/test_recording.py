"""What all pages are told of the recording: the open mark and the session to judge."""

from __future__ import annotations

import pytest

from server.control import Discard, Keep, Mark, StopRecording
from server.recording import Recording
from skin_teleop.messages import RecorderStatus

IDLE, SEALING = RecorderStatus("idle", last_sealed="/s/a"), RecorderStatus("sealing", session="/s/a.rec")


def recording(session: str = "/s/a.rec") -> Recording:
    made = Recording()
    assert made.hear(RecorderStatus("recording", session=session))
    return made


def test_a_mark_is_open_on_every_page_until_it_ends_or_the_recording_does():
    told = recording()
    assert told.obey(Mark("squeeze", "begin"))
    assert told.news.marking == "squeeze"
    assert not told.hear(RecorderStatus("recording", session="/s/a.rec", wal_bytes=9))
    assert told.news.marking == "squeeze"
    assert told.obey(Mark("squeeze", "end"))
    assert told.news.marking == ""
    told.obey(Mark("slide", "begin"))
    told.hear(SEALING)
    assert told.news.marking == ""
    assert not told.obey(Mark("slide", "begin"))  # nothing is being recorded


def test_another_recording_begins_without_a_mark():
    told = recording()
    told.obey(Mark("squeeze", "begin"))
    assert told.hear(RecorderStatus("recording", session="/s/b.rec"))
    assert told.news.marking == ""


@pytest.mark.parametrize("verdict", [Keep(), Discard()])
def test_a_stopped_session_waits_for_one_verdict_from_whatever_page(verdict):
    told = Recording()
    told.hear(IDLE)
    assert not told.news.unjudged  # of an earlier server's session nothing is known
    told = recording()
    assert not told.news.unjudged
    assert not told.obey(StopRecording())
    told.hear(SEALING)
    assert not told.news.unjudged
    told.hear(IDLE)
    assert told.news.unjudged
    assert told.obey(verdict)
    assert not told.news.unjudged
    assert not told.obey(verdict)
