"""Self-penetration of the robot hand, judged apart from the solver: URDF boxes and tip spheres in coal.

Left out are pairs of one finger, of parent and child, and those that touch in the zero pose (clipped to the limits);
two fingertip spheres are a matter of pinching and are left out as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from server.retargeting.boxes import may_touch
from skin_teleop.errors import MissingPartError
from skin_teleop.hand import TIP_RADIUS_M, HandModel
from skin_teleop.kinematics import HandPosture, hand_posture
from skin_teleop.transforms import Array


class HandCollisions:
    """Depth of the deepest pair of links; raises MissingPartError without the extra `retarget-bench`."""

    def __init__(self, model: HandModel) -> None:
        try:
            import coal
        except ImportError as error:
            raise MissingPartError(
                "self-penetration needs coal", found=str(error), next_step="pip install 'skin-teleop[retarget-bench]'"
            ) from error
        self._coal: Any = coal
        self._model = model
        self._shapes = [coal.Box(*size) for size in (*model.link_box_size_m, model.palm_box_size_m)]
        self._shapes += [coal.Sphere(TIP_RADIUS_M)] * 4
        self._request, self._result = coal.CollisionRequest(), coal.CollisionResult()
        candidates = [(a, b) for a in range(21) for b in range(a + 1, 21) if may_touch(a, b)]
        zero = self._placed(hand_posture(model, np.clip(np.zeros(16), model.lower_rad, model.upper_rad)))
        self._pairs = [(a, b) for a, b in candidates if self._depth_m(zero, a, b) <= 0]

    def deepest_m(self, q_rad: Array) -> float:
        """Depth of the deepest pair at joints (16,) rad, 0 where nothing touches."""
        placed = self._placed(hand_posture(self._model, q_rad))
        return max(self._depth_m(placed, a, b) for a, b in self._pairs)

    def _placed(self, posture: HandPosture) -> list[Any]:
        turn, place = posture.link_rotation, posture.link_position_m
        boxes = [(turn[k], place[k] + turn[k] @ self._model.link_box_centre_m[k]) for k in range(16)]
        boxes.append((np.eye(3), self._model.palm_box_centre_m))
        boxes += [(np.eye(3), posture.tip_position_m[f]) for f in range(4)]
        return [self._coal.Transform3s(rotation, position) for rotation, position in boxes]

    def _depth_m(self, placed: list[Any], a: int, b: int) -> float:
        self._result.clear()
        self._coal.collide(self._shapes[a], placed[a], self._shapes[b], placed[b], self._request, self._result)
        return max(0.0, -self._result.getContact(0).penetration_depth) if self._result.isCollision() else 0.0
