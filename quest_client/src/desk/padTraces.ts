/** The last ten seconds of every pad as a small line; a touched pad lights up. */

const SECONDS = 10;
const RATE_HZ = 30;
const LENGTH = SECONDS * RATE_HZ;
const NAME_PX = 132;
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
    const height = 270;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    if (this.canvas.width !== Math.round(width * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = height * scale;
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const row = height / this.names.length;
    this.names.forEach((name, pad) => this.line(context, name, this.history[pad], row * (pad + 0.5), row, width));
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
    context.fillStyle = now > 0 ? "#ffb454" : "#8a94a0";
    context.fillText(name.replaceAll("_", " "), 0, middle, NAME_PX - 8);
    context.strokeStyle = now > 0 ? "#ffb454" : "#3a4450";
    context.beginPath();
    for (let k = 0; k < LENGTH; k++) {
      const x = NAME_PX + ((width - NAME_PX) * k) / LENGTH;
      context.lineTo(x, middle + row * 0.4 - row * 0.8 * history[(this.at + k) % LENGTH]);
    }
    context.stroke();
  }
}
