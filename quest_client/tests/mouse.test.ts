import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { glide } from "../src/emulator/mouse";

describe("the pinch of the mouse", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("closes in 150 ms without a leap, turns back on its way, and then rests", () => {
    const seen: number[] = [];
    const pinch = glide((value) => seen.push(value));
    pinch(1);
    vi.advanceTimersByTime(1000);
    const closing = seen.length;
    expect([15, 16]).toContain(closing);
    expect(seen.at(-1)).toBe(1);
    pinch(0);
    vi.advanceTimersByTime(60);
    pinch(1);
    vi.advanceTimersByTime(1000);
    expect(Math.min(...seen.slice(closing))).toBeCloseTo(0.6);
    expect(seen.at(-1)).toBe(1);
    const steps = seen.map((value, k) => Math.abs(value - (seen[k - 1] ?? 0)));
    expect(Math.max(...steps)).toBeLessThan(0.07);
  });
});
