/** Who operates, typed where there is a keyboard; and the guided calibration, watched and started from the desk. */

import { calibrating } from "../headset/calibrationBoard";
import type { Link } from "../link/link";

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;

export class OperatorControls {
  constructor(private readonly link: Link) {
    element<HTMLFormElement>("operator").onsubmit = (event) => {
      event.preventDefault();
      this.link.say({ type: "operator", name: element<HTMLInputElement>("operator-name").value });
    };
    element("calibrate").onclick = () => this.link.say({ type: calibrating(this.link) ? "stop_calibrating" : "calibrate" });
  }

  show(): void {
    const { report, calibration } = this.link;
    if (!report) return;
    const names = element<HTMLDataListElement>("operators");
    if (names.options.length !== report.operators.length) {
      names.replaceChildren(...report.operators.map((name) => new Option(name, name)));
    }
    const running = calibrating(this.link);
    element("calibrate").textContent = running ? "Cancel" : "Calibrate";
    element<HTMLButtonElement>("calibrate").disabled = !report.connected;
    element("operator-state").textContent =
      running && calibration
        ? `${calibration.operator}: ${calibration.words}, ${Math.round(100 * calibration.progress)} % of step ${calibration.steps_done + 1}`
        : calibration?.step === "failed"
          ? calibration.words
          : `${report.operator}: ${measured(report.calibration_quality, report.calibration_version)}`;
  }
}

function measured(quality: number | null, version: number): string {
  if (quality === null) return "not calibrated, the rig's scale is used";
  return `calibration ${version || "of the rig file"}, quality ${quality.toFixed(2)}`;
}
