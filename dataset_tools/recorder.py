"""The recorder process: takes every row of the rig from the bus into a session, and seals it when it ends.

Producers send their rows every 20 ms, a frame a stream. The socket is emptied once every `batch_ms`, and what was read
goes to the log in the same breath. Rows that were read thus spend no time in memory, and a kill of this process costs
the rows of one batch here and one on the way: less than 100 ms. Frames go from the bus to the log as they are, with no
work for the single row; that and one wake-up a batch keep the process below two per cent of a core.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import zmq

from dataset_tools.sealing_worker import SealingWorker, recover_in_background
from dataset_tools.session_log import SessionLog
from skin_teleop.bus import FEED_BATCH_MS, CommandInbox, Publisher, announce_ready, endpoint
from skin_teleop.clock import NS_PER_MS, Ticker, mono_ns
from skin_teleop.errors import SessionError, WireError
from skin_teleop.frames import STREAM_NAME, decode, split_frame
from skin_teleop.messages import DropCount, RecorderCommand, RecorderStatus
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)

FRAMES_PER_BATCH = 5000
"""At most this many frames are read before they are written and commands are looked at again."""
STATUS_MS = 200
RECEIVE_QUEUE = 3000
"""Frames of each producer that may wait in the socket while the disk stalls: half a minute of two streams."""
MAX_FRAME_BYTES = 1 << 20
"""ZeroMQ cuts off a peer that sends more at once; a producer's frame is at most 64 kB."""
LAST_BATCH_S = (FEED_BATCH_MS + 5) / 1000
"""At a stop, the last rows before it may still wait in their producers for the batch to be sent."""


def run(rig: Rig, runtime: Path, stop: threading.Event) -> None:
    """Serve until `stop` is set; a recording that is under way is then stopped and sealed first."""
    recorder = Recorder(rig, runtime)
    recovery = recover_in_background(Path(rig.recorder.folder), keep_wal=rig.recorder.keep_wal)
    try:
        announce_ready(runtime, "recorder")
        ticker = Ticker(rig.recorder.batch_ms * NS_PER_MS)
        while not stop.is_set():
            recorder.wait(ticker.seconds_left())
            if ticker.seconds_left() == 0:
                ticker.advance()
            recorder.step()
    finally:
        recorder.close()
        recovery.join()


