"""`skin-teleop operate`: play a recorded hand through the real door, as an operator with a headset would."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from server.operator_client import OperatorClient
from server.trace import Trace, load_trace
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import ConfigError
from skin_teleop.messages import RecorderStatus
from skin_teleop.rig import load_rig

OnFrame = Callable[[int], None]
PROGRESS_PERIOD_S = 0.25
AFTER_LAST_FRAME_S = 0.3
"""The session goes on for a moment, so that it holds the hand's answer to the last pose."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What came of one trace."""

    session: str
    """Folder of the sealed session."""
    frames_sent: int
    frames_invalid: int
    """Rows of the trace that were sent as a hand out of sight."""
    frames_rejected: dict[str, int]
    """What the server refused, by reason."""
    seconds: float
    latest_ms: float
    """How late the latest frame was sent against its own time."""
    status: RecorderStatus


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `operate`."""
    parser.add_argument(
        "trace",
        type=Path,
        help=".npz with keypoints (T,25,3) or pose (T,25,7) in m, and t in s; or .frames as a page saves",
    )
    parser.add_argument("--rig", help="start this rig for the trace (`simulated`, or a TOML file)")
    parser.add_argument("--out", type=Path, help="with --rig: folder for the session")
    parser.add_argument("--url", default="ws://127.0.0.1:8040/ws/operator", help="without --rig: the operator's socket")
    parser.add_argument("--token", help="without --rig: the pairing code that `up` printed")
    parser.add_argument("--rate", type=float, metavar="HZ", help="play at this rate instead of the trace's own times")
    parser.add_argument("--operator", default="anonymous", help="pseudonym that is written into the session")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was recorded as JSON")


def run(options: argparse.Namespace) -> int:
    """Play the trace into a rig of its own or into a running one, and record one session."""
    if options.rate is not None and options.rate <= 0:
        raise ConfigError("--rate", found=f"{options.rate} Hz", allowed="more than 0 Hz")
    trace = load_trace(options.trace, options.rate)
    if options.rig is None and options.token is None:
        raise ConfigError(
            "operate was asked to join a running rig",
            found="no --token",
            allowed="the pairing code that `skin-teleop up` printed",
            next_step=f"skin-teleop operate {options.trace} --rig simulated --out sessions",
        )
    with _progress() as progress:
        task = progress.add_task("operating", total=len(trace.t_s))
        recording = _record(options, trace, lambda sent: progress.update(task, completed=sent))
    Console().print(
        f"{recording.frames_sent} frames sent, {sum(recording.frames_rejected.values())} rejected, "
        f"session {recording.session}",
        soft_wrap=True,
        highlight=False,
    )
    if options.json:
        answer = {key: value for key, value in asdict(recording).items() if key != "status"}
        options.json.write_text(json.dumps(answer, indent=2) + "\n")
    return 0


def _record(options: argparse.Namespace, trace: Trace, on_frame: OnFrame) -> Recording:
    if options.rig is None:
        return asyncio.run(_operate(options.url, options.token, trace, "", (), options.operator, on_frame))
    rig = load_rig(options.rig)
    rig = rig.on_free_ports() if rig.world else rig
    rig = rig.with_recordings_in(options.out) if options.out else rig
    with RunningRig(rig) as running:
        touched = rig.world.object if rig.world else ""
        return record_trace(running, trace, object_name=touched, operator=options.operator, on_frame=on_frame)


def record_trace(
    running: RunningRig,
    trace: Trace,
    *,
    object_name: str = "",
    plan: tuple[str, ...] = (),
    operator: str = "anonymous",
    on_frame: OnFrame = lambda sent: None,
) -> Recording:
    """Play a trace into a running rig and return its sealed session.

    Raises ProcessDied when a process of the rig ends meanwhile, AccessError or DeviceError with the server's words.
    """

    def watched(sent: int) -> None:
        running.check()
        on_frame(sent)

    return asyncio.run(_operate(running.operator_url, running.token, trace, object_name, plan, operator, watched))


async def _operate(
    url: str, token: str, trace: Trace, object_name: str, plan: tuple[str, ...], operator: str, on_frame: OnFrame
) -> Recording:
    async with OperatorClient(url, token) as client:
        await client.start_recording(object_name, plan, operator)
        await client.arm()
        playing = asyncio.create_task(client.play(trace))
        try:
            while not playing.done():
                await asyncio.wait([playing], timeout=PROGRESS_PERIOD_S)
                on_frame(client.ack.seq if client.ack else 0)
            played = await playing
        finally:
            playing.cancel()
        await client.acknowledged()
        rejected = dict(client.ack.rejected) if client.ack else {}
        await asyncio.sleep(AFTER_LAST_FRAME_S)
        await client.stand_down()
        await client.stop_recording()
        session = await client.sealed()
        if client.recorder is None:
            raise ConfigError("the recorder's last status was asked for", found="none")
        return Recording(
            session=session,
            frames_sent=played.frames,
            frames_invalid=played.invalid,
            frames_rejected=rejected,
            seconds=played.seconds,
            latest_ms=played.latest_ms,
            status=client.recorder,
        )


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), transient=True)
