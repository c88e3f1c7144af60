/** Record, mark, keep and discard from the desk. */

import { sessionFigures } from "../headset/statePanel";
import type { Link } from "../link/link";

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;

export class RecorderControls {
  private readonly object = element<HTMLSelectElement>("object");
  private readonly action = element<HTMLSelectElement>("action");

  constructor(private readonly link: Link) {
    element("record").onclick = () => this.startOrStop();
    element("mark").onclick = () => this.mark();
    element("keep").onclick = () => this.link.say({ type: "keep" });
    element("discard").onclick = () => this.link.say({ type: "discard" });
  }

  show(): void {
    fill(this.object, this.link.report?.objects ?? []);
    fill(this.action, this.link.report?.actions ?? []);
    const status = this.link.recorder;
    const recording = status?.state === "recording";
    const name = (path: string) => path.split("/").pop() ?? "";
    const words: Record<string, string> = {
      idle: status?.last_sealed ? `ready; last session ${name(status.last_sealed)}` : "ready",
      recording: `recording ${name(status?.session ?? "")}${sessionFigures(this.link)}`,
      sealing: "sealing the session",
      failed: `failed: ${status?.message}`,
    };
    element("recorder").textContent = status ? words[status.state] : "no word yet";
    element("record").textContent = recording ? "Stop" : "Record";
    element("record").className = recording ? "danger" : "good";
    element("mark").textContent = status?.marking ? "End mark" : "Mark";
    element<HTMLButtonElement>("mark").disabled = !recording;
    for (const id of ["keep", "discard"]) {
      element<HTMLButtonElement>(id).disabled = !status?.unjudged;
    }
  }

  private startOrStop(): void {
    if (this.link.recorder?.state === "recording") {
      this.link.say({ type: "stop_recording" });
      return;
    }
    const [object, plan] = [this.object.value, [this.action.value]];
    this.link.say({ type: "start_recording", object, plan, operator: this.link.report?.operator ?? "anonymous" });
  }

  private mark(): void {
    const open = this.link.recorder?.marking;
    this.link.say({ type: "mark", label: open || this.action.value, edge: open ? "end" : "begin" });
  }
}

function fill(select: HTMLSelectElement, values: string[]): void {
  if (select.options.length === values.length) return;
  select.replaceChildren(...values.map((value) => new Option(value, value)));
}
