import { describe, expect, it } from "vitest";
import { RETRY_MS, SEAT_RETRY_MS, nextStep } from "../src/link/afterClose";
import { UnheardOrder } from "../src/link/unheardOrder";
import {
  CLOSE_ORIGIN, CLOSE_REPLACED, CLOSE_SEAT, CLOSE_TOKEN, STOPPED, type FromDesk, type FromOperator, type Hello,
} from "../src/protocol/messages";

type Order = FromOperator | FromDesk;

describe("after a close", () => {
  it("asks again unless the server does not know the page", () => {
    for (const code of [1000, 1006, 1011, 1012]) expect(nextStep(code, true)).toBe(RETRY_MS);
    for (const code of [CLOSE_TOKEN, CLOSE_ORIGIN, CLOSE_REPLACED]) expect(nextStep(code, true)).toBeNull();
  });

  it("waits for a seat that it had, and takes nobody else's later", () => {
    expect(nextStep(CLOSE_SEAT, true)).toBe(SEAT_RETRY_MS);
    expect(nextStep(CLOSE_SEAT, false)).toBeNull();
  });
});

describe("an order that may not have been heard", () => {
  const after = (...orders: Order["type"][]) => {
    const unheard = new UnheardOrder();
    for (const type of orders) unheard.note({ type } as Order);
    return unheard;
  };
  const due = (unheard: UnheardOrder, state: Hello["state"] = "engaged") => unheard.dueAfter({ state })?.type;

  it("is kept when it ends motion, and forgotten when the server answered it", () => {
    expect(due(after("arm"))).toBeUndefined();
    const disarm = after("disarm");
    expect(due(disarm)).toBe("disarm");
    disarm.hear({ state: "armed", reason: "no frame for 100 ms" });
    expect(due(disarm)).toBe("disarm");
    disarm.hear({ state: "disarmed", reason: "operator disarmed" });
    expect(due(disarm)).toBeUndefined();
  });

  it("stays an emergency stop, whatever is said after it", () => {
    expect(due(after("disarm", "emergency_stop", "disarm", "zero", "stand_down"))).toBe("emergency_stop");
  });

  it("stays an emergency stop through old news that was still on its way", () => {
    const stop = after("emergency_stop");
    stop.hear({ state: "armed", reason: "no frame for 100 ms" });
    stop.hear({ state: "disarmed", reason: "connection closed: code 1006" });
    expect(due(stop, "disarmed")).toBe("emergency_stop");
    stop.hear({ state: "disarmed", reason: STOPPED });
    expect(due(stop, "disarmed")).toBeUndefined();
  });

  it("never disarms what stands already: that would acknowledge a stop that came after it", () => {
    const disarm = after("disarm");
    expect(due(disarm, "disarmed")).toBeUndefined();
    expect(due(disarm, "armed")).toBeUndefined();
  });

  it("is told to the person, unless nobody waits for an answer", () => {
    const unheard = after("emergency_stop");
    expect(unheard.wordsFor({ type: "emergency_stop" })).toBe("no server: emergency stop is sent as soon as it answers");
    expect(after("disarm").wordsFor({ type: "disarm" })).toBe("no server: disarm is sent when it answers, if the robot is armed then");
    expect(unheard.wordsFor({ type: "stop_recording" })).toBe("no server: stop recording was not sent");
    expect(unheard.wordsFor({ type: "dead_man", held: true })).toBe("");
    expect(unheard.wordsFor({ type: "stand_down" })).toBe("");
  });
});
