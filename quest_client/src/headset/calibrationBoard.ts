/** The guided calibration in front of the operator: what to do now, a ring that fills, and what came of it. */

import type { Link } from "../link/link";
import type { CalibrationProgress } from "../protocol/messages";
import { Board, FONT, plate } from "../scene/board";
import { STATE_COLOURS } from "../scene/colours";

/** How long the result stays in sight, unless the operator arms: then the robot is more worth seeing. */
const RESULT_MS = 8000;
const TRACK = "#2a323c";
const DONE = STATE_COLOURS.engaged;
const ENDED: CalibrationProgress["step"][] = ["done", "failed", "cancelled"];
const GAP_RAD = 0.06;

/** Whether the operator is being led through it, or their hand is being measured. */
export function calibrating(link: Link): boolean {
  return link.calibration !== null && !ENDED.includes(link.calibration.step);
}

/** Large text in the ring, and small text beneath it. */
export function ringText(news: CalibrationProgress): [string, string] {
  if (news.step === "done") return [news.quality === null ? "none" : `${Math.round(100 * news.quality)}`, "quality of 100"];
  if (ENDED.includes(news.step)) return ["\u2013", news.step];
  if (news.step === "measuring") return ["\u2026", "measuring"];
  return [`${Math.round(100 * news.progress)} %`, `${news.steps_done + 1} of ${news.steps}`];
}

export class CalibrationBoard {
  readonly board = new Board(0.3, 0.3);
  private shown: CalibrationProgress | null = null;
  private hideAtMs = 0;

  constructor() {
    this.board.mesh.visible = false;
  }

  show(link: Link, nowMs: number): void {
    const news = link.calibration;
    if (news !== this.shown && news) this.hideAtMs = nowMs + RESULT_MS;
    this.shown = news;
    this.board.mesh.visible = news !== null && (calibrating(link) || (nowMs < this.hideAtMs && link.state === "disarmed"));
    if (!news || !this.board.mesh.visible) return;
    this.board.draw(JSON.stringify(news), (context, width, height) => {
      plate(context, width, height, "rgba(15,18,22,0.92)");
      rings(context, news, width / 2, height * 0.42, width * 0.28);
      texts(context, news, width, height);
    });
  }
}

/** One arc a step, from the top clockwise; the present one fills with its progress. */
function rings(context: CanvasRenderingContext2D, news: CalibrationProgress, x: number, y: number, radius: number): void {
  const arc = (2 * Math.PI) / news.steps;
  const draw = (step: number, share: number, colour: string) => {
    const from = -Math.PI / 2 + step * arc + GAP_RAD;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(x, y, radius, from, from + share * (arc - 2 * GAP_RAD));
    context.stroke();
  };
  context.lineWidth = 26;
  context.lineCap = "round";
  for (let step = 0; step < news.steps; step++) {
    draw(step, 1, TRACK);
    if (step < news.steps_done) draw(step, 1, DONE);
    else if (step === news.steps_done && news.progress > 0) draw(step, news.progress, STATE_COLOURS.armed);
  }
}

function texts(context: CanvasRenderingContext2D, news: CalibrationProgress, width: number, height: number): void {
  const [large, small] = ringText(news);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = "#e4e9ee";
  context.font = `86px ${FONT}`;
  context.fillText(large, width / 2, height * 0.4, width * 0.4);
  context.fillStyle = "#8a94a0";
  context.font = `28px ${FONT}`;
  context.fillText(small, width / 2, height * 0.52, width * 0.4);
  context.fillStyle = news.step === "failed" ? STATE_COLOURS.lost : "#e4e9ee";
  context.font = `40px ${FONT}`;
  wrapped(news.words).forEach((line, row, all) => {
    context.fillText(line, width / 2, height * 0.87 + 46 * (row - (all.length - 1) / 2), width - 60);
  });
}

/** At most two lines of about the same length. */
function wrapped(words: string): string[] {
  if (words.length <= 26) return [words];
  const middle = words.indexOf(" ", words.length / 2);
  return middle < 0 ? [words] : [words.slice(0, middle), words.slice(middle + 1)];
}
