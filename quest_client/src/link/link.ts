/** The page's end of the socket's worker: what was heard last, and whom to tell. */

import { decodeDisplayFrame, type DisplayFrame } from "../protocol/displayFrame";
import type { Ack, CalibrationProgress, FromDesk, FromOperator, FromServer, RecorderStatus, StatusReport } from "../protocol/messages";
import type { FromWorker, ToWorker } from "./workerMessages";

/** How long a refusal is told before the state's own words come back. */
const REFUSAL_MS = 6000;

export type Connection = "connecting" | "open" | "lost" | "refused";

export class Link {
  connection: Connection = "connecting";
  reason = "";
  /** Why the socket closed last. */
  closeCode = 0;
  state = "disarmed";
  cause = "not armed yet";
  /** Why nobody can arm until a person disarms, and what to do; empty where it can be armed. */
  stopped = "";
  drivenHand: "left" | "right" = "right";
  /** Both of the operator's hands drive a robot hand each, so neither is free for a gesture. */
  bothHands = false;
  rig = "";
  ack: Ack | null = null;
  recorder: RecorderStatus | null = null;
  report: StatusReport | null = null;
  calibration: CalibrationProgress | null = null;
  picture: DisplayFrame | null = null;
  private refusal = "";
  private refusedAtMs = -Infinity;
  /** Why this page does not let the operator's hold count; empty where it does. */
  holdReason = "";
  sent = 0;
  replaced = 0;
  slow = false;
  onNews: (message: FromServer) => void = () => {};
  onPicture: (picture: DisplayFrame) => void = () => {};
  onConnection: () => void = () => {};
  onTrace: (frames: ArrayBuffer) => void = () => {};
  private readonly worker = new Worker(new URL("./linkWorker.ts", import.meta.url), { type: "module" });

  constructor() {
    this.worker.onerror = () => this.become("lost", "a part of this page did not start: reload the page");
    this.worker.onmessage = (event: MessageEvent<FromWorker>) => this.hear(event.data);
  }

  /** Connect, and again whenever the connection is lost; to be called when everything that listens stands. */
  open(path: "/ws/operator" | "/ws/desk", token: string): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.order({ kind: "open", url: `${scheme}://${location.host}${path}`, token, watch: path === "/ws/operator" });
  }

  /** What the server refused just now, or what could not be sent. */
  get freshRefusal(): string {
    return performance.now() - this.refusedAtMs < REFUSAL_MS ? this.refusal : "";
  }

  say(message: FromOperator | FromDesk): void {
    this.order({ kind: "say", message });
  }

  /** Hand a frame over; its buffer belongs to the worker from now on. */
  pose(frame: ArrayBuffer): void {
    this.order({ kind: "pose", frame }, [frame]);
  }

  /** `onTrace` is told the frames that were sent last. */
  askForTrace(): void {
    this.order({ kind: "trace" });
  }

  private order(order: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(order, { transfer });
  }

  private hear(told: FromWorker): void {
    switch (told.kind) {
      case "open":
        this.become("open", "");
        break;
      case "closed":
        this.state = "disarmed";
        this.calibration = null;
        this.closeCode = told.code;
        this.become(told.final ? "refused" : "lost", told.reason || "the server does not answer; trying again");
        break;
      case "news":
        this.remember(told.message);
        this.onNews(told.message);
        break;
      case "picture":
        this.picture = decodeDisplayFrame(told.frame);
        if (this.picture) this.onPicture(this.picture);
        break;
      case "trace":
        this.onTrace(told.frames);
        break;
      case "window":
        this.sent = told.sent;
        this.replaced = told.replaced;
        this.slow = told.full;
    }
  }

  private become(connection: Connection, reason: string): void {
    this.connection = connection;
    this.reason = reason;
    this.onConnection();
  }

  private remember(message: FromServer): void {
    if (message.type === "hello") {
      this.drivenHand = message.driven_hand;
      this.bothHands = message.both_hands;
      this.rig = message.rig;
      this.state = message.state;
      this.stopped = message.stopped;
    } else if (message.type === "ack" || message.type === "state") {
      this.state = message.state;
      this.cause = message.reason;
      this.stopped = message.stopped;
      if (message.type === "ack") this.ack = message;
    } else if (message.type === "recorder") this.recorder = message.status;
    else if (message.type === "status") this.report = message.report;
    else if (message.type === "calibration") this.calibration = message;
    else if (message.type === "refused") {
      this.refusal = message.reason;
      this.refusedAtMs = performance.now();
    }
  }
}
