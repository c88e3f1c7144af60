/** Who operates: chosen from names the server knows, remembered by this browser, told to the server at every connection. */

import type { Link } from "../link/link";

const KEPT_AS = "skin-teleop operator";

export class OperatorChoice {
  constructor(private readonly link: Link) {}

  get name(): string {
    return this.link.report?.operator ?? "anonymous";
  }

  /** The next name; the server then uses that operator's newest calibration. */
  next(): void {
    const names = this.link.report?.operators ?? [];
    const next = names[(names.indexOf(this.name) + 1) % names.length];
    if (!next) return;
    localStorage.setItem(KEPT_AS, next);
    this.link.say({ type: "operator", name: next });
  }

  /** A connection was opened: whoever chose a name in this browser is still here. */
  remind(): void {
    const name = localStorage.getItem(KEPT_AS);
    if (name) this.link.say({ type: "operator", name });
  }
}
