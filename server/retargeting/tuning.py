"""Every weight of the retargeting in one place: what a posture is asked to be, and how long the solver may look.

Everything that is weighed is a length in metres that should be zero: how far each fingertip is from the scaled human
one, how far each bone points astray (times a lever), how far the joints are from rest (times a small lever), how far
the gap of a pinch is from the wanted one, and how deep two links are inside each other's margin. Nothing looks at an
earlier frame, so the same hand gives the same joints whatever came before.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from skin_teleop.transforms import Array


@dataclass(frozen=True, slots=True)
class Tuning:
    """All numbers are doubles, in this order, for the compiled solver (`native/hand.h` has the same struct)."""

    finger_steps: float = 6
    """Most steps of each finger alone."""
    soft_steps: float = 6
    """Most steps of all fingers together while links may still pass each other."""
    hand_steps: float = 14
    """Most steps of all fingers together, with pinches and collisions."""
    projections: float = 3
    """Most projections out of a collision."""
    allowed_depth_m: float = 0.0007
    """A projection follows where the real shapes are deeper than this in each other."""
    bound_depth_m: float = 0.00095
    """Where projections leave more than this, the hand goes back towards rest: no answer is deeper."""
    box_depth_m: float = 0.0003
    """Depth of the real shapes that a projection aims at."""
    box_weight: float = 6.0
    turn_weight_m: float = 0.002
    """What a projection pays for turning a joint by 1 rad."""
    tip_weight: float = 1.0
    thumb_weight: float = 1.2
    """The thumb comes first: it has the fewest ways to reach a place."""
    proximal_weight_m: float = 0.006
    """A bone 1 rad astray weighs as much as a fingertip that is this many metres off."""
    middle_weight_m: float = 0.008
    distal_weight_m: float = 0.006
    rest_weight_m: float = 0.003
    """A joint 1 rad from rest weighs as much as a fingertip that is 3 mm off."""
    abduction_weight_m: float = 0.006
    """The same for a finger's abduction, which a straight finger leaves open and which would flip from side to side."""
    pinch_near_m: float = 0.018
    """A thumb and a finger nearer than this are meant to touch."""
    pinch_far_m: float = 0.045
    """Farther than this each goes its own way; between both the pinch blends in without a step or a memory."""
    pinch_gap_m: float = 0.001
    """Between the tips' surfaces: the middle of the 0 to 2 mm that let a soft tip touch without pressing."""
    pinch_gap_per_m: float = 0.9
    """How the wanted gap opens with the human distance beyond `pinch_near_m`."""
    pinch_weight: float = 5.0
    pinch_tip_weight: float = 0.35
    """What is left of a pinching finger's own weights; the thumb keeps its own."""
    apart_margin_m: float = 0.004
    """Tips whose human counterparts are far apart stay this far from touching, so that no false pinch appears."""
    margin_m: float = 0.001
    """What every other pair of links keeps."""
    collision_weight: float = 6.0
    soft_collision_weight: float = 0.3
    """At first: a finger caught on the wrong side of its neighbour is pulled through to where its target is."""

    def record(self) -> Array:
        """(N,) float64 in the order of the fields."""
        return np.array(dataclasses.astuple(self), float)
