/** The frames that were sent last, for a trace: a fixed piece of memory, so that a long session never fills the headset. */

import { POSE_FRAME_BYTES } from "../protocol/messages";

/** Five minutes at 90 Hz: 38 MB. */
export const KEPT_FRAMES = 5 * 60 * 90;

export class SentFrames {
  private ring: Uint8Array<ArrayBuffer> | null = null;
  private count = 0;

  constructor(private readonly kept = KEPT_FRAMES) {}

  /** Remember a frame as it went out; the oldest is forgotten where there is no room. */
  add(frame: ArrayBuffer): void {
    // Written to at once: the memory is taken now or never, not bit by bit while the robot is driven.
    this.ring ??= new Uint8Array(this.kept * POSE_FRAME_BYTES).fill(0);
    this.ring.set(new Uint8Array(frame), (this.count % this.kept) * POSE_FRAME_BYTES);
    this.count += 1;
  }

  /** The frames in the order they were sent, one behind the other, byte for byte. */
  inOrder(): ArrayBuffer {
    if (!this.ring) return new ArrayBuffer(0);
    const held = Math.min(this.count, this.kept);
    const oldest = (this.count % this.kept) * POSE_FRAME_BYTES;
    if (held < this.kept) return this.ring.slice(0, oldest).buffer;
    const ordered = new Uint8Array(this.ring.length);
    ordered.set(this.ring.subarray(oldest));
    ordered.set(this.ring.subarray(0, oldest), this.ring.length - oldest);
    return ordered.buffer;
  }
}
