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

  it("mark begin and end, keep and discard only after a recording", () => {
    const link = fakeLink({ recorder: { state: "recording" } });
    const choices = new Choices(link);
    button(link, 1, 1, choices).push();
    button(link, 1, 1, choices).push();
    expect(link.said.map((message) => "edge" in message && message.edge)).toEqual(["begin", "end"]);
    expect(button(link, 1, 2, choices).face().look).toBe("wait");
    button(link, 0, 3, choices).push();
    link.recorder = { ...link.recorder!, state: "idle" };
    expect(button(link, 1, 2, choices).face().look).toBe("good");
    button(link, 1, 3, choices).push();
    expect(link.said.slice(2)).toEqual([{ type: "stop_recording" }, { type: "discard" }]);
    expect(button(link, 1, 3, choices).face().look).toBe("wait");
  });
});

it("says first what the operator must do", () => {
  const recentred = fakeLink({ holdReason: "the view was recentred: let go, then hold again", cause: "dead-man let go" });
  expect(headline(recentred).why).toContain("recentred");
  expect(headline(fakeLink({ slow: true })).why).toContain("link is slow");
  expect(headline(fakeLink({ connection: "lost", reason: "gone" })).title).toBe("No server");
});
