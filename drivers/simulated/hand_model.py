"""The simulated Allegro hand with its skin, built from numbers: bodies, joints, motors, collision shapes.

Nothing is read from a mesh file. Inertias follow from mass and shape, because 13 of the published V4 link inertias
break the triangle inequality. A force on a geom that is named like a pad is a force on that pad.
"""

from __future__ import annotations

import mujoco
import numpy as np

from drivers.allegro.scales import hand_scale
from skin_teleop.hand import HandModel, is_v4
from skin_teleop.hand_mass import PAD_MASS_KG, TIP_SHELL_RADIUS_M, flat_pad_thickness_m, link_box_m, tip_shell_m
from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.transforms import Array, quaternion_from_rotation, rotation_from_rpy

PALM, WRIST = "palm", "wrist"
"""Body names: the free palm, and the mocap body that pulls it by a compliant weld."""

JOINT_ARMATURE_KG_M2 = 0.002
"""Guess: rotor inertia seen through the gear. A planning value, replaced when a step response is fitted."""
JOINT_DAMPING_NM_S_PER_RAD = 0.05
"""Guess: friction and back-EMF. It caps the free speed of the weakest joint near 5 rad/s at its torque limit."""
JOINT_FRICTION_NM = 0.01
"""Guess: dry friction of the gear train."""
V4_HARDWARE_VERSION = 0x0402
"""Its per-joint PWM clamp over 1200 PWM/Nm limits the motors (Wonikrobotics-git/allegro_hand_ros_v4)."""

FLAT_PAD_PITCH_M = {"4x4": 0.00467, "4x6": 0.00725}
"""Cited: distance of neighbouring taxels, XELA uSPa44 and uSPa46 data sheets."""

SKIN_FRICTION = (1.1, 0.004, 0.0002)
"""Guess: sliding, torsional (m) and rolling (m) friction of the silicone skin."""
SKIN_SOLREF, SKIN_SOLIMP = (0.010, 1.0), (0.90, 0.97, 0.002, 0.5, 2.0)
"""Guess: a contact that yields about a millimetre under a firm grasp, as the elastomer does."""
WELD_SOLREF, WELD_SOLIMP = (0.040, 1.0), (0.5, 0.5, 0.001, 0.5, 2.0)
"""Design choice: a wrist that trails its target by 40 ms and pushes about 1.2 N per mm, so that it crushes nothing.
The low impedance matters: at MuJoCo's default a weld of this kind pushes 13 N per mm."""
ARM_INERTIA_KG_M2 = 0.02
"""Guess: what the arm behind the palm adds to its rotational inertia; it also makes the weld stiff against tilting."""

GRAPHITE, SHELL, SKIN = (0.27, 0.29, 0.33, 1.0), (0.35, 0.37, 0.42, 1.0), (0.88, 0.81, 0.70, 1.0)
_ADJACENT_BUT_ONE = (("palm", "link_13"), ("link_12", "link_14"))
"""Links that nearly touch in every posture, besides parent and child, which MuJoCo excludes by itself."""


def add_hand(spec: mujoco.MjSpec, hand: HandModel, layout: SkinLayout, position_m: Array, rotation: Array) -> None:
    """Add the hand at a palm pose in the world, held by the mocap body `wrist`; motors are named like the joints."""
    pose = {"pos": position_m, "quat": _wxyz(rotation)}
    spec.compiler.degree = False
    spec.worldbody.add_body(name=WRIST, mocap=True, **pose)
    palm = spec.worldbody.add_body(name=PALM, **pose)
    palm.add_freejoint(name=PALM)
    _add_box(palm, hand.palm_box_size_m, hand.palm_box_centre_m, hand.palm_mass_kg)
    for finger in range(4):
        _add_finger(spec, palm, hand, finger)
    for pad in layout.pads:
        _add_pad(spec.body(pad.link), pad, layout.positions_m["vendor"][pad.taxels])
    _set_palm_inertia(palm, hand, layout)
    palm.gravcomp = _hand_mass_kg(hand, layout) / palm.mass
    _add_weld(spec)
    for first, second in _ADJACENT_BUT_ONE:
        spec.add_exclude(bodyname1=first, bodyname2=second)


def _set_palm_inertia(palm: mujoco.MjsBody, hand: HandModel, layout: SkinLayout) -> None:
    """The palm as a box with its pads, carried by an arm."""
    palm.explicitinertial = True
    palm.mass = hand.palm_mass_kg + _pad_mass_kg(layout, PALM)
    palm.ipos = hand.palm_box_centre_m
    squares = np.asarray(hand.palm_box_size_m) ** 2
    palm.inertia = palm.mass / 12 * (squares.sum() - squares) + ARM_INERTIA_KG_M2


