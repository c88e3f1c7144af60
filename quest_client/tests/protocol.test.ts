import { readFileSync } from "node:fs";
import { Vector3 } from "three";
import { describe, expect, it } from "vitest";
import { PoseWindow, WINDOW } from "../src/link/poseWindow";
import { decodeDisplayFrame } from "../src/protocol/displayFrame";
import { DISPLAY_BYTES, POSE_FRAME_BYTES } from "../src/protocol/messages";
import { FLOATS_PER_HAND, encodePoseFrame, number } from "../src/protocol/poseFrame";
import { linkMatrices, type HandDrawing } from "../src/scene/handModel";
import { strength } from "../src/scene/skin";
import { DeadMan } from "../src/xr/deadMan";
import { HandReader, LEFT, MIDDLE_TIP, RIGHT, THUMB_TIP, poseFromMatrix } from "../src/xr/hands";
import { PoseRate } from "../src/xr/poseRate";

const golden = JSON.parse(readFileSync(new URL("./golden.json", import.meta.url), "utf8"));
const drawing = golden.drawing as HandDrawing;
const hex = (bytes: ArrayBuffer) => Buffer.from(bytes).toString("hex");

describe("pose frame", () => {
  it.each(golden.pose_frames)("is the bytes that the server's tests have too", (frame: any) => {
    const pose = new Float32Array(2 * FLOATS_PER_HAND);
    pose.set(frame.first, 0);
    pose.set(frame.first, 2 * FLOATS_PER_HAND - 7);
    const { flags, t_capture_ms: tCaptureMs, display_delta_ms: displayDeltaMs } = frame;
    const bytes = encodePoseFrame({ flags, tCaptureMs, displayDeltaMs, pose });
    number(bytes, frame.seq, frame.ack_seq);
    expect(bytes.byteLength).toBe(POSE_FRAME_BYTES);
    expect(hex(bytes.slice(0, 52))).toBe(frame.head_hex);
    expect(hex(bytes.slice(-28))).toBe(frame.head_hex.slice(48));
  });
});

describe("display frame", () => {
  it("refuses what is not one", () => {
    expect(decodeDisplayFrame(new ArrayBuffer(DISPLAY_BYTES - 1))).toBeNull();
    expect(decodeDisplayFrame(new ArrayBuffer(DISPLAY_BYTES))).toBeNull();
  });

  it("reads what the server's tests wrote", () => {
    const bytes = Uint8Array.from(Buffer.from(golden.display_hex, "hex")).buffer;
    const frame = decodeDisplayFrame(bytes);
    expect(frame).toMatchObject({ measuredKnown: true, commandedKnown: false, skinKnown: true, skinStale: true, seq: 9 });
    expect(frame?.measured[15]).toBe(1.5);
    expect(frame?.palm[6]).toBe(1);
    expect(frame?.touch[3 * 367 + 2]).toBe(-1234);
  });
});

describe("window", () => {
  it("keeps the newest frame while too many are under way, and sends it on the ack", () => {
    const window = new PoseWindow();
    const frames = Array.from({ length: WINDOW + 3 }, () => new ArrayBuffer(POSE_FRAME_BYTES));
    const sent = frames.map((frame) => window.offer(frame)).filter((frame) => frame !== null);
    expect(sent.length).toBe(WINDOW);
    expect(window.replaced).toBe(2);
    expect(window.acknowledge(1)).toBe(frames[WINDOW + 2]);
    expect(new DataView(frames[WINDOW + 2]).getUint32(4, true)).toBe(WINDOW + 1);
    expect(new DataView(frames[WINDOW + 2]).getUint32(20, true)).toBe(1);
    expect(window.acknowledge(2)).toBeNull();
  });

  it("does not believe an ack of what was never sent, and starts anew", () => {
    const window = new PoseWindow();
    window.offer(new ArrayBuffer(POSE_FRAME_BYTES));
    window.acknowledge(99);
    expect(window.ackSeq).toBe(1);
    window.restart();
    expect([window.sent, window.ackSeq, window.full]).toEqual([0, 0, false]);
  });
});

describe("kinematics", () => {
  it.each(golden.postures)("agrees with the server's", (posture: any) => {
    const links = linkMatrices(drawing, posture.angles_rad, []);
    posture.tips_m.forEach((tip: number[], finger: number) => {
      const point = new Vector3(...drawing.tip_xyz_m[finger]).applyMatrix4(links[4 * finger + 3]);
      expect(point.distanceTo(new Vector3(tip[0], tip[1], tip[2]))).toBeLessThan(2e-6);
    });
  });

  it.each(golden.matrices)("takes quaternions from matrices", (given: any) => {
    const out = new Float32Array(7);
    poseFromMatrix(Float32Array.from(given.column_major), 0, out, 0);
    const sign = Math.sign(out[6] * given.quaternion[3]) || 1;
    given.quaternion.forEach((value: number, k: number) => expect(out[3 + k] * sign).toBeCloseTo(value, 5));
  });
});

describe("dead-man", () => {
  const hands = (gap: number) => {
    const reader = new HandReader();
    reader.valid[LEFT] = reader.valid[RIGHT] = true;
    for (let joint = 0; joint < 25; joint++) reader.pose.set([0.1 * joint, 1, 0, 0, 0, 0, 1], 7 * joint);
    reader.pose.set([0.4 + gap, 1, 0], 7 * MIDDLE_TIP);
    reader.pose.set([0.4, 1, 0], 7 * THUMB_TIP);
    return reader;
  };

  it("is a pinch of the free hand with hysteresis", () => {
    const deadMan = new DeadMan();
    expect([0.05, 0.01, 0.03, 0.05].map((gap) => deadMan.held(hands(gap), LEFT, null, []))).toEqual([
      false, true, true, false,
    ]);
    expect(deadMan.held(hands(0.01), RIGHT, null, [])).toBe(false);
  });

  it("does not begin with the palm towards the face", () => {
    const below = { x: 0, y: 0, z: 0 } as DOMPointReadOnly;
    expect(new DeadMan().held(hands(0.01), LEFT, below, [])).toBe(false);
  });

  it("must be let go after a reset", () => {
    const deadMan = new DeadMan();
    deadMan.demandNewHold();
    expect([0.01, 0.05, 0.01].map((gap) => deadMan.held(hands(gap), LEFT, null, []))).toEqual([false, false, true]);
  });
});

it("counts distinct poses only", () => {
  const rate = new PoseRate();
  [1, 1, 2, 2, 3].forEach((signature, k) => rate.note(signature, 10 * k));
  expect(rate.perSecond).toBe(3);
});

it("hides noise and ends at one", () => {
  expect([0, 59, -59].map(strength)).toEqual([0, 0, 0]);
  expect(strength(-30000)).toBe(1);
});
