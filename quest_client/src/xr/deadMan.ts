/**
 * The dead-man: a hold of the hand that does not drive. A pinch of thumb and middle finger counts, never the index
 * pinch and never one with the palm towards the face, because the headset's system uses those. A controller's squeeze
 * in that hand and the space bar (or a pedal that types it) count too. Where both hands drive, no pinch counts: what a
 * hand does is meant for its robot hand; there the squeeze of any controller is a hold.
 */

import { INDEX_TIP, MIDDLE_TIP, THUMB_TIP, WRIST, type FreeHand, type HandReader, type Side } from "./hands";
import { controllers, pressedOn } from "./controllers";

const CLOSE_M = 0.02;
const OPEN_M = 0.035;
/** Cosine between the palm's normal and the direction to the face above which a pinch may not begin. */
const FACING = 0.6;
const SQUEEZE_BUTTON = 1;

export class DeadMan {
  keyHeld = false;
  /** Whether the hold is a pinch now. */
  pinched = false;
  /** After a reset the hold must be let go and taken again, so that nothing moves by surprise. */
  private mustLetGo = false;

  /** Why a hold does not count, or an empty text. */
  get reason(): string {
    return this.mustLetGo ? "the view was recentred: let go, then hold again" : "";
  }

  /** Something moved under the operator (reference space, tracking origin): demand a new hold. */
  demandNewHold(): void {
    this.mustLetGo = true;
  }

  /** Whether the hold is on in this frame. */
  held(hands: HandReader, free: FreeHand, face: DOMPointReadOnly | null, sources: Iterable<XRInputSource>): boolean {
    this.pinched = free !== null && hands.valid[free] && this.pinches(hands, free, face);
    const held = this.pinched || this.keyHeld || pressedOn(controllers(sources, free), SQUEEZE_BUTTON);
    if (!held) this.mustLetGo = false;
    return held && !this.mustLetGo;
  }

  private pinches(hands: HandReader, side: Side, face: DOMPointReadOnly | null): boolean {
    const thumb = hands.joint(side, THUMB_TIP);
    const middle = distance(thumb, hands.joint(side, MIDDLE_TIP));
    const index = distance(thumb, hands.joint(side, INDEX_TIP));
    if (this.pinched) return middle < OPEN_M;
    return middle < CLOSE_M && middle < index && !facesPalm(hands, side, face);
  }
}

/** Whether the palm (the wrist's -Y in WebXR) is turned towards the face. */
function facesPalm(hands: HandReader, side: Side, face: DOMPointReadOnly | null): boolean {
  if (!face) return false;
  const at = side * (hands.pose.length / 2) + 7 * WRIST;
  const [px, py, pz, qx, qy, qz, qw] = hands.pose.subarray(at, at + 7);
  const palm = [-2 * (qx * qy - qw * qz), -(1 - 2 * (qx * qx + qz * qz)), -2 * (qy * qz + qw * qx)];
  const to = [face.x - px, face.y - py, face.z - pz];
  const length = Math.hypot(to[0], to[1], to[2]) || 1;
  return (palm[0] * to[0] + palm[1] * to[1] + palm[2] * to[2]) / length > FACING;
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
