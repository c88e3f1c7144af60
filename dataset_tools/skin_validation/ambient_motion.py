"""Motion without touch: does the field that the pads see turn as the earth's field and the other magnets should?

The pads' poses follow from the joints and, in simulation, from the recorded pose of the palm; on a real hand the palm
counts as fixed. The earth's field is unknown but the same everywhere, so its three numbers are fitted, on the even
stretches of time, and judged on the odd ones.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from dataset_tools.reader import Session
from dataset_tools.skin_validation.signals import SkinSignals
from drivers.simulated.skin.ambient import AmbientField, PadPoses
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.pad_poses import pad_poses
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.hand import hand_model
from skin_teleop.skin_layout import SkinLayout, taxel_frames
from skin_teleop.transforms import Array

EVERY = 20
"""Rows between two looks."""
TOUCHED_SHARE = 0.02
"""Share of active taxels beyond which a moment is no motion without touch."""
MIN_MOMENTS, MIN_MOVED_RAD = 20, 0.1
STRETCH = 5
"""Looks in a row on one side of the split."""


@dataclass(frozen=True, eq=False)
class AmbientMotion:
    """How well the prediction fits."""

    explained: float
    """Share of the variance of the pads' field that is predicted, on held-out time."""
    earth_ut: float
    """Size of the earth's field that fits best, uT at the model's counts; 25 to 65 on earth."""
    moments: int


def ambient_motion(session: Session, signals: SkinSignals) -> AmbientMotion | None:
    """Compare field and prediction; None where the hand did not move without touching something."""
    rig = session.meta["rig"]
    joints = session.streams.get(rig["hand"]["name"])
    if joints is None:
        return None
    rows = np.arange(0, len(signals.field), EVERY)
    rows = rows[signals.active[rows] <= TOUCHED_SHARE * signals.works.sum()]
    at_ns = signals.recording.t_mono_ns[rows]
    q_rad = joints["position"][np.searchsorted(joints.t_mono, at_ns).clip(0, joints.rows - 1)].astype(float)
    palm = _palm_poses(session, at_ns)
    moved = max(np.ptp(q_rad, axis=0).max(), 2 * np.ptp(palm[:, 3:], axis=0).max()) if len(rows) else 0.0
    if len(rows) < MIN_MOMENTS or moved < MIN_MOVED_RAD:
        return None
    model = hand_model(rig["hand"]["model"], rig["hand"]["finger_joint1_z_m"])
    poses = [pad_poses(signals.recording.layout, model, q, pose) for q, pose in zip(q_rad, palm)]
    others = _others(signals.recording.layout, poses)
    per_ut = np.array([pose.rotation.swapaxes(1, 2) for pose in poses])  # (M, 18, 3, 3)
    return _judge(signals.field[rows], others, per_ut * 1e-6 / SkinParameters().tesla_per_count)


def _palm_poses(session: Session, at_ns: Array) -> Array:
    truth = session.streams.get("truth")
    if truth is None:
        return np.tile([0.0, 0, 0, 0, 0, 0, 1], (len(at_ns), 1))
    poses: Array = truth["palm_pose"][np.searchsorted(truth.t_mono, at_ns).clip(0, truth.rows - 1)].astype(float)
    return poses


def _others(layout: SkinLayout, poses: list[PadPoses]) -> Array:
    """Field (M, 18, 3) of the other pads' magnets, pad frames, counts at gain one."""
    standard, grid, frames = SkinParameters(), PadGrid(layout), taxel_frames(layout)
    without_earth = dataclasses.replace(standard, earth_x_t=0.0, earth_y_t=0.0, earth_z_t=0.0)
    ambient = AmbientField(layout, grid, without_earth, standard.magnet_moment_a_m2 * grid.is_taxel)
    field = np.empty((len(poses), len(layout.pads), 3))
    for row, pose in enumerate(poses):
        on_pad = np.einsum("kji,kj->ki", frames, ambient.at_taxels_t(pose) / standard.tesla_per_count)
        field[row] = [np.median(on_pad[pad.taxels], axis=0) for pad in layout.pads]
    return field


def _judge(field: Array, others: Array, per_ut: Array) -> AmbientMotion:
    """Fit earth and offsets on one half of the stretches, judge on the other."""
    train = np.arange(len(field)) // STRETCH % 2 == 0
    seen = field - others
    seen, turned = seen - seen[train].mean(0), per_ut - per_ut[train].mean(0)
    earth_ut = np.linalg.lstsq(turned[train].reshape(-1, 3), seen[train].ravel(), rcond=None)[0]
    left = seen[~train] - turned[~train] @ earth_ut
    moved = field[~train] - field[train].mean(0)
    explained = 1 - np.square(left).sum() / np.square(moved).sum()
    return AmbientMotion(float(explained), float(np.linalg.norm(earth_ut)), len(field))
