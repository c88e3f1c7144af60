/** Keys 1 to 5 give the emulated hand the shapes of the guided calibration, any other digit its own. */

import { P_JOINT_SPACE, P_SPACE, type XRDevice } from "iwer";
import shapes from "./shapes.json";

const ORDER: (keyof typeof shapes)[] = ["open", "fist", "touch_index", "touch_middle", "touch_ring"];
const JOINT_RADIUS_M = 0.008;

type Hand = NonNullable<XRDevice["hands"]["right"]>;

/** While a shape is chosen, the hand's joints are those of `shapes.json`: m in the wrist frame, as the server's tests use. */
export function shapeByKeys(hand: Hand): void {
  const ownPose = hand.updateHandPose.bind(hand);
  let joints: number[][] | null = null;
  addEventListener("keydown", (event) => {
    const digit = /^Digit(\d)$/.exec(event.code);
    if (digit) joints = shapes[ORDER[Number(digit[1]) - 1]] ?? null;
  });
  hand.updateHandPose = () => (joints ? place(hand, joints) : ownPose());
}

function place(hand: Hand, joints: number[][]): void {
  [...(hand.inputSource.hand?.values() ?? [])].forEach((space, joint) => {
    const matrix = space[P_SPACE].offsetMatrix as Float32Array;
    matrix.fill(0);
    matrix[0] = matrix[5] = matrix[10] = matrix[15] = 1;
    matrix.set(joints[joint], 12);
    space[P_JOINT_SPACE].radius = JOINT_RADIUS_M;
  });
}
