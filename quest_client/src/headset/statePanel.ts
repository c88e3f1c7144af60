/** The state in plain words, the link and the recorder, on a plate in front of the operator. */

import type { Link } from "../link/link";
import { Board, FONT, plate } from "../scene/board";
import { STATE_COLOURS } from "../scene/colours";

const HEADLINES: Record<string, string> = {
  disarmed: "Not armed",
  armed: "Armed, holding still",
  engaged: "The robot follows you",
};

export interface LocalFigures {
  posesPerSecond: number;
  handsSeen: string;
}

/** What the operator should know first, and why it is so. */
export function headline(link: Link): { title: string; why: string; colour: string } {
  if (link.connection === "refused") return { title: "Refused", why: link.reason, colour: STATE_COLOURS.lost };
  if (link.connection !== "open") return { title: "No server", why: link.freshRefusal || link.reason, colour: STATE_COLOURS.lost };
  if (link.freshRefusal) return { title: HEADLINES[link.state] ?? link.state, why: link.freshRefusal, colour: STATE_COLOURS.lost };
  if (link.stopped) return { title: "Robot hand off", why: link.stopped, colour: STATE_COLOURS.lost };
  const why = link.slow ? "the link is slow: waiting for the server" : link.holdReason || link.cause;
  return { title: HEADLINES[link.state] ?? link.state, why, colour: STATE_COLOURS[link.state] };
}

/** How this operator lets the robot follow: by the hand that is free, and where none is, without a gesture. */
export function howToHold(link: Pick<Link, "bothHands" | "drivenHand">): string {
  if (link.bothHands) return "hold space bar, pedal or controller; both hands drive";
  return `hold a pinch of ${link.drivenHand === "right" ? "left" : "right"} thumb and middle finger`;
}

export class StatePanel {
  readonly board = new Board(0.46, 0.33);

  show(link: Link, local: LocalFigures): void {
    const head = headline(link);
    const lines = [recorderLine(link), `To move: ${howToHold(link)}`, ...linkLines(link, local)];
    this.board.draw(JSON.stringify([head, lines]), (context, width, height) => {
      plate(context, width, height, "rgba(15,18,22,0.86)");
      context.textBaseline = "top";
      context.fillStyle = head.colour;
      context.font = `72px ${FONT}`;
      context.fillText(head.title, 44, 36, width - 88);
      context.fillStyle = "#aab4bf";
      context.font = `34px ${FONT}`;
      context.fillText(head.why, 46, 130, width - 92);
      context.font = `30px ${FONT}`;
      lines.forEach((line, row) => {
        context.fillStyle = row === 0 && link.recorder?.state === "recording" ? "#e0705b" : "#8a94a0";
        context.fillText(line, 46, 220 + 54 * row, width - 92);
      });
    });
  }
}

function recorderLine(link: Link): string {
  const status = link.recorder;
  if (!status) return "Recorder: no word yet";
  if (status.state === "recording") return `Recording ${sessionName(status.session)}${sessionFigures(link)}`;
  if (status.state === "failed") return `Recorder failed: ${status.message}`;
  const last = sessionName(status.last_sealed);
  return status.state === "sealing" ? "Sealing the session" : `Recorder ready${last ? `, last ${last}` : ""}`;
}

function sessionName(path: string): string {
  return (path.split("/").pop() ?? "").replace(/\.rec$/, "");
}

/** How long, how large, and what room is left. */
export function sessionFigures(link: Link): string {
  const seconds = link.report?.session_s;
  const megabytes = (link.recorder?.wal_bytes ?? 0) / 1e6;
  return seconds == null ? "" : `, ${seconds.toFixed(0)} s, ${megabytes.toFixed(1)} MB`;
}

/** What a session fills, and whose hand drives. */
function storeLines(link: Link): string[] {
  const report = link.report;
  if (!report) return ["Disk: no word yet"];
  const quality = report.calibration_quality;
  const measured = quality === null ? "not calibrated" : `calibration ${report.calibration_version}, quality ${quality.toFixed(2)}`;
  const lost = Object.values(report.dropped).reduce((sum, n) => sum + n, 0);
  return [
    `Disk: ${report.disk_free_gb.toFixed(0)} GB free, ${lost} rows lost`,
    `Operator: ${report.operator}, ${measured}`,
  ];
}

function age(link: Link): string {
  const { age_p50_ms: p50 = null, age_p95_ms: p95 = null } = link.report ?? {};
  return p50 === null || p95 === null ? "age not measured" : `age ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`;
}

function linkLines(link: Link, local: LocalFigures): string[] {
  const report = link.report;
  const rtt = report?.rtt_ms == null ? "not measured" : `${report.rtt_ms.toFixed(1)} ms`;
  const rejected = Object.values(link.ack?.rejected ?? {}).reduce((sum, n) => sum + n, 0);
  return [
    ...storeLines(link),
    `Link: round trip ${rtt}, ${age(link)}`,
    `Poses: ${link.sent} sent, ${link.replaced} replaced, ${rejected} rejected`,
    `Hands: ${local.handsSeen}, ${local.posesPerSecond} new poses a second`,
    `Robot hand: ${report?.hand_state ?? "unknown"}${report?.simulated ? ", simulated" : ""}`,
  ];
}
