"""The yardstick of `bench retarget`: dex-retargeting 0.5 in both modes, on a URDF made of our own numbers.

Settings are those of its `configs/teleop/allegro_hand_right*.yml` (scale 1.6), filter off; links and joints have our
names.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from skin_teleop.errors import MissingPartError
from skin_teleop.hand import FINGERS, JOINT_NAMES, WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.transforms import Array

SCALE = 1.6
MEDIAPIPE_ROWS = np.array([row for row in range(25) if row not in (5, 10, 15, 20)])
"""The 21 points of MediaPipe among the 25 of WebXR."""
_THUMB_FIRST = ("thumb", "index", "middle", "ring")
Mode = Literal["vector", "dexpilot"]


def allegro_urdf(model: HandModel) -> str:
    """Kinematics and limits of `model` as URDF text: wrist, palm, link_k, tip_<finger>."""
    robot = ElementTree.Element("robot", name=model.name)
    _fixed(robot, "wrist", "palm", np.array([0, 0, WRIST_TO_PALM_Z_M]))
    ElementTree.SubElement(robot, "link", name="wrist")
    ElementTree.SubElement(robot, "link", name="palm")
    for k, name in enumerate(JOINT_NAMES):
        finger, j = divmod(k, 4)
        joint = ElementTree.SubElement(robot, "joint", name=name, type="revolute")
        ElementTree.SubElement(joint, "parent", link=f"link_{k - 1}" if j else "palm")
        ElementTree.SubElement(joint, "child", link=f"link_{k}")
        turn = _words(model.joint_rpy_rad[finger, j])
        ElementTree.SubElement(joint, "origin", xyz=_words(model.joint_xyz_m[finger, j]), rpy=turn)
        ElementTree.SubElement(joint, "axis", xyz=_words(model.joint_axis[finger, j]))
        limits = {"lower": repr(float(model.lower_rad[k])), "upper": repr(float(model.upper_rad[k]))}
        ElementTree.SubElement(joint, "limit", limits | {"effort": "0.7", "velocity": "7"})
        ElementTree.SubElement(robot, "link", name=f"link_{k}")
        if j == 3:
            _fixed(robot, f"link_{k}", f"tip_{FINGERS[finger]}", model.tip_xyz_m[finger])
            ElementTree.SubElement(robot, "link", name=f"tip_{FINGERS[finger]}")
    return ElementTree.tostring(robot, encoding="unicode")


class DexRetargeting:
    """One mode of dex-retargeting; raises MissingPartError without the extra `retarget-bench`."""

    def __init__(self, model: HandModel, mode: Mode) -> None:
        try:
            from dex_retargeting.retargeting_config import RetargetingConfig
        except ImportError as error:
            raise MissingPartError(
                "bench retarget compares with dex-retargeting",
                found=str(error),
                next_step="pip install 'skin-teleop[retarget-bench]'",
            ) from error
        with tempfile.TemporaryDirectory(prefix="skt-urdf-") as folder:
            urdf = Path(folder, "allegro.urdf")
            urdf.write_text(allegro_urdf(model))
            self._solver: Any = RetargetingConfig.from_dict(_settings(mode, urdf)).build()
        names = list(self._solver.joint_names)
        self._order = [names.index(name) for name in JOINT_NAMES]
        self._indices = self._solver.optimizer.target_link_human_indices

    def reset(self) -> None:
        """Start from the middle of the limits again."""
        self._solver.reset()

    def retarget(self, points_m: Array) -> Array:
        """Joints (16,) rad by name for points (25, 3) m in the operator frame, wrist at 0."""
        points = points_m[MEDIAPIPE_ROWS]
        wanted = points[self._indices[1]] - points[self._indices[0]]
        answer: Array = self._solver.retarget(wanted)[self._order]
        return answer


def _settings(mode: Mode, urdf: Path) -> dict[str, Any]:
    tips = [f"tip_{finger}" for finger in _THUMB_FIRST]
    common = {"type": mode, "urdf_path": str(urdf), "scaling_factor": SCALE, "low_pass_alpha": 1.0}
    common["target_joint_names"] = list(JOINT_NAMES)
    if mode == "dexpilot":
        return common | {"wrist_link_name": "wrist", "finger_tip_link_names": tips}
    vectors = {"target_origin_link_names": ["wrist"] * 4, "target_task_link_names": tips}
    return common | vectors | {"target_link_human_indices": [[0] * 4, [4, 8, 12, 16]]}


def _fixed(robot: ElementTree.Element, parent: str, child: str, xyz_m: Array) -> None:
    joint = ElementTree.SubElement(robot, "joint", name=f"{parent}_to_{child}", type="fixed")
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    ElementTree.SubElement(joint, "origin", xyz=_words(xyz_m), rpy="0 0 0")


def _words(values: Array) -> str:
    return " ".join(repr(float(value)) for value in values)
