/** From an XR frame to the wire: read the hands, judge the hold, send. */

import type { Link } from "../link/link";
import { Flag } from "../protocol/messages";
import { encodePoseFrame } from "../protocol/poseFrame";
import { DeadMan } from "../xr/deadMan";
import { HandReader, LEFT, RIGHT } from "../xr/hands";
import { MarkGesture } from "../xr/markGesture";
import { PoseRate } from "../xr/poseRate";

export class Uplink {
  readonly hands = new HandReader();
  readonly deadMan = new DeadMan();
  readonly rate = new PoseRate();
  onMark: () => void = () => {};
  private readonly marks = new MarkGesture();

  constructor(private readonly link: Link) {}

  /** Send one frame of a running session. */
  frame(frame: XRFrame, space: XRReferenceSpace, time: number): void {
    const { inputSources, visibilityState } = frame.session;
    const captured = performance.now();
    this.hands.read(frame, space, inputSources);
    const driven = this.link.drivenHand === "right" ? RIGHT : LEFT;
    const free = this.link.bothHands ? null : driven === RIGHT ? LEFT : RIGHT;
    const face = frame.getViewerPose(space)?.transform.position ?? null;
    const held = this.deadMan.held(this.hands, free, face, inputSources);
    this.link.holdReason = this.deadMan.reason;
    if (this.marks.made(this.hands, free, this.deadMan.pinched, inputSources, captured)) this.onMark();
    const clutch = held ? (free === RIGHT ? Flag.CLUTCH_RIGHT : Flag.CLUTCH_LEFT) : 0;
    const visible = visibilityState === "visible" ? Flag.VISIBLE : 0;
    const at = 7 * 9 + driven * (this.hands.pose.length / 2);
    this.rate.note(this.hands.pose[at] + this.hands.pose[at + 1] * 3 + this.hands.pose[at + 2] * 7, captured);
    this.send(this.hands.flags | clutch | visible, captured, time - captured);
  }

  /** The view has another origin: every hold must be let go, this one and the desk's, which the server watches. */
  recentred(): void {
    this.deadMan.demandNewHold();
    this.link.say({ type: "recentred" });
  }

  /** The page is not visible any more: say so at once, since frames may stop coming. */
  hold(): void {
    this.send(0, performance.now(), 0);
  }

  private send(flags: number, capturedMs: number, displayDeltaMs: number): void {
    const tCaptureMs = performance.timeOrigin + capturedMs;
    this.link.pose(encodePoseFrame({ flags, tCaptureMs, displayDeltaMs, pose: this.hands.pose }));
  }
}