def _add_weld(spec: mujoco.MjSpec) -> None:
    """Hold the palm to the mocap body. The palm's gravity compensation carries the whole hand, so it does not sag."""
    weld = spec.add_equality(name=WRIST, type=mujoco.mjtEq.mjEQ_WELD, name1=WRIST, name2=PALM)
    weld.objtype = mujoco.mjtObj.mjOBJ_BODY
    weld.data = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0]  # anchor, relative pose (none), torque scale, unused
    weld.solref, weld.solimp = WELD_SOLREF, WELD_SOLIMP


def _add_finger(spec: mujoco.MjSpec, palm: mujoco.MjsBody, hand: HandModel, finger: int) -> None:
    parent = palm
    rotations = rotation_from_rpy(hand.joint_rpy_rad[finger])
    for j in range(4):
        k = 4 * finger + j
        parent = parent.add_body(name=f"link_{k}", pos=hand.joint_xyz_m[finger, j], quat=_wxyz(rotations[j]))
        _add_motor_joint(spec, parent, hand, k)
        _add_box(parent, *link_box_m(hand, k), hand.link_mass_kg[k])


def _add_motor_joint(spec: mujoco.MjSpec, link: mujoco.MjsBody, hand: HandModel, k: int) -> None:
    link.add_joint(
        name=f"joint_{k}",
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=hand.joint_axis.reshape(16, 3)[k],
        range=[hand.lower_rad[k], hand.upper_rad[k]],
        limited=True,
        armature=JOINT_ARMATURE_KG_M2,
        damping=[JOINT_DAMPING_NM_S_PER_RAD, 0, 0],
        frictionloss=JOINT_FRICTION_NM,
    )
    motor = spec.add_actuator(name=f"joint_{k}", target=f"joint_{k}", trntype=mujoco.mjtTrn.mjTRN_JOINT)
    motor.set_to_motor()
    motor.forcelimited = True
    limit_nm = float(motor_limit_nm(hand)[k])
    motor.forcerange = [-limit_nm, limit_nm]


def motor_limit_nm(hand: HandModel) -> Array:
    """(16,) largest torques of a hand's motors, Nm."""
    return hand_scale(hand.name, V4_HARDWARE_VERSION if is_v4(hand.name) else None).torque_limit_nm


def _add_box(body: mujoco.MjsBody, size_m: Array, centre_m: Array, mass_kg: float) -> None:
    colour = GRAPHITE if body.name == PALM else SHELL
    body.add_geom(
        name=f"{body.name}_box",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=np.asarray(size_m) / 2,
        pos=centre_m,
        mass=float(mass_kg),
        rgba=colour,
    )


def _add_pad(link: mujoco.MjsBody, pad: Pad, taxels_m: Array) -> None:
    """Add the geom of one pad: a box from the link's face up to the taxel plane, or the round shell of a tip."""
    if pad.kind == "curved":
        half_length_m, centre = tip_shell_m(taxels_m)
        shape, size, turn = mujoco.mjtGeom.mjGEOM_CAPSULE, [TIP_SHELL_RADIUS_M, half_length_m, 0], np.eye(3)
    else:
        half = np.abs((taxels_m - pad.position_m) @ pad.rotation).max(0) + FLAT_PAD_PITCH_M[pad.kind] / 2
        box = link.first_geom()
        half[2] = flat_pad_thickness_m(pad, 2 * box.size, box.pos) / 2
        shape, size, turn = mujoco.mjtGeom.mjGEOM_BOX, half, pad.rotation
        centre = pad.position_m - pad.rotation[:, 2] * half[2]
    link.add_geom(
        name=pad.name,
        type=shape,
        size=size,
        pos=centre,
        quat=_wxyz(turn),
        mass=PAD_MASS_KG[pad.kind],
        friction=SKIN_FRICTION,
        solref=SKIN_SOLREF,
        solimp=SKIN_SOLIMP,
        priority=1,
        condim=4,
        rgba=SKIN,
    )


def _pad_mass_kg(layout: SkinLayout, link: str = "") -> float:
    return sum(PAD_MASS_KG[pad.kind] for pad in layout.pads if link in ("", pad.link))


def _hand_mass_kg(hand: HandModel, layout: SkinLayout) -> float:
    return float(hand.palm_mass_kg + hand.link_mass_kg.sum() + _pad_mass_kg(layout))


def _wxyz(rotation: Array) -> Array:
    """MuJoCo's quaternion order."""
    return np.roll(quaternion_from_rotation(rotation), 1)
