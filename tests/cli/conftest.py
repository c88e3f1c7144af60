"""A short made-up session of the simulated rig, with known forces, motion and latencies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.reader import Session, open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_log import SessionLog
from skin_teleop.clock import NS_PER_MS, NS_PER_S, Stamp
from skin_teleop.messages import HandPose, JointState, JointTarget, SkinFrame, Truth
from skin_teleop.rig import load_rig
from skin_teleop.transforms import pose_from, rotation_about

SECONDS = 4.0
SOLVE_NS, TO_CAN_NS, ON_THE_WAY_NS = 2 * NS_PER_MS, 5 * NS_PER_MS, NS_PER_MS
HOME_PALM = np.array([-0.16, 0.0, 0.17, 0.5, 0.5, 0.5, 0.5])
CAN = np.array([-0.115, 0.10, 0.10])
BOX_POSE = np.array([-0.08, -0.2, 0.03, 0, 0, 0, 1.0])


def stamp(t_s: float, t_dev_ns: int | None = None) -> Stamp:
    t_ns = NS_PER_S + round(t_s * NS_PER_S)
    return Stamp(t_ns if t_dev_ns is None else t_dev_ns, t_ns, t_ns)


def truth(k: int, t_s: float) -> Truth:
    """Pressed from 1 to 2 s; the can turned by 30 degrees at 2 to 3 s; lifted by 60 mm and dropped at 3 to 4 s."""
    force = np.zeros((368, 3))
    force[62:70, 2] = -1.0 if 1 <= t_s < 4 else 0.0
    angle = np.deg2rad(30) * np.clip(t_s - 2, 0, 1)
    lift = 0.06 * np.sin(np.pi * np.clip(t_s - 3, 0, 1))
    can = pose_from(CAN + np.array([0, 0, lift]), rotation_about(np.array([0.0, 0.0, 1.0]), angle))
    scene = np.full((4, 7), np.nan)
    scene[:2] = can, BOX_POSE
    wrench, slip = np.zeros((18, 6)), np.zeros(18)
    wrench[3, 2] = force[62:70, 2].sum()
    return Truth.stamped(
        stamp(t_s), k, taxel_force=force, pad_wrench=wrench, object_pose=can, object_twist=np.zeros(6), slip=slip,
        phase=0, palm_pose=HOME_PALM, scene_pose=scene, plug_in_socket=np.full(7, np.nan),
    )  # fmt: skip


def skin_frame(k: int, t_s: float) -> SkinFrame:
    flux = np.full((368, 3), 33_000, np.uint16)
    flux[:, 2] = 36_000 + np.random.default_rng(k).integers(-2, 3, 368)
    flux[62:70, 2] += 800 if 1 <= t_s < 4 else 0
    return SkinFrame.stamped(stamp(t_s), k, flux=flux, age_ms=np.zeros(368, np.uint16))


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder: Path = tmp_path_factory.mktemp("made-up")
    rig = load_rig("simulated").with_recordings_in(folder)
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))
    with SessionLog.create(folder, rig, object_name="pringle") as log:
        for k in range(int(SECONDS * 100)):
            log.add(skin_frame(k, k / 100), "uskin")
            log.add(truth(k, k / 100), "truth")
        joints = np.zeros(16, np.float32)
        for k in range(int(SECONDS * 72)):
            received = stamp(k / 72)
            sent = dataclasses.replace(received, t_dev=received.t_mono - ON_THE_WAY_NS)
            pose, valid = np.zeros((2, 25, 7), np.float32), np.array([0, 1], np.uint8)
            log.add(HandPose.stamped(sent, k + 1, pose=pose, valid=valid), "hand_pose")
            solved, t_can = received.t_mono + SOLVE_NS, received.t_mono + TO_CAN_NS
            target = JointTarget.stamped(
                dataclasses.replace(received, t_mono=solved), k + 1, target=joints, engaged=1,
                valid_until=solved, pose_seq=k + 1, t_pose=received.t_mono,
            )  # fmt: skip
            log.add(target, "allegro_target")
            for cycle in range(4):
                state = JointState.stamped(
                    dataclasses.replace(received, t_mono=t_can - NS_PER_MS + cycle * 3 * NS_PER_MS), 4 * k + cycle,
                    position=joints, velocity=joints, target=joints, torque_command=joints, target_seq=k + 1,
                    t_command=t_can + cycle * 3 * NS_PER_MS,
                )  # fmt: skip
                log.add(state, "allegro")
        log.flush()
    return open_session(seal_session(log.folder))
