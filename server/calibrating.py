"""Who operates, how their hand was measured, and the guided calibration while it runs.

`add` and `news` are called on the event loop and only note things; files, measuring and the change of the retargeting
happen in one thread of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from server.calibration_guide import STEPS, WORDS, CalibrationGuide
from server.control import CalibrationProgress, CalibrationStep
from server.operator_store import KeptCalibration, OperatorStore, operators_folder
from server.retargeting.calibration import GOOD_QUALITY, Calibration, calibrate_segments, load_calibration
from skin_teleop.errors import AccessError, SkinTeleopError
from skin_teleop.hand import hand_model
from skin_teleop.rig import Rig
from skin_teleop.transforms import Array

log = logging.getLogger(__name__)

ANONYMOUS = "anonymous"
UseCalibration = Callable[[Calibration | None], None]
"""Told which calibration the retargeting uses from now on; None: the rig's own scale."""


class Calibrating:
    """One rig's operator. Nobody's calibration is used until somebody says who operates, or the rig file names one."""

    def __init__(self, rig: Rig, use: UseCalibration) -> None:
        folder = Path(rig.server.operators) if rig.server.operators else operators_folder()
        self._store = OperatorStore(folder, rig.hand.model)
        self._model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
        self._use = use
        self._worker = ThreadPoolExecutor(1, "calibration")
        self._work: Future[KeptCalibration | None] | None = None
        self._guide: CalibrationGuide | None = None
        self._news: CalibrationProgress | None = None
        self._told: CalibrationProgress | None = None
        named = load_calibration(Path(rig.server.calibration)) if rig.server.calibration else None
        self.operator = named.operator if named else ANONYMOUS
        self.kept = KeptCalibration(named, 0) if named else None
        self._known = self._store.names()

    @property
    def running(self) -> bool:
        """Whether an operator is being led through a calibration, or one is being measured."""
        return self._guide is not None or self._work is not None

    @property
    def present(self) -> CalibrationProgress | None:
        """Where a calibration that runs stands, for a page that just came."""
        return self._news if self.running else None

    @property
    def operators(self) -> list[str]:
        """Names to choose from where nobody types: the known ones, and a new one at the end."""
        names = list(dict.fromkeys([ANONYMOUS, *self._known, self.operator]))
        return [*names, next(new for k in range(1, 10_000) if (new := f"operator-{k}") not in names)]

    def choose(self, operator: str) -> None:
        """Use this operator's newest calibration from now on; raises AccessError while one is being measured."""
        self.cancel()
        self._begin_work(operator, lambda: self._store.newest(operator))

    def begin(self) -> None:
        """Lead the present operator through a calibration, from its start."""
        if self._work is not None:
            raise AccessError("a calibration is being measured", next_step="try again in a second")
        self._guide = CalibrationGuide(self.operator)
        self._tell_progress(self._guide)

    def cancel(self) -> None:
        """End a guide that runs; what was stored before stays."""
        if self._guide is not None:
            self._end("cancelled", "Calibration cancelled")

    def add(self, keypoints_m: Array, t_ns: int) -> None:
        """A plausible pose (25, 3) m of the driven hand, received at `t_ns` monotonic."""
        guide = self._guide
        if guide is None:
            return
        guide.add(keypoints_m, t_ns)
        if guide.given_up:
            self._end("failed", "No open hand was seen: the calibration ended")
        elif guide.finished:
            self._guide = None
            self._tell("measuring", "Measuring", steps_done=len(STEPS))
            self._begin_work(guide.operator, lambda: self._measure(guide))
        else:
            self._tell_progress(guide)

    def news(self) -> CalibrationProgress | None:
        """What changed since the last call, newest only."""
        if self._work is not None and self._work.done():
            self._finish_work(self._work)
        if self._news == self._told:
            return None
        self._told = self._news
        return self._news

    def close(self) -> None:
        """End the thread."""
        self._worker.shutdown(cancel_futures=True)

    def _begin_work(self, operator: str, work: Callable[[], KeptCalibration | None]) -> None:
        if self._work is not None:
            raise AccessError("a calibration is being measured", next_step="try again in a second")
        self.operator = operator
        self._work = self._worker.submit(self._find_and_use, work)

    def _find_and_use(self, work: Callable[[], KeptCalibration | None]) -> KeptCalibration | None:
        kept = work()
        self._use(kept.calibration if kept else None)
        return kept

    def _measure(self, guide: CalibrationGuide) -> KeptCalibration:
        measured = calibrate_segments(guide.segments, self._model, guide.operator)
        if measured.quality < GOOD_QUALITY:
            raise AccessError(
                "the calibration is not good enough to be used",
                found=f"quality {measured.quality:.2f}",
                allowed=f"at least {GOOD_QUALITY}",
                next_step="fingers straight, hand in sight, once more",
            )
        return self._store.keep(measured)

    def _finish_work(self, work: Future[KeptCalibration | None]) -> None:
        self._work = None
        try:
            self.kept = work.result()
        except (SkinTeleopError, OSError) as error:
            log.warning("calibration of %s: %s", self.operator, error)
            self._tell("failed", str(error), steps_done=len(STEPS))
            return
        self._known = self._store.names()
        if self.kept is None:
            self._tell("done", f"{self.operator}: not calibrated yet")
            return
        quality, version = self.kept.calibration.quality, self.kept.version
        words = f"{self.operator}: calibration {version}, quality {quality:.2f}, in use"
        self._tell("done", words, steps_done=len(STEPS), progress=1.0, quality=quality, version=version)

    def _end(self, step: CalibrationStep, words: str) -> None:
        self._guide = None
        self._tell(step, words)

    def _tell_progress(self, guide: CalibrationGuide) -> None:
        if guide.step is not None:
            progress = round(20 * guide.progress) / 20
            self._tell(guide.step, WORDS[guide.step], steps_done=guide.steps_done, progress=progress)

    def _tell(
        self,
        step: CalibrationStep,
        words: str,
        *,
        steps_done: int = 0,
        progress: float = 0.0,
        quality: float | None = None,
        version: int = 0,
    ) -> None:
        self._news = CalibrationProgress(self.operator, step, steps_done, len(STEPS), progress, words, quality, version)
