/** The socket lives here, so that rendering never delays a pose, an ack or the answer to a clock question. */

import { PROTOCOL, TOKEN_PREFIX, type FromServer } from "../protocol/messages";
import { PoseWindow } from "./poseWindow";
import { SentFrames } from "./sentFrames";
import type { FromWorker, ToWorker } from "./workerMessages";

const RETRY_MS = 500;
const REPORT_MS = 200;
/** Close codes from here on are the application's refusals; to ask again would not help. */
const FIRST_REFUSAL = 4400;

const poses = new PoseWindow();
const sent = new SentFrames();
let socket: WebSocket | null = null;
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
  const final = event.code >= FIRST_REFUSAL;
  tell({ kind: "closed", code: event.code, reason: event.reason, final });
  if (!final && wanted) setTimeout(connect, RETRY_MS);
}

function hear(text: string): void {
  const message = JSON.parse(text) as FromServer;
  if (message.type === "ping") {
    socket?.send(JSON.stringify({ type: "pong", id: message.id, t_client_ms: clockMs() }));
    return;
  }
  if (message.type === "hello") {
    tell({ kind: "open" });
    if (wanted?.watch) socket?.send(JSON.stringify({ type: "watch" }));
  }
  if (message.type === "ack") sendPose(poses.acknowledge(message.seq));
  tell({ kind: "news", message });
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
    if (ready) socket?.send(JSON.stringify(order.message));
  } else if (order.kind === "trace") {
    const frames = sent.inOrder();
    tell({ kind: "trace", frames }, [frames]);
  } else {
    wanted = null;
    socket?.close();
  }
};

setInterval(() => {
  tell({ kind: "window", sent: poses.sent, ackSeq: poses.ackSeq, replaced: poses.replaced, full: poses.full });
}, REPORT_MS);
