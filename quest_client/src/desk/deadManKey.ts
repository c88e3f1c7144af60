/** The dead-man at the desk: a held button, the space bar, or a pedal that types it. Said again while it is held. */

import type { Link } from "../link/link";

const REPEAT_MS = 50;

export class DeadManKey {
  private timer: number | undefined;

  constructor(
    private readonly link: Link,
    private readonly button: HTMLElement,
  ) {
    window.addEventListener("keydown", (event) => {
      if (event.code !== "Space" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      this.hold();
    });
    window.addEventListener("keyup", (event) => event.code === "Space" && this.letGo());
    window.addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => this.letGo());
    button.addEventListener("pointerdown", () => this.hold());
    for (const end of ["pointerup", "pointerleave", "pointercancel"]) button.addEventListener(end, () => this.letGo());
  }

  private hold(): void {
    if (this.timer !== undefined) return;
    const say = () => this.link.say({ type: "dead_man", held: true });
    say();
    this.timer = window.setInterval(say, REPEAT_MS);
    this.button.classList.add("held");
  }

  private letGo(): void {
    if (this.timer === undefined) return;
    window.clearInterval(this.timer);
    this.timer = undefined;
    this.link.say({ type: "dead_man", held: false });
    this.button.classList.remove("held");
  }
}
