import { describe, expect, it } from "vitest";
import { DeadMan } from "../src/xr/deadMan";
import { HandReader, INDEX_TIP, LEFT, MIDDLE_TIP, RIGHT, THUMB_TIP } from "../src/xr/hands";
import { MarkGesture } from "../src/xr/markGesture";

const SQUEEZE = 1;
const FACE = 4;

/** A controller with some buttons pressed. */
function controller(handedness: XRHandedness, ...pressed: number[]): XRInputSource {
  const buttons = Array.from({ length: 6 }, (_, k) => ({ pressed: pressed.includes(k) }));
  return { handedness, gamepad: { buttons } } as unknown as XRInputSource;
}

const noHands = new HandReader();

describe("a controller", () => {
  it("holds with the squeeze of the hand that does not drive, and with nothing else", () => {
    const held = (...sources: XRInputSource[]) => new DeadMan().held(noHands, RIGHT, null, sources);
    expect(held(controller("left", SQUEEZE))).toBe(true);
    expect(held(controller("left", 0, 2, 3, 4))).toBe(false);
    expect(held(controller("right", SQUEEZE))).toBe(false);
    expect(new DeadMan().held(noHands, LEFT, null, [controller("right", SQUEEZE)])).toBe(true);
    expect(held({ ...controller("left", SQUEEZE), hand: {} } as XRInputSource)).toBe(false);
    expect(held({ handedness: "left" } as XRInputSource)).toBe(false);
  });

  it("must let go of the squeeze after a reset, and the page says so", () => {
    const deadMan = new DeadMan();
    deadMan.demandNewHold();
    expect(deadMan.held(noHands, RIGHT, null, [controller("left", SQUEEZE)])).toBe(false);
    expect(deadMan.reason).toContain("recentred");
    expect(deadMan.held(noHands, RIGHT, null, [controller("left")])).toBe(false);
    expect(deadMan.reason).toBe("");
    expect(deadMan.held(noHands, RIGHT, null, [controller("left", SQUEEZE)])).toBe(true);
  });

  it("marks once a press of its face button", () => {
    const marks = new MarkGesture();
    const made = [[], [FACE], [FACE], [], [FACE]].map((pressed, k) =>
      marks.made(noHands, RIGHT, false, [controller("left", ...pressed)], 10 * k),
    );
    expect(made).toEqual([false, true, false, false, true]);
    expect(new MarkGesture().made(noHands, RIGHT, false, [controller("right", FACE)], 0)).toBe(false);
  });
});

describe("the index finger that joins the held pinch", () => {
  const pinch = (indexGap: number) => {
    const reader = new HandReader();
    reader.valid[LEFT] = reader.valid[RIGHT] = true;
    reader.pose.set([0.4, 1, 0], 7 * THUMB_TIP);
    reader.pose.set([0.41, 1, 0], 7 * MIDDLE_TIP);
    reader.pose.set([0.4 + indexGap, 1, 0], 7 * INDEX_TIP);
    return reader;
  };
  const marks = (gaps: number[], stepMs = 100, pinching = true) => {
    const gesture = new MarkGesture();
    return gaps.map((gap, k) => gesture.made(pinch(gap), RIGHT, pinching, [], stepMs * k));
  };

  it("marks once each time it comes, with hysteresis", () => {
    expect(marks([0.06, 0.06, 0.06, 0.06, 0.01, 0.03, 0.01, 0.06, 0.01])).toEqual([
      false, false, false, false, true, false, false, false, true,
    ]);
  });

  it("does not mark while the pinch has only begun, or when it began with that finger", () => {
    expect(marks([0.06, 0.01, 0.01, 0.01, 0.01])).toEqual(Array(5).fill(false));
    expect(marks([0.01, 0.01, 0.01, 0.01, 0.01])).toEqual(Array(5).fill(false));
  });

  it("does not mark without the hold", () => {
    expect(marks([0.06, 0.06, 0.06, 0.06, 0.01], 100, false)).toEqual(Array(5).fill(false));
  });
});
