"""The encoder's process in a rig: skin and joints in, one embedding for every 10 ms out, published and recorded."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from encoder.joint_track import JointTrack
from encoder.training_extra import require_training_extra
from skin_teleop.bus import Following, Publisher, RecorderFeed, announce_ready
from skin_teleop.clock import NS_PER_MS, Stamp, mono_ns
from skin_teleop.errors import ConfigError
from skin_teleop.messages import EMBEDDING_SLOTS, FLAG_STALE, Array, JointState, SkinEmbedding, SkinFrame
from skin_teleop.rig import Rig

if TYPE_CHECKING:
    from encoder.live import LiveEncoder

WAIT_MS = 50
OLD_JOINTS_NS = 100 * NS_PER_MS
"""Joints older than the rig's own limit for targets say little about where the taxels are; rows are flagged stale."""

log = logging.getLogger(__name__)


def run(rig: Rig, runtime: Path, stop: threading.Event) -> None:
    """Encode until `stop` is set. Ready means loaded: embeddings begin with the first rest and eleven more frames."""
    require_training_extra("the encoder process")
    import torch

    torch.set_num_threads(1)  # the other core belongs to the hand
    node = EncoderNode(rig, runtime)
    try:
        announce_ready(runtime, "encoder")
        while not stop.is_set():
            node.turn(WAIT_MS)
        log.info("%s", node.report())
    finally:
        node.close()


class EncoderNode:
    """Sockets around a `LiveEncoder`."""

    def __init__(self, rig: Rig, runtime: Path) -> None:
        """Raises ConfigError where the encoder or the baseline cannot be read or is of another skin."""
        self._stream_name, self.live = _live(rig)
        self._skin = Following(runtime, "skin", SkinFrame, rig.skin.name)
        self._hand = Following(runtime, "hand", JointState, rig.hand.name)
        self._joints = JointTrack()
        self._publisher = Publisher(runtime, "encoder")
        self._feed = RecorderFeed(runtime)
        self.embeddings = 0

    def turn(self, timeout_ms: int) -> None:
        """Wait for frames, take all that came, encode the newest window once."""
        frames = self._skin.take(timeout_ms)
        while states := self._hand.take():
            self._joints.add(states)
        if not frames or not self._joints:
            return
        waited = self.live.waits_for_rest
        summary = self.live.take(frames, self._joints)
        if waited and not self.live.waits_for_rest:
            log.info("the skin was at rest: embeddings begin")
        if summary is not None:
            self._send(summary, frames[-1], self._joints.at(frames[-1].t_mono))

    def report(self) -> str:
        """What was done, in words."""
        return (
            f"{self.live.frames} frames, {self.embeddings} embeddings, {self.live.skipped} windows left out, "
            f"{self.live.holes} holes in time, {self._skin.rejected + self._hand.rejected} malformed"
        )

    def close(self) -> None:
        """Release every socket."""
        for part in (self._skin, self._hand, self._publisher, self._feed):
            part.close()

    def _send(self, summary: Array, frame: SkinFrame, joints: JointState) -> None:
        slots = np.full(EMBEDDING_SLOTS, np.nan, np.float32)
        slots[: len(summary)] = summary
        old = frame.t_mono - joints.t_mono > OLD_JOINTS_NS
        sample = SkinEmbedding.stamped(
            Stamp(frame.t_dev, frame.t_mono, frame.t_wall),
            frame.seq,
            frame.flags | (FLAG_STALE if old else 0),
            summary=slots,
            width=len(summary),
            skipped=self.live.skipped,
            t_ready=mono_ns(),
        )
        self._publisher.send(sample, self._stream_name)
        self._feed.send(sample, self._stream_name)
        self.embeddings += 1


def _live(rig: Rig) -> tuple[str, LiveEncoder]:
    from encoder.live import LiveEncoder, load_live, read_baseline

    config = rig.encoder
    if config is None:
        raise ConfigError("the encoder process was asked for", found="a rig without a table [encoder]")
    baseline = read_baseline(Path(config.baseline), rig.skin.layout) if config.baseline else None
    return config.name, LiveEncoder(rig, load_live(Path(config.run)), baseline)
