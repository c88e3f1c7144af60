/** The page's end of the socket's worker: what was heard last, and whom to tell. */

import { decodeDisplayFrame, type DisplayFrame } from "../protocol/displayFrame";
import type { Ack, CalibrationProgress, FromDesk, FromOperator, FromServer, RecorderStatus, StatusReport } from "../protocol/messages";
import type { FromWorker, ToWorker } from "./workerMessages";

export type Connection = "connecting" | "open" | "lost" | "refused";

export class Link {
  connection: Connection = "connecting";
  reason = "";
  state = "disarmed";
  cause = "not armed yet";
  drivenHand: "left" | "right" = "right";
  rig = "";
  ack: Ack | null = null;
  recorder: RecorderStatus | null = null;
  report: StatusReport | null = null;
  calibration: CalibrationProgress | null = null;
  picture: DisplayFrame | null = null;
  refusal = "";
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

  constructor(path: "/ws/operator" | "/ws/desk", token: string) {
    this.worker.onmessage = (event: MessageEvent<FromWorker>) => this.hear(event.data);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.order({ kind: "open", url: `${scheme}://${location.host}${path}`, token, watch: path === "/ws/operator" });
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
      this.rig = message.rig;
      this.state = message.state;
    } else if (message.type === "ack" || message.type === "state") {
      this.state = message.state;
      this.cause = message.reason;
      if (message.type === "ack") this.ack = message;
    } else if (message.type === "recorder") this.recorder = message.status;
    else if (message.type === "status") this.report = message.report;
    else if (message.type === "calibration") this.calibration = message;
    else if (message.type === "refused") this.refusal = message.reason;
  }
}
