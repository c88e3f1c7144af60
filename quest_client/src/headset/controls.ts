/** What the operator can do without taking the headset off: arm, stop, choose, record, mark, keep or discard. */

import type { Link } from "../link/link";
import type { FromDesk } from "../protocol/messages";
import type { ButtonSpec } from "./buttons";
import { calibrating } from "./calibrationBoard";
import { LEFT, RIGHT, type Side } from "../xr/hands";
import { OperatorChoice } from "./operatorChoice";

const COUNTDOWN_S = 3;

export class Choices {
  private objectAt = 0;
  private actionAt = 0;
  /** Seconds left before the recording begins, 0 when none is about to. */
  countdown = 0;
  readonly operator: OperatorChoice;

  constructor(private readonly link: Link) {
    this.operator = new OperatorChoice(link);
  }

  get object(): string {
    return pick(this.link.report?.objects, this.objectAt, "none");
  }

  get action(): string {
    return pick(this.link.report?.actions, this.actionAt, "squeeze");
  }

  nextObject(): void {
    this.objectAt += 1;
  }

  nextAction(): void {
    this.actionAt += 1;
  }

  get recording(): boolean {
    return this.link.recorder?.state === "recording";
  }

  startOrStop(): void {
    if (this.recording) this.link.say({ type: "stop_recording" });
    else if (this.countdown === 0) this.count(COUNTDOWN_S);
  }

  mark(): void {
    const open = this.link.recorder?.marking;
    this.link.say({ type: "mark", label: open || this.action, edge: open ? "end" : "begin" });
  }

  judge(verdict: Extract<FromDesk["type"], "keep" | "discard">): void {
    this.link.say({ type: verdict });
  }

  private count(left: number): void {
    this.countdown = left;
    if (left > 0) setTimeout(() => this.count(left - 1), 1000);
    else this.link.say({ type: "start_recording", object: this.object, plan: [this.action], operator: this.operator.name });
  }
}

/** Hands whose fingers push any button: while the robot follows, not those that drive it, which may pass by. */
export function mayPush(link: Pick<Link, "state" | "drivenHand" | "bothHands">): Side[] {
  if (link.state !== "engaged") return [LEFT, RIGHT];
  if (link.bothHands) return [];
  return [link.drivenHand === "right" ? LEFT : RIGHT];
}

/** The plate's buttons, two rows of five; nothing can be armed while a calibration runs. */
export function controls(link: Link, choices: Choices): ButtonSpec[] {
  const open = () => link.connection === "open";
  const judging = () => open() && link.recorder?.unjudged === true;
  return [
    {
      row: 0,
      column: 0,
      face: () => (mayArm(link) ? { label: "Arm", look: open() && !calibrating(link) ? "good" : "wait" } : { label: "Disarm", look: "plain" }),
      push: () => link.say({ type: mayArm(link) ? "arm" : "disarm" }),
    },
    { row: 0, column: 1, face: () => ({ label: choices.object, look: "plain" }), push: () => choices.nextObject() },
    { row: 0, column: 2, face: () => ({ label: choices.action, look: "plain" }), push: () => choices.nextAction() },
    { row: 0, column: 3, face: () => recordFace(link, choices), push: () => choices.startOrStop() },
    {
      row: 1,
      column: 0,
      face: () => ({ label: "STOP", look: "danger" }),
      push: () => link.say({ type: "emergency_stop" }),
      always: true,
    },
    {
      row: 1,
      column: 1,
      face: () => ({ label: link.recorder?.marking ? "End mark" : "Mark", look: choices.recording ? "plain" : "wait" }),
      push: () => choices.mark(),
    },
    { row: 1, column: 2, face: () => ({ label: "Keep", look: judging() ? "good" : "wait" }), push: () => choices.judge("keep") },
    {
      row: 0,
      column: 4,
      face: () => ({ label: choices.operator.name, look: calibrating(link) ? "wait" : "plain" }),
      push: () => choices.operator.next(),
    },
    { row: 1, column: 4, face: () => calibrateFace(link), push: () => calibrateOrCancel(link) },
    {
      row: 1,
      column: 3,
      face: () => ({ label: "Discard", look: judging() ? "danger" : "wait" }),
      push: () => choices.judge("discard"),
    },
  ];
}

/** After a stop or a fault the same button disarms first, which acknowledges it. */
function mayArm(link: Link): boolean {
  return link.state === "disarmed" && !link.stopped;
}

function calibrateFace(link: Link): ReturnType<ButtonSpec["face"]> {
  if (calibrating(link)) return { label: "Cancel", look: "plain" };
  return { label: "Calibrate", look: link.connection === "open" && link.state === "disarmed" ? "plain" : "wait" };
}

function calibrateOrCancel(link: Link): void {
  link.say({ type: calibrating(link) ? "stop_calibrating" : "calibrate" });
}

function recordFace(link: Link, choices: Choices): ReturnType<ButtonSpec["face"]> {
  if (choices.countdown > 0) return { label: `in ${choices.countdown}`, look: "wait" };
  if (choices.recording) return { label: "Stop recording", look: "danger" };
  return { label: "Record", look: link.connection === "open" && link.recorder?.state === "idle" ? "good" : "wait" };
}

function pick(list: string[] | undefined, at: number, otherwise: string): string {
  return list && list.length > 0 ? list[at % list.length] : otherwise;
}
