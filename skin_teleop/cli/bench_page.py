"""What only a browser can measure for `bench teleop`: the emulated headset's page at 90 Hz, and its memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.reader import Session, open_session
from server.client_files import ClientFiles
from server.invitations import ask_for_invitation
from skin_teleop.bus import Latest
from skin_teleop.cli.latency import clock_ahead_ns, percentiles, pose_latencies_ms
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import DeviceError
from skin_teleop.messages import RecorderStatus
from skin_teleop.transforms import Array

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
)
"""A container has neither a graphics card nor a large /dev/shm."""
ANSWER_S = 60.0
LOOK_S = 0.5
SETTLED = 0.25
"""Share of the time after which memory is first read: caches and compiled code have come by then."""
READ_EVERY_S = 90.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes held at a moment of the monotonic clock, s."""

    t_s: float
    page_heap: int
    """JavaScript objects of the page that are reachable, and their buffers, after a collection."""
    page_process: int
    """Resident memory of the browser's page process, its worker included."""
    server: int
    """Resident memory of the server process."""


def why_no_page() -> str:
    """Why no page can be measured here; empty where one can."""
    if not ClientFiles().built:
        return "the client is not built: run `make client` (Node 20)"
    if _chromium() is None:
        return "no Chromium: apt-get install --no-install-recommends chromium fonts-liberation"
    try:
        import playwright.sync_api  # noqa: F401  # an extra of developers; looked for only here
    except ImportError:
        return "no Playwright: pip install 'skin-teleop[dev]'"
    return ""


def bench_page(running: RunningRig, seconds: float) -> dict[str, Any]:
    """Drive a recorded session from the page for some seconds; latencies in ms, growth in kB a minute."""
    with _driven_page(running) as (page, browser), _recorder(running) as recorder:
        page.evaluate("bench.say({type: 'start_recording', object: 'none', plan: [], operator: 'anonymous'})")
        _until(page, running, lambda: recorder().state == "recording", "the recording")
        began = page.evaluate("bench.poses")
        _drive(page, running, SETTLED * seconds)
        readings = [_memory(page, browser, running)]
        stretches = max(1, round((1 - SETTLED) * seconds / READ_EVERY_S))
        for _ in range(stretches):
            _drive(page, running, (1 - SETTLED) * seconds / stretches)
            readings.append(_memory(page, browser, running))
        encode_ms = np.array(page.evaluate("bench.encodeMs()"))[began:]
        page.evaluate("bench.say({type: 'stop_recording'})")
        _until(page, running, lambda: recorder().state == "idle" and recorder().last_sealed != "", "the seal", seconds)
        session = open_session(recorder().last_sealed)
    return _page_figures(session, running.rig.hand.name, encode_ms) | memory_figures(readings)


def memory_figures(readings: list[Memory]) -> dict[str, Any]:
    """Every reading in kB, and how fast each memory grew, kB a minute: over all readings and over their later half.

    Growth is the slope of the line of least squares. Memory that settles grows more slowly later.
    """
    minutes = np.array([reading.t_s - readings[0].t_s for reading in readings]) / 60
    later = (len(readings) - 1) // 2
    figures: dict[str, Any] = {"memory_read_at_min": minutes.tolist()}
    for name in ("page_heap", "page_process", "server"):
        held = np.array([getattr(reading, name) for reading in readings]) / 1024
        figures[f"{name}_kb"] = held.tolist()
        figures[f"{name}_growth_kb_per_min"] = float(np.polyfit(minutes, held, 1)[0])
        figures[f"{name}_later_growth_kb_per_min"] = float(np.polyfit(minutes[later:], held[later:], 1)[0])
    return figures


def _page_figures(session: Session, hand: str, encode_ms: Array) -> dict[str, Any]:
    ahead_ns = clock_ahead_ns(session, "clock_headset")
    latencies = percentiles(pose_latencies_ms(session, hand, since="sent", sender_ahead_ns=ahead_ns))
    poses = session.streams["hand_pose"]
    seconds = (int(poses.t_mono[-1]) - int(poses.t_mono[0])) / 1e9
    return {
        "page_to_target_ms": latencies["pose_to_target"],
        "page_to_can_ms": latencies["pose_to_can"],
        "page_encode_ms_p99": float(np.percentile(encode_ms, 99)),
        "page_poses_per_s": (poses.rows - 1) / seconds,
    }


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def _driven_page(running: RunningRig) -> Iterator[tuple[Any, Any]]:
    """The emulated headset's page, entered, armed and with the space bar held; and its browser."""
    from playwright.sync_api import sync_playwright

    driver = (resources.files("skin_teleop.cli") / "bench_page.js").read_text()
    invitation = ask_for_invitation(running.server_url, running.token).token
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), headless=True, args=list(CHROMIUM_FLAGS))
        try:
            page = browser.new_page(viewport={"width": 480, "height": 320})
            page.add_init_script(driver)
            page.goto(f"{running.server_url}emulator#t={invitation}")
            page.click("#enter:enabled")
            _until(page, running, lambda: page.evaluate("bench.poses > 10"), "the first poses")
            page.evaluate("bench.say({type: 'arm'})")
            page.keyboard.down("Space")
            _until(page, running, lambda: _follows(page), "the robot to follow the page")
            yield page, browser
        finally:
            browser.close()


def _follows(page: Any) -> bool:
    return "follows" in (page.text_content("#state") or "")


@contextmanager
def _recorder(running: RunningRig) -> Iterator[Callable[[], RecorderStatus]]:
    statuses = Latest(running.runtime, "recorder", RecorderStatus)
    newest = [RecorderStatus("idle")]

    def look() -> RecorderStatus:
        newest[0] = statuses.take() or newest[0]
        return newest[0]

    try:
        yield look
    finally:
        statuses.close()


def _wait(page: Any, running: RunningRig, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        running.check()
        page.wait_for_timeout(1000 * min(LOOK_S, left_s))  # serves the browser's events too


def _drive(page: Any, running: RunningRig, seconds: float) -> None:
    """Wait, and hold again as a person would where a busy machine was silent for 100 ms and the robot let go."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        _wait(page, running, min(LOOK_S, left_s))
        if not _follows(page):
            page.keyboard.up("Space")
            _wait(page, running, 0.1)
            page.keyboard.down("Space")


def _until(page: Any, running: RunningRig, condition: Callable[[], bool], what: str, extra_s: float = 0.0) -> None:
    """Wait for `ANSWER_S` and `extra_s`; a long recording takes its time to be sealed."""
    deadline = time.monotonic() + ANSWER_S + extra_s
    while not condition():
        if time.monotonic() > deadline:
            raise DeviceError(f"the page waited for {what}", found=str(page.text_content("#cause")))
        _wait(page, running, 0.05)


def _memory(page: Any, browser: Any, running: RunningRig) -> Memory:
    inspector, processes = page.context.new_cdp_session(page), browser.new_browser_cdp_session()
    inspector.send("HeapProfiler.collectGarbage")
    usage = inspector.send("Runtime.getHeapUsage")
    heap = usage["usedSize"] + usage.get("backingStorageSize", 0)
    listed = processes.send("SystemInfo.getProcessInfo")["processInfo"]
    renderers = sum(_resident(entry["id"]) for entry in listed if entry["type"] == "renderer")
    inspector.detach()
    processes.detach()
    return Memory(time.monotonic(), int(heap), renderers, _resident(running.pid("server")))


def _resident(pid: int) -> int:
    """Resident bytes of a process (proc(5), /proc/PID/statm, second field, pages)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
