import { afterEach, describe, expect, it, vi } from "vitest";
import { Buttons } from "../src/headset/buttons";
import { DeadMan } from "../src/xr/deadMan";
import { howToHold } from "../src/headset/statePanel";
import { Choices, controls, mayPush } from "../src/headset/controls";
import type { Link } from "../src/link/link";
import { FLOATS_PER_HAND } from "../src/protocol/poseFrame";
import { HandReader, INDEX_TIP, LEFT, MIDDLE_TIP, RIGHT, THUMB_TIP, type FreeHand, type Side } from "../src/xr/hands";
import { MarkGesture } from "../src/xr/markGesture";

const SQUEEZE = 1;
const FACE = 4;

/** A controller with some buttons pressed. */
function controller(handedness: XRHandedness, ...pressed: number[]): XRInputSource {
  const buttons = Array.from({ length: 6 }, (_, k) => ({ pressed: pressed.includes(k) }));
  return { handedness, gamepad: { buttons } } as unknown as XRInputSource;
}

const noHands = new HandReader();

/** One hand in sight, the tip of its index finger at a point of the room. */
function fingerAt(side: Side, { x, y, z }: { x: number; y: number; z: number }): HandReader {
  const hands = new HandReader();
  hands.valid[side] = true;
  hands.pose.set([x, y, z], side * FLOATS_PER_HAND + 7 * INDEX_TIP);
  return hands;
}

describe("a controller", () => {
  it("holds with the squeeze of the free hand, and with nothing else", () => {
    const held = (...sources: XRInputSource[]) => new DeadMan().held(noHands, LEFT, null, sources);
    expect(held(controller("left", SQUEEZE))).toBe(true);
    expect(held(controller("left", 0, 2, 3, 4))).toBe(false);
    expect(held(controller("right", SQUEEZE))).toBe(false);
    expect(new DeadMan().held(noHands, RIGHT, null, [controller("right", SQUEEZE)])).toBe(true);
    expect(held({ ...controller("left", SQUEEZE), hand: {} } as XRInputSource)).toBe(false);
    expect(held({ handedness: "left" } as XRInputSource)).toBe(false);
  });

  it("must let go of the squeeze after a reset, and the page says so", () => {
    const deadMan = new DeadMan();
    deadMan.demandNewHold();
    expect(deadMan.held(noHands, LEFT, null, [controller("left", SQUEEZE)])).toBe(false);
    expect(deadMan.reason).toContain("recentred");
    expect(deadMan.held(noHands, LEFT, null, [controller("left")])).toBe(false);
    expect(deadMan.reason).toBe("");
    expect(deadMan.held(noHands, LEFT, null, [controller("left", SQUEEZE)])).toBe(true);
  });

  it("marks once a press of its face button", () => {
    const marks = new MarkGesture();
    const made = [[], [FACE], [FACE], [], [FACE]].map((pressed, k) =>
      marks.made(noHands, LEFT, false, [controller("left", ...pressed)], 10 * k),
    );
    expect(made).toEqual([false, true, false, false, true]);
    expect(new MarkGesture().made(noHands, LEFT, false, [controller("right", FACE)], 0)).toBe(false);
  });
});

/** Both hands pinch thumb and middle finger, with the index finger so far from them, m. */
function pinch(indexGap: number): HandReader {
  const reader = new HandReader();
  reader.valid[LEFT] = reader.valid[RIGHT] = true;
  for (const first of [0, reader.pose.length / 2]) {
    reader.pose.set([0.4, 1, 0], first + 7 * THUMB_TIP);
    reader.pose.set([0.41, 1, 0], first + 7 * MIDDLE_TIP);
    reader.pose.set([0.4 + indexGap, 1, 0], first + 7 * INDEX_TIP);
  }
  return reader;
}

