/** Controllers beside the hands, as browsers offer them that track both together. */

import { LEFT, type FreeHand } from "./hands";

/** Those in the free hand; where both hands drive, all of them. */
export function controllers(sources: Iterable<XRInputSource>, free: FreeHand): XRInputSource[] {
  const handedness = free === LEFT ? "left" : "right";
  return [...sources].filter((source) => !source.hand && (free === null || source.handedness === handedness));
}

/** Whether a button, by its index in the gamepad, is down on any of them. */
export function pressedOn(sources: XRInputSource[], button: number): boolean {
  return sources.some((source) => source.gamepad?.buttons[button]?.pressed);
}
