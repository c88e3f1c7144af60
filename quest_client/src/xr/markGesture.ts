/**
 * A mark without a button: while the hold's pinch is on, the index finger joins it for a moment. With a controller in
 * that hand, its lower face button (X or A) marks; where both hands drive, that of any controller, and no gesture does.
 */

import { controllers, pressedOn } from "./controllers";
import { INDEX_TIP, THUMB_TIP, type FreeHand, type HandReader, type Side } from "./hands";

const CLOSE_M = 0.02;
const OPEN_M = 0.035;
/** A pinch that begins with the index finger near it is no mark. */
const SETTLED_MS = 300;
const FACE_BUTTON = 4;

export class MarkGesture {
  private holdingSinceMs = Infinity;
  private down = true;
  private buttonDown = false;

  /** Whether a mark is made in this frame; `pinching`: the hold is a pinch of the free hand. */
  made(hands: HandReader, free: FreeHand, pinching: boolean, sources: Iterable<XRInputSource>, nowMs: number): boolean {
    const joins = free !== null && this.joins(hands, free, pinching, nowMs);
    return [joins, this.pressed(sources, free)].includes(true);
  }

  private joins(hands: HandReader, side: Side, pinching: boolean, nowMs: number): boolean {
    if (!pinching) {
      this.holdingSinceMs = Infinity;
      return false;
    }
    if (this.holdingSinceMs === Infinity) this.holdingSinceMs = nowMs;
    const [tx, ty, tz] = hands.joint(side, THUMB_TIP);
    const [ix, iy, iz] = hands.joint(side, INDEX_TIP);
    const gap = Math.hypot(tx - ix, ty - iy, tz - iz);
    const settled = nowMs - this.holdingSinceMs >= SETTLED_MS;
    const before = settled ? this.down : true;
    this.down = before ? gap < OPEN_M : gap < CLOSE_M;
    return settled && this.down && !before;
  }

  private pressed(sources: Iterable<XRInputSource>, free: FreeHand): boolean {
    const before = this.buttonDown;
    this.buttonDown = pressedOn(controllers(sources, free), FACE_BUTTON);
    return this.buttonDown && !before;
  }
}