describe("the index finger that joins the held pinch", () => {
  const marks = (gaps: number[], stepMs = 100, pinching = true) => {
    const gesture = new MarkGesture();
    return gaps.map((gap, k) => gesture.made(pinch(gap), LEFT, pinching, [], stepMs * k));
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

describe("two hands that drive", () => {
  const holds = (free: FreeHand, hands: HandReader, ...sources: XRInputSource[]) => {
    const deadMan = new DeadMan();
    return [deadMan.held(hands, free, null, sources), deadMan.pinched];
  };

  it("hold with no pinch of either", () => {
    expect(holds(LEFT, pinch(0.06))).toEqual([true, true]);
    expect(holds(RIGHT, pinch(0.06))).toEqual([true, true]);
    expect(holds(null, pinch(0.06))).toEqual([false, false]);
  });

  it("hold with the squeeze of any controller, beside whatever the hands do", () => {
    for (const side of ["left", "right"] as const) {
      expect(holds(null, pinch(0.06), controller(side, SQUEEZE))).toEqual([true, false]);
      expect(holds(null, noHands, controller(side, FACE))).toEqual([false, false]);
    }
    expect(holds(null, noHands, controller("right"), controller("left", SQUEEZE))).toEqual([true, false]);
  });

  it("hold with the key, which must be let go after a reset as well", () => {
    const deadMan = new DeadMan();
    const held = () => deadMan.held(pinch(0.06), null, null, []);
    deadMan.keyHeld = true;
    expect(held()).toBe(true);
    deadMan.demandNewHold();
    expect([held(), deadMan.reason]).toEqual([false, "the view was recentred: let go, then hold again"]);
    deadMan.keyHeld = false;
    expect([held(), deadMan.reason]).toEqual([false, ""]);
    deadMan.keyHeld = true;
    expect(held()).toBe(true);
  });

  it("mark with the face button of any controller, and with no finger", () => {
    const gesture = new MarkGesture();
    const made = [0.06, 0.06, 0.06, 0.06, 0.01].map((gap, k) => gesture.made(pinch(gap), null, true, [], 100 * k));
    expect(made).toEqual(Array(5).fill(false));
    const pressed = [controller("left"), controller("right", FACE)];
    expect([600, 700].map((now) => gesture.made(noHands, null, false, pressed, now))).toEqual([true, false]);
    expect(gesture.made(noHands, null, false, [controller("left", FACE), controller("right", FACE)], 800)).toBe(false);
  });

  it("are told how to hold instead", () => {
    const told = (bothHands: boolean, drivenHand: "left" | "right") => howToHold({ bothHands, drivenHand });
    expect(told(false, "right")).toBe("hold a pinch of left thumb and middle finger");
    expect(told(false, "left")).toBe("hold a pinch of right thumb and middle finger");
    expect(told(true, "right")).toBe("hold space bar, pedal or controller; both hands drive");
  });
});

describe("a finger at the buttons", () => {
  it("pushes with either hand, but never with one that drives the robot now", () => {
    const may = (state: string, drivenHand: "left" | "right", bothHands = false) => mayPush({ state, drivenHand, bothHands });
    expect(["disarmed", "armed"].map((state) => may(state, "right"))).toEqual([[LEFT, RIGHT], [LEFT, RIGHT]]);
    expect([may("engaged", "right"), may("engaged", "left")]).toEqual([[LEFT], [RIGHT]]);
    expect([may("engaged", "right", true), may("armed", "right", true)]).toEqual([[], [LEFT, RIGHT]]);
  });

  const pushes = () => {
    vi.stubGlobal("document", { createElement: () => ({ getContext: () => null }) });
    const pushed: string[] = [];
    const link = {
      state: "engaged",
      connection: "open",
      bothHands: true,
      drivenHand: "right",
      say: ({ type }: { type: string }) => pushed.push(type),
    } as unknown as Link;
    const specs = controls(link, new Choices(link));
    const stop = specs.find(({ face }) => face().label === "STOP")!;
    const disarm = specs.find(({ face }) => face().label === "Disarm")!;
    const buttons = new Buttons([stop, { ...disarm, row: 0, column: 0 }]);
    const at = buttons.group.children.map(({ position }) => position);
    return { link, pushed, buttons, stopAt: at[0], disarmAt: at[1] };
  };

  afterEach(() => vi.unstubAllGlobals());

  it("always pushes STOP, also with a hand that drives", () => {
    const { link, pushed, buttons, stopAt, disarmAt } = pushes();
    for (const place of [stopAt, disarmAt]) buttons.update(fingerAt(RIGHT, place), mayPush(link));
    expect(pushed).toEqual(["emergency_stop"]);
    buttons.update(noHands, mayPush(link));
    buttons.update(fingerAt(LEFT, stopAt), []);
    expect(pushed).toEqual(["emergency_stop", "emergency_stop"]);
  });

  it("pushes when it comes, not when the hand of a finger that is there may push again", () => {
    const { link, pushed, buttons, disarmAt } = pushes();
    buttons.update(fingerAt(RIGHT, disarmAt), mayPush(link));
    link.state = "armed"; // the operator let go
    for (let frame = 0; frame < 3; frame += 1) buttons.update(fingerAt(RIGHT, disarmAt), mayPush(link));
    expect(pushed).toEqual([]);
    buttons.update(noHands, mayPush(link));
    buttons.update(fingerAt(RIGHT, disarmAt), mayPush(link));
    expect(pushed).toEqual(["disarm"]);
  });

  it("pushes nothing that slept when it came", () => {
    const { link, pushed, buttons, disarmAt } = pushes();
    Object.assign(link, { state: "disarmed", connection: "lost", stopped: "", calibration: null });
    buttons.update(fingerAt(RIGHT, disarmAt), mayPush(link));
    link.connection = "open";
    buttons.update(fingerAt(RIGHT, disarmAt), mayPush(link));
    expect(pushed).toEqual([]);
    buttons.update(fingerAt(LEFT, disarmAt), mayPush(link));
    expect(pushed).toEqual(["arm"]);
  });
});
