/** A mouse and a few keys as two hands. */

import type { XRDevice } from "iwer";

/** How far the hand reaches from the middle of the window to its edge, m. */
const REACH_M = 0.35;
const WHEEL_M = 0.0004;

export function driveByMouse(device: XRDevice): void {
  const { left, right } = device.hands;
  if (!left || !right) return;
  let depth = -0.35;
  left.position.set(-0.25, 1.15, -0.3);
  right.position.set(0.15, 1.25, depth);
  addEventListener("pointermove", (event) => {
    const x = (2 * event.clientX) / innerWidth - 1;
    const y = 1 - (2 * event.clientY) / innerHeight;
    right.position.set(REACH_M * x, 1.25 + REACH_M * y, depth);
  });
  addEventListener("wheel", (event) => {
    depth = Math.min(-0.1, Math.max(-0.7, depth + WHEEL_M * event.deltaY));
    right.position.set(right.position.x, right.position.y, depth);
  });
  addEventListener("pointerdown", () => right.updatePinchValue(1));
  addEventListener("pointerup", () => right.updatePinchValue(0));
}
