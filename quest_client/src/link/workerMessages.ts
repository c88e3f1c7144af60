/** What the page and its socket's worker say to each other. */

import type { FromDesk, FromOperator, FromServer } from "../protocol/messages";

export type ToWorker =
  | { kind: "open"; url: string; token: string; watch: boolean }
  | { kind: "pose"; frame: ArrayBuffer }
  | { kind: "say"; message: FromOperator | FromDesk }
  | { kind: "trace" };

export type FromWorker =
  | { kind: "open" }
  | { kind: "closed"; code: number; reason: string; final: boolean }
  | { kind: "news"; message: FromServer }
  | { kind: "picture"; frame: ArrayBuffer }
  | { kind: "trace"; frames: ArrayBuffer }
  | { kind: "window"; sent: number; ackSeq: number; replaced: number; full: boolean };
