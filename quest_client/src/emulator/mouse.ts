/** A mouse and a few keys as two hands. */

import type { XRDevice } from "iwer";

/** How far the hand reaches from the middle of the window to its edge, m. */
const REACH_M = 0.35;
const WHEEL_M = 0.0004;
/** A pinch closes and opens as fast as a person's; a leap would be held as a tracking fault. */
const PINCH_MS = 150;
const STEP_MS = 10;

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
  const pinch = glide((value) => right.updatePinchValue(value));
  addEventListener("pointerdown", () => pinch(1));
  addEventListener("pointerup", () => pinch(0));
}

/** Moves a value that starts at 0 towards the one asked for last, evenly in time, a whole unit in `PINCH_MS`. */
export function glide(apply: (value: number) => void): (wanted: number) => void {
  let value = 0;
  let wanted = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  let before = 0;
  const step = () => {
    const now = performance.now();
    const most = (now - before) / PINCH_MS;
    before = now;
    value += Math.min(most, Math.max(-most, wanted - value));
    apply(value);
    if (value === wanted) timer = void clearInterval(timer);
  };
  return (next) => {
    wanted = next;
    if (timer !== undefined) return;
    before = performance.now();
    timer = setInterval(step, STEP_MS);
  };
}
