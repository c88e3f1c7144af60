"""How fast the simulated world runs: physics alone and with the full skin, in turns in the same run.

The yardstick is MuJoCo's own step of the same grasp. CPU time is what counts per core; all cores together are judged
by the clock.
"""

from __future__ import annotations

import os
import time
from typing import Any

import mujoco
import numpy as np

from drivers.simulated.objects import draw
from drivers.simulated.scripted.actions import Script
from drivers.simulated.scripted.robot import ScriptedHand
from drivers.simulated.world import World
from skin_teleop.cli.own_workers import own_workers
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.rig import WorldConfig, load_rig

BLOCK_PERIODS = 50
"""Control periods between two changes of turn: 0.15 s of simulated time."""
PHYSICS_STEP_S = WorldConfig().timestep_ms / 1000
"""Step of the physics alone; with the skin, steps differ a little so that some of them end with its periods."""


def bench_simulate(seconds: float) -> dict[str, Any]:
    """Measure for about so many seconds, alone and then on all cores; factors are simulated over real time."""
    workers = os.cpu_count() or 1
    physics_x, full_x, _ = measure(seconds / 2)
    start_s = time.monotonic()
    with own_workers(workers) as pool:
        spans = list(pool.map(_full_alone, [seconds / 2] * workers))
    return {
        "physics_x_realtime": physics_x,
        "full_x_realtime": full_x,
        "full_to_physics_time": physics_x / full_x,
        "workers": workers,
        "all_cores_x_realtime": sum(simulated / wall for simulated, wall in spans),
        "timestep_ms": 1000 * PHYSICS_STEP_S,
        "wall_s": time.monotonic() - start_s,
        "load_average": os.getloadavg()[0],
    }


def measure(cpu_s: float) -> tuple[float, float, float]:
    """Simulated seconds per CPU second of physics alone and of the full world, and the simulated seconds of each."""
    world = _grasping_world()
    torque_nm = world.data.ctrl.copy()
    spent = {False: 0.0, True: 0.0}
    simulated_s = 0.0
    while sum(spent.values()) < cpu_s:
        for full in (False, True):
            start_s = time.process_time()
            _run_block(world, torque_nm, full=full)
            spent[full] += time.process_time() - start_s
        simulated_s += BLOCK_PERIODS * world.period_ns / NS_PER_S
    return simulated_s / spent[False], simulated_s / spent[True], simulated_s


def _full_alone(wall_s: float) -> tuple[float, float]:
    """Simulated and real seconds of the full world in a process of its own."""
    world = _grasping_world()
    torque_nm = world.data.ctrl.copy()
    start_s, began_ns = time.monotonic(), world.time_ns
    while time.monotonic() - start_s < wall_s:
        _run_block(world, torque_nm, full=True)
    return (world.time_ns - began_ns) / NS_PER_S, time.monotonic() - start_s


def _run_block(world: World, torque_nm: Any, *, full: bool) -> None:
    steps = round(world.period_ns / (PHYSICS_STEP_S * NS_PER_S))
    if not full:
        world.model.opt.timestep = PHYSICS_STEP_S
    for _ in range(BLOCK_PERIODS):
        if full:
            world.advance(torque_nm)
            world.skin_frame()
        else:
            mujoco.mj_step(world.model, world.data, steps)


def _grasping_world() -> World:
    """The can in the closed hand, its holder on, so that contact stays as it is."""
    rig = load_rig("simulated")
    specimen = draw("pringle", np.random.default_rng(1))
    world = World(rig, objects={"pringle": specimen.scene})
    hand = ScriptedHand(rig, world, Stamp.now(), lambda truth, counts: None, lambda state: None)
    Script(hand, specimen, np.random.default_rng(1)).grasp(3.0, let_go=False)
    return world
