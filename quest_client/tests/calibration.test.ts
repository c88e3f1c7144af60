import { describe, expect, it } from "vitest";
import { calibrating, ringText } from "../src/headset/calibrationBoard";
import { Choices, controls } from "../src/headset/controls";
import { headline } from "../src/headset/statePanel";
import type { Link } from "../src/link/link";
import type { CalibrationProgress, FromDesk, FromOperator } from "../src/protocol/messages";

const progress = (step: CalibrationProgress["step"], changes = {}): CalibrationProgress => ({
  type: "calibration", operator: "anna", step, steps_done: 1, steps: 5, progress: 0.4, words: "", quality: null, version: 0, ...changes,
});

/** A link that remembers what was said. */
function fakeLink(changes: Record<string, unknown> = {}): Link & { said: (FromOperator | FromDesk)[] } {
  const said: (FromOperator | FromDesk)[] = [];
  const link = {
    connection: "open", state: "disarmed", cause: "not armed yet", reason: "", holdReason: "", slow: false,
    recorder: { state: "idle" }, calibration: null, said, say: (message: FromOperator | FromDesk) => said.push(message),
    report: { objects: ["ball", "cloth"], actions: ["slide", "squeeze"], operator: "anna", operators: ["anonymous", "anna", "operator-1"] },
    ...changes,
  };
  return link as unknown as Link & { said: (FromOperator | FromDesk)[] };
}

const button = (link: Link, row: number, column: number, choices = new Choices(link)) =>
  controls(link, choices).find((spec) => spec.row === row && spec.column === column)!;

describe("calibration in the headset", () => {
  it("runs until it is done, failed or cancelled", () => {
    const running = ["open", "fist", "touch_index", "touch_middle", "touch_ring", "measuring"] as const;
    expect(running.map((step) => calibrating(fakeLink({ calibration: progress(step) })))).toEqual(Array(6).fill(true));
    const ended = ["done", "failed", "cancelled"] as const;
    expect(ended.map((step) => calibrating(fakeLink({ calibration: progress(step) })))).toEqual([false, false, false]);
    expect(calibrating(fakeLink())).toBe(false);
  });

  it("says how far it is, then the quality", () => {
    expect(ringText(progress("fist"))).toEqual(["40 %", "2 of 5"]);
    expect(ringText(progress("done", { quality: 0.925 }))).toEqual(["93", "quality of 100"]);
    expect(ringText(progress("failed"))[1]).toBe("failed");
  });

  it("begins and is cancelled by the same button, and nothing is armed meanwhile", () => {
    const idle = fakeLink();
    expect(button(idle, 1, 4).face()).toEqual({ label: "Calibrate", look: "plain" });
    button(idle, 1, 4).push();
    const running = fakeLink({ calibration: progress("open") });
    expect(button(running, 1, 4).face().label).toBe("Cancel");
    expect(button(running, 0, 0).face()).toEqual({ label: "Arm", look: "wait" });
    expect(button(running, 0, 4).face()).toEqual({ label: "anna", look: "wait" });
    button(running, 1, 4).push();
    expect([idle.said, running.said]).toEqual([[{ type: "calibrate" }], [{ type: "stop_calibrating" }]]);
    expect(button(fakeLink({ state: "armed" }), 1, 4).face().look).toBe("wait");
  });
});

describe("buttons", () => {
  it("start with what was chosen, for the operator who was chosen", async () => {
    const link = fakeLink();
    const choices = new Choices(link);
    button(link, 0, 1, choices).push();
    button(link, 0, 2, choices).push();
    choices.countdown = 0;
    (choices as unknown as { count(left: number): void }).count(0);
    expect(link.said).toEqual([{ type: "start_recording", object: "cloth", plan: ["squeeze"], operator: "anna" }]);
  });

  it("end the mark that is open, on whatever page and for whatever action it was begun", () => {
    const link = fakeLink({ recorder: { state: "recording", marking: "" } });
    button(link, 1, 1).push();
    link.recorder!.marking = "squeeze";
    expect(button(link, 1, 1).face().label).toBe("End mark");
    button(link, 1, 1).push();
    expect(link.said).toEqual([{ type: "mark", label: "slide", edge: "begin" }, { type: "mark", label: "squeeze", edge: "end" }]);
  });

  it("keep and discard only a session that waits for it", () => {
    const link = fakeLink({ recorder: { state: "recording", unjudged: false } });
    expect(button(link, 1, 2).face().look).toBe("wait");
    button(link, 0, 3).push();
    Object.assign(link, { recorder: { state: "idle", unjudged: true } });
    expect(button(link, 1, 2).face().look).toBe("good");
    button(link, 1, 3).push();
    expect(link.said).toEqual([{ type: "stop_recording" }, { type: "discard" }]);
  });

  it("disarm after a stop or a fault before they arm", () => {
    const faulty = fakeLink({ stopped: "the robot hand was stopped: push Disarm, then Arm" });
    expect(button(faulty, 0, 0).face().label).toBe("Disarm");
    button(faulty, 0, 0).push();
    button(fakeLink(), 0, 0).push();
    expect(faulty.said).toEqual([{ type: "disarm" }]);
    expect(headline(faulty).why).toBe("the robot hand was stopped: push Disarm, then Arm");
  });
});

it("says first what the operator must do", () => {
  const recentred = fakeLink({ holdReason: "the view was recentred: let go, then hold again", cause: "dead-man let go" });
  expect(headline(recentred).why).toContain("recentred");
  expect(headline(fakeLink({ slow: true, freshRefusal: "a calibration is being measured" })).why).toContain("measured");
  expect(headline(fakeLink({ slow: true })).why).toContain("link is slow");
  expect(headline(fakeLink({ connection: "lost", reason: "gone" })).title).toBe("No server");
});
