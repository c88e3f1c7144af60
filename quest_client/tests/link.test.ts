import { describe, expect, it } from "vitest";
import { RETRY_MS, SEAT_RETRY_MS, nextStep } from "../src/link/afterClose";
import { UnheardOrder } from "../src/link/unheardOrder";
import { CLOSE_ORIGIN, CLOSE_REPLACED, CLOSE_SEAT, CLOSE_TOKEN } from "../src/protocol/messages";

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
  it("is kept until the server tells a state, when it stops the hand", () => {
    const unheard = new UnheardOrder();
    unheard.note({ type: "arm" });
    expect(unheard.order).toBeNull();
    unheard.note({ type: "disarm" });
    expect(unheard.order).toEqual({ type: "disarm" });
    unheard.heard();
    expect(unheard.order).toBeNull();
  });

  it("stays an emergency stop, whatever is said after it", () => {
    const unheard = new UnheardOrder();
    for (const type of ["disarm", "emergency_stop", "disarm", "zero"] as const) unheard.note({ type });
    expect(unheard.order).toEqual({ type: "emergency_stop" });
  });

  it("is told to the person, unless nobody waits for an answer", () => {
    const unheard = new UnheardOrder();
    unheard.note({ type: "emergency_stop" });
    expect(unheard.wordsFor({ type: "emergency_stop" })).toBe("no server: emergency stop is sent as soon as it answers");
    expect(unheard.wordsFor({ type: "stop_recording" })).toBe("no server: stop recording was not sent");
    expect(unheard.wordsFor({ type: "dead_man", held: true })).toBe("");
  });
});
