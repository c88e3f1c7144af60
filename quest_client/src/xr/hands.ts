/** Both hands of one XR frame as the wire wants them; a hand that is not tracked is zeros and an unset flag. */

import { Flag, N_HAND_JOINTS } from "../protocol/messages";
import { FLOATS_PER_HAND } from "../protocol/poseFrame";

export const LEFT = 0;
export const RIGHT = 1;
export type Side = typeof LEFT | typeof RIGHT;
/** The hand that does not drive and may make gestures; null where both drive. */
export type FreeHand = Side | null;
export const WRIST = 0;
export const THUMB_TIP = 4;
export const INDEX_TIP = 9;
export const MIDDLE_TIP = 14;

export class HandReader {
  /** Left hand, then right: 25 joints of position and quaternion xyzw. */
  readonly pose = new Float32Array(2 * FLOATS_PER_HAND);
  readonly valid: [boolean, boolean] = [false, false];
  private readonly matrices = new Float32Array(16 * N_HAND_JOINTS);
  private readonly spaces = new WeakMap<XRHand, XRJointSpace[]>();

  /** Read both hands of a frame; hands are looked up by handedness, since input sources come and go. */
  read(frame: XRFrame, space: XRReferenceSpace, sources: Iterable<XRInputSource>): void {
    this.valid[LEFT] = this.valid[RIGHT] = false;
    this.pose.fill(0);
    for (const source of sources) {
      if (!source.hand || source.handedness === "none") continue;
      this.readHand(frame, space, source.hand, source.handedness === "left" ? LEFT : RIGHT);
    }
  }

  /** Validity bits of the frame's flags. */
  get flags(): number {
    return (this.valid[LEFT] ? Flag.LEFT_VALID : 0) | (this.valid[RIGHT] ? Flag.RIGHT_VALID : 0);
  }

  /** Position of a joint, m, in the reference space. */
  joint(side: Side, joint: number): [number, number, number] {
    const at = side * FLOATS_PER_HAND + 7 * joint;
    return [this.pose[at], this.pose[at + 1], this.pose[at + 2]];
  }

  private readHand(frame: XRFrame, space: XRReferenceSpace, hand: XRHand, side: Side): void {
    let joints = this.spaces.get(hand);
    if (!joints) this.spaces.set(hand, (joints = [...hand.values()]));
    if (!frame.fillPoses?.(joints, space, this.matrices) || !this.matrices.every(Number.isFinite)) return;
    for (let joint = 0; joint < N_HAND_JOINTS; joint++) {
      poseFromMatrix(this.matrices, 16 * joint, this.pose, side * FLOATS_PER_HAND + 7 * joint);
    }
    this.valid[side] = true;
  }
}

/** Position and unit quaternion xyzw of a column-major rigid matrix; the largest component is taken first. */
export function poseFromMatrix(m: Float32Array, at: number, out: Float32Array, to: number): void {
  const [xx, yx, zx] = [m[at], m[at + 1], m[at + 2]];
  const [xy, yy, zy] = [m[at + 4], m[at + 5], m[at + 6]];
  const [xz, yz, zz] = [m[at + 8], m[at + 9], m[at + 10]];
  let q: [number, number, number, number];
  if (xx + yy + zz > 0) q = [zy - yz, xz - zx, yx - xy, 1 + xx + yy + zz];
  else if (xx > yy && xx > zz) q = [1 + xx - yy - zz, xy + yx, xz + zx, zy - yz];
  else if (yy > zz) q = [xy + yx, 1 - xx + yy - zz, yz + zy, xz - zx];
  else q = [xz + zx, yz + zy, 1 - xx - yy + zz, yx - xy];
  const length = Math.hypot(...q);
  for (let k = 0; k < 3; k++) out[to + k] = m[at + 12 + k];
  for (let k = 0; k < 4; k++) out[to + 3 + k] = q[k] / length;
}
