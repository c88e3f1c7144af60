/** How many distinct poses a second the headset really delivers: frames may repeat a pose. */

const REMEMBERED_MS = 1000;

export class PoseRate {
  private stamps: number[] = [];
  private last = NaN;

  /** Note a frame: a number that changes when the hand moves, and when it was, ms. */
  note(signature: number, atMs: number): void {
    if (signature !== this.last) this.stamps.push(atMs);
    this.last = signature;
    while (this.stamps.length > 0 && this.stamps[0] < atMs - REMEMBERED_MS) this.stamps.shift();
  }

  get perSecond(): number {
    return this.stamps.length;
  }
}
