/** The socket lives here, so that rendering never delays a pose, an ack or the answer to a clock question. */

import { PROTOCOL, TOKEN_PREFIX, type FromServer } from "../protocol/messages";
import { nextStep } from "./afterClose";
import { PoseWindow } from "./poseWindow";
import { SentFrames } from "./sentFrames";
import { UnheardOrder } from "./unheardOrder";
import type { FromWorker, ToWorker } from "./workerMessages";

const REPORT_MS = 200;

const poses = new PoseWindow();
const sent = new SentFrames();
const unheard = new UnheardOrder();
let socket: WebSocket | null = null;
/** The server said hello on this socket: whatever is said now is heard. */
let greeted = false;
let everGreeted = false;
let wanted: Extract<ToWorker, { kind: "open" }> | null = null;

const tell = (message: FromWorker, transfer: Transferable[] = []) => self.postMessage(message, { transfer });
const clockMs = () => performance.timeOrigin + performance.now();

function connect(): void {
  if (!wanted) return;
  const opened = new WebSocket(wanted.url, [PROTOCOL, TOKEN_PREFIX + wanted.token]);
  opened.binaryType = "arraybuffer";
  opened.onmessage = (event) => (typeof event.data === "string" ? hear(event.data) : show(event.data));
  opened.onclose = (event) => lost(event);
  socket = opened;
  poses.restart();
}

function lost(event: CloseEvent): void {
  socket = null;
  greeted = false;
  const retryMs = nextStep(event.code, everGreeted);
  tell({ kind: "closed", code: event.code, reason: event.reason, final: retryMs === null });
  if (retryMs !== null) setTimeout(connect, retryMs);
}

function hear(text: string): void {
  const message = JSON.parse(text) as FromServer;
  if (message.type === "ping") {
    socket?.send(JSON.stringify({ type: "pong", id: message.id, t_client_ms: clockMs() }));
    return;
  }
  if (message.type === "hello") {
    greeted = everGreeted = true;
    tell({ kind: "open" });
    const due = unheard.dueAfter(message);
    if (due) socket?.send(JSON.stringify(due));
    if (wanted?.watch) socket?.send(JSON.stringify({ type: "watch" }));
  }
  if (message.type === "state") unheard.hear(message);
  if (message.type === "ack") sendPose(poses.acknowledge(message.seq));
  tell({ kind: "news", message });
}

function say(message: Extract<ToWorker, { kind: "say" }>["message"]): void {
  unheard.note(message);
  if (greeted) socket?.send(JSON.stringify(message));
  const words = greeted ? "" : unheard.wordsFor(message);
  if (words) tell({ kind: "news", message: { type: "refused", reason: words } });
}

function show(frame: ArrayBuffer): void {
  tell({ kind: "picture", frame }, [frame]);
}

function sendPose(frame: ArrayBuffer | null): void {
  if (!frame || socket?.readyState !== WebSocket.OPEN) return;
  socket.send(frame);
  sent.add(frame);
}

self.onmessage = (event: MessageEvent<ToWorker>) => {
  const order = event.data;
  const ready = socket?.readyState === WebSocket.OPEN;
  if (order.kind === "open") {
    wanted = order;
    connect();
  } else if (order.kind === "pose") {
    if (ready) sendPose(poses.offer(order.frame));
  } else if (order.kind === "say") {
    say(order.message);
  } else {
    const frames = sent.inOrder();
    tell({ kind: "trace", frames }, [frames]);
  }
};

setInterval(() => {
  tell({ kind: "window", sent: poses.sent, ackSeq: poses.ackSeq, replaced: poses.replaced, full: poses.full });
}, REPORT_MS);
