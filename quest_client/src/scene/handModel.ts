/** The robot hand's numbers (from /api/hand) and where its links are for given joint angles. */

import { Matrix4, Quaternion, Vector3 } from "three";

type Triple = [number, number, number];

export interface HandDrawing {
  joint_xyz_m: Triple[];
  joint_quaternion: [number, number, number, number][];
  joint_axis: Triple[];
  tip_xyz_m: Triple[];
  lower_rad: number[];
  upper_rad: number[];
  link_box_size_m: Triple[];
  link_box_centre_m: Triple[];
  palm_box_size_m: Triple;
  palm_box_centre_m: Triple;
  taxel_link: number[];
  taxel_pad: number[];
  taxel_xyz_m: Triple[];
  taxel_normal: Triple[];
  taxel_tangent: Triple[];
  pad_names: string[];
}

export async function loadHandDrawing(): Promise<HandDrawing> {
  return (await (await fetch("/api/hand")).json()) as HandDrawing;
}

/** Pose of all sixteen links in the palm frame; the joint turns its link about its axis after the fixed transform. */
export function linkMatrices(drawing: HandDrawing, angles: ArrayLike<number>, out: Matrix4[]): Matrix4[] {
  const turn = new Quaternion();
  const fixed = new Quaternion();
  const one = new Vector3(1, 1, 1);
  for (let joint = 0; joint < 16; joint++) {
    turn.setFromAxisAngle(new Vector3(...drawing.joint_axis[joint]), angles[joint]);
    fixed.set(...drawing.joint_quaternion[joint]).multiply(turn);
    out[joint] ??= new Matrix4();
    out[joint].compose(new Vector3(...drawing.joint_xyz_m[joint]), fixed, one);
    if (joint % 4 !== 0) out[joint].premultiply(out[joint - 1]);
  }
  return out;
}

/** As `TIP_RADIUS_M` of skin_teleop/hand.py. */
const BARE_TIP_M = 0.012;

/** Half extents of a fingertip in its link's axes, m: those of the curved pad that it wears, else of the bare ball. */
export function tipHalfExtents(drawing: HandDrawing, finger: number): Triple {
  const tip = drawing.tip_xyz_m[finger];
  const half: Triple = [BARE_TIP_M, BARE_TIP_M, BARE_TIP_M];
  drawing.taxel_xyz_m.forEach((taxel, k) => {
    if (drawing.taxel_link[k] !== 4 * finger + 3 || !drawing.pad_names[drawing.taxel_pad[k]].endsWith("aftc")) return;
    half.forEach((most, axis) => (half[axis] = Math.max(most, Math.abs(taxel[axis] - tip[axis]))));
  });
  return half;
}

/** Joints within this of a limit are drawn in the colour of limits, rad. */
const NEAR_LIMIT_RAD = 0.03;

export function atLimit(drawing: HandDrawing, joint: number, angle: number): boolean {
  return angle < drawing.lower_rad[joint] + NEAR_LIMIT_RAD || angle > drawing.upper_rad[joint] - NEAR_LIMIT_RAD;
}