class Recorder:
    """State of the recorder between two ticks."""

    def __init__(self, rig: Rig, runtime: Path) -> None:
        self.rejected = 0
        """Frames that were no rows, or did not fit their stream; counted and dropped."""
        self._rig = rig
        self._rows: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
        self._rows.setsockopt(zmq.LINGER, 0)
        self._rows.setsockopt(zmq.RCVHWM, RECEIVE_QUEUE)
        self._rows.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        self._rows.bind(endpoint(runtime, "recorder.pull"))
        self._inbox = CommandInbox(runtime, "recorder")
        self._publisher = Publisher(runtime, "recorder")
        self._worker = SealingWorker(keep_wal=rig.recorder.keep_wal)
        self._session: SessionLog | None = None
        self._newest: SessionLog | None = None
        """The session that is being recorded, or was recorded last."""
        self._stopped: Path | None = None
        """The session that `keep` and `discard` speak of."""
        self._unjudged = False
        """Neither was said of it yet."""
        self._marking = ""
        self._problem = ""
        self._producer_drops: dict[str, int] = {}
        self._status_due_ns = 0
        self._told: tuple[object, ...] = ()

    def wait(self, timeout_s: float) -> None:
        """Sleep until the next batch is due or a command comes: a mark is stamped when it is made."""
        self._inbox.wait(timeout_s)

    def step(self) -> None:
        """Take what has arrived and write it as one batch, obey commands, tell the status."""
        try:
            self._take_rows()
            self._take_commands()
            if self._session is not None:
                self._session.flush()
        except SessionError as error:
            self._fail(error)
        self._tell_status()

    def close(self) -> None:
        """Stop and seal what is being recorded, then release the sockets."""
        try:
            self._take_rows()
            self._stop_recording()
        except SessionError as error:
            self._fail(error)
        finally:
            self._tell_status()
            self._worker.close()  # its thread would keep the process from ending
            self._tell_status()
            for part in (self._rows, self._inbox, self._publisher):
                part.close()
        log.info("recorder closed, %d frames rejected", self.rejected)

    def status(self) -> RecorderStatus:
        """What the recorder is doing now."""
        newest, problem = self._newest, self._problem or self._worker.problem
        state = self._state(problem)
        return RecorderStatus(
            state=state,
            session=str(newest.folder) if newest else "",
            rows=dict(newest.rows) if newest else {},
            dropped=dict(newest.dropped) if newest else {},
            wal_bytes=newest.bytes_written if newest else 0,
            message=problem,
            last_sealed=str(self._worker.last_sealed or ""),
            rejected=self.rejected,
            marking=self._marking,
            unjudged=self._unjudged and state == "idle",
        )

    def _state(self, problem: str) -> Literal["idle", "recording", "sealing", "failed"]:
        if self._session is not None:
            return "recording"
        if self._worker.sealing:
            return "sealing"
        return "failed" if problem else "idle"

    def _take_rows(self) -> None:
        receive, accept = self._rows.recv, self._accept
        for _ in range(FRAMES_PER_BATCH):
            try:
                frame = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                accept(frame)
            except (WireError, UnicodeDecodeError):
                self.rejected += 1

    def _take_commands(self) -> None:
        for command in self._inbox.drain():
            if not isinstance(command, RecorderCommand):
                continue
            try:
                self._obey(command)
            except WireError as error:
                log.warning("%s was refused: %s", command.action, error)
                self.rejected += 1

    def _accept(self, frame: bytes) -> None:
        if self._session is not None and self._session.add_frame(frame):
            return
        kind, stream, rows = split_frame(frame)
        if kind == DropCount.__name__:
            self._count_drops(frame)
        elif self._session is not None:
            self._session.add_packed(kind, stream, rows)

    def _count_drops(self, frame: bytes) -> None:
        """Producers tell their total since they started; a smaller total comes from a producer that started anew."""
        told, _ = decode(frame)
        if not isinstance(told, DropCount):
            return
        if not STREAM_NAME.fullmatch(told.stream) or told.dropped < 0:
            raise WireError("a count of dropped rows was expected", found=f"{told.dropped} of {told.stream[:80]!r}")
        before = self._producer_drops.get(told.stream, 0)
        self._producer_drops[told.stream] = told.dropped
        more = told.dropped - before if told.dropped >= before else told.dropped
        if self._session is not None and more > 0:
            self._session.add_drops(told.stream, more)

    def _obey(self, command: RecorderCommand) -> None:
        log.info("recorder: %s", command.action)
        match command.action:
            case "start":
                self._start_recording(command)
            case "stop":
                self._stop_recording()
            case "mark":
                self._mark(command)
            case "keep":
                self._with_stopped(self._worker.keep)
            case "discard":
                self._with_stopped(self._worker.discard)

    def _start_recording(self, command: RecorderCommand) -> None:
        if self._session is not None:
            log.warning("start was asked for, but %s is being recorded", self._session.folder)
            return
        self._problem = self._worker.problem = ""
        parent = Path(command.folder or self._rig.recorder.folder)
        self._session = self._newest = SessionLog.create(
            parent, self._rig, object_name=command.object, plan=command.plan, operator=command.operator
        )
        log.info("recording %s", self._session.folder)

    def _stop_recording(self) -> None:
        if self._session is None:
            return
        time.sleep(LAST_BATCH_S)
        self._take_rows()
        session = self._leave_session(self._session)
        try:
            session.close()
        finally:
            self._worker.seal(session.folder)
        log.info("stopped %s with %d rows", session.folder, sum(session.rows.values()))

    def _leave_session(self, session: SessionLog) -> SessionLog:
        self._session, self._stopped = None, session.folder
        self._unjudged, self._marking = True, ""
        return session

    def _mark(self, command: RecorderCommand) -> None:
        """A mark without an edge stands for itself: what was begun stays open, as `marked_spans` reads it."""
        if self._session is None:
            return
        self._session.add_event("mark", label=command.label, edge=command.edge)
        if command.edge == "begin":
            self._marking = command.label
        elif command.edge == "end" and command.label == self._marking:
            self._marking = ""

    def _with_stopped(self, work: Callable[[Path], None]) -> None:
        if self._stopped is None:
            log.warning("keep or discard was asked for, but nothing was recorded yet")
        else:
            self._unjudged = False
            work(self._stopped)

    def _fail(self, error: SessionError) -> None:
        """A disk that fails ends the recording loudly; what was written stays for `recover`."""
        log.error("recording failed: %s", error)
        self._problem = str(error)
        if self._session is not None:
            self._leave_session(self._session).abandon()

    def _tell_status(self) -> None:
        """Tell the status at once when more than its counts has changed, else every `STATUS_MS`."""
        problem, now_ns = self._problem or self._worker.problem, mono_ns()
        facts = (self._newest, self._state(problem), problem, self._worker.last_sealed, self._marking, self._unjudged)
        dropped = sum(self._newest.dropped.values()) if self._newest else 0
        if now_ns < self._status_due_ns and self._told == (*facts, dropped):
            return
        self._publisher.send(self.status())
        self._told, self._status_due_ns = (*facts, dropped), now_ns + STATUS_MS * NS_PER_MS
