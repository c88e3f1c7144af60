/** The last ten seconds of every pad as a small line over a time axis; a touched pad lights up. */

import { FONT } from "../scene/board";
import { FULL_COUNTS, NOISE_COUNTS } from "../scene/skin";

const SECONDS = 10;
const RATE_HZ = 30;
const LENGTH = SECONDS * RATE_HZ;
const HEIGHT_PX = 270;
/** Room for the axis: seconds from left to right, and what a full line means. */
const AXIS_PX = 18;
const NAME_PX = 84;
const QUIET = "#8a94a0";
const SHOWN_EVERY = 6;

export class PadTraces {
  private readonly history: Float32Array[];
  private at = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly names: string[],
  ) {
    this.history = names.map(() => new Float32Array(LENGTH));
  }

  /** Add the touch of every pad, 0 to 1. */
  add(pads: Float32Array): void {
    pads.forEach((touch, pad) => (this.history[pad][this.at % LENGTH] = touch));
    this.at += 1;
    if (this.at % SHOWN_EVERY === 0) this.draw();
  }

  private draw(): void {
    const scale = Math.min(devicePixelRatio, 2);
    const width = this.canvas.clientWidth;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    if (this.canvas.width !== Math.round(width * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = HEIGHT_PX * scale;
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, HEIGHT_PX);
    context.font = `11px ${FONT}`;
    context.textBaseline = "middle";
    const row = (HEIGHT_PX - AXIS_PX) / this.names.length;
    this.names.forEach((name, pad) => this.line(context, name, this.history[pad], row * (pad + 0.5), row, width));
    axis(context, width);
  }

  private line(
    context: CanvasRenderingContext2D,
    name: string,
    history: Float32Array,
    middle: number,
    row: number,
    width: number,
  ): void {
    const now = history[(this.at - 1) % LENGTH];
    context.fillStyle = now > 0 ? "#ffb454" : QUIET;
    context.fillText(name.replaceAll("_", " "), 0, middle, NAME_PX - 8);
    context.strokeStyle = now > 0 ? "#ffb454" : "#3a4450";
    context.beginPath();
    for (let k = 0; k < LENGTH; k++) {
      const x = NAME_PX + ((width - NAME_PX) * k) / LENGTH;
      context.lineTo(x, middle + row * 0.4 - row * 0.8 * Math.sqrt(history[(this.at + k) % LENGTH]));
    }
    context.stroke();
  }
}

function axis(context: CanvasRenderingContext2D, width: number): void {
  const middle = HEIGHT_PX - AXIS_PX / 2 + 2;
  context.fillStyle = QUIET;
  context.fillText(`\u2212${SECONDS} s`, NAME_PX, middle);
  context.textAlign = "center";
  context.fillText(`height: 0 to ${NOISE_COUNTS + FULL_COUNTS} counts, root scale`, (NAME_PX + width) / 2, middle);
  context.textAlign = "right";
  context.fillText("0 s", width, middle);
  context.textAlign = "left";
}
