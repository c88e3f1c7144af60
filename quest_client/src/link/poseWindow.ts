/** Newest-wins slot and in-flight window: `bufferedAmount` hides kernel buffers, acknowledgements do not. */

import { number } from "../protocol/poseFrame";

/** Frames that may be under way: about 90 ms at 90 Hz. */
export const WINDOW = 8;

export class PoseWindow {
  sent = 0;
  replaced = 0;
  ackSeq = 0;
  private slot: ArrayBuffer | null = null;

  /** A new connection: sequence numbers start anew and nothing old is sent. */
  restart(): void {
    this.sent = 0;
    this.ackSeq = 0;
    this.slot = null;
  }

  /** The link is slow while the window is full. */
  get full(): boolean {
    return this.sent - this.ackSeq >= WINDOW;
  }

  /** Offer a frame; returns it numbered when it may be sent now, else it waits and replaces an older one. */
  offer(frame: ArrayBuffer): ArrayBuffer | null {
    if (!this.full) return this.release(frame);
    if (this.slot) this.replaced += 1;
    this.slot = frame;
    return null;
  }

  /** The server has read up to `seq`; returns the waiting frame when it may be sent now. */
  acknowledge(seq: number): ArrayBuffer | null {
    this.ackSeq = Math.max(this.ackSeq, Math.min(seq, this.sent));
    const waiting = this.slot;
    if (!waiting || this.full) return null;
    this.slot = null;
    return this.release(waiting);
  }

  private release(frame: ArrayBuffer): ArrayBuffer {
    this.sent += 1;
    number(frame, this.sent, this.ackSeq);
    return frame;
  }
}
