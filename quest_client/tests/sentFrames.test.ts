import { describe, expect, it } from "vitest";
import { SentFrames } from "../src/link/sentFrames";
import { POSE_FRAME_BYTES } from "../src/protocol/messages";
import { encodePoseFrame, number, FLOATS_PER_HAND } from "../src/protocol/poseFrame";

function sent(seq: number): ArrayBuffer {
  const frame = encodePoseFrame({ flags: 7, tCaptureMs: 1000 + seq, displayDeltaMs: 0, pose: new Float32Array(2 * FLOATS_PER_HAND).fill(seq) });
  number(frame, seq, 0);
  return frame;
}

const seqs = (frames: ArrayBuffer) =>
  Array.from({ length: frames.byteLength / POSE_FRAME_BYTES }, (_, k) => new DataView(frames).getUint32(k * POSE_FRAME_BYTES + 4, true));

describe("the frames kept for a trace", () => {
  it("are none before the first", () => expect(new SentFrames(4).inOrder().byteLength).toBe(0));

  it("are every byte of what was sent, in order", () => {
    const kept = new SentFrames(4);
    const frames = [1, 2, 3].map(sent);
    frames.forEach((frame) => kept.add(frame));
    expect(new Uint8Array(kept.inOrder())).toEqual(new Uint8Array(frames.flatMap((frame) => [...new Uint8Array(frame)])));
  });

  it.each([
    [4, [1, 2, 3, 4]],
    [5, [2, 3, 4, 5]],
    [11, [8, 9, 10, 11]],
  ])("after %i frames are the last four", (count, expected) => {
    const kept = new SentFrames(4);
    for (let seq = 1; seq <= count; seq++) kept.add(sent(seq));
    expect(seqs(kept.inOrder())).toEqual(expected);
  });

  it("are copied: what is handed out may be given away", () => {
    const kept = new SentFrames(2);
    kept.add(sent(1));
    const first = kept.inOrder();
    structuredClone(first, { transfer: [first] });
    expect(seqs(kept.inOrder())).toEqual([1]);
  });
});
