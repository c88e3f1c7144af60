/** A plate in the room that is drawn like a page: text, or one button. */

import { CanvasTexture, Mesh, MeshBasicMaterial, PlaneGeometry, SRGBColorSpace } from "three";

/** As `style.css` has it: fonts of the headset and of desks, quiet and narrow. */
export const FONT = 'Inter, Roboto, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif';
const PIXELS_PER_M = 2000;
/** Plates are seen at a slant: text stays readable. */
const ANISOTROPY = 8;

export class Board {
  readonly mesh: Mesh;
  private readonly canvas = document.createElement("canvas");
  private readonly texture: CanvasTexture;
  private drawn = "";

  constructor(
    readonly widthM: number,
    readonly heightM: number,
  ) {
    this.canvas.width = Math.round(widthM * PIXELS_PER_M);
    this.canvas.height = Math.round(heightM * PIXELS_PER_M);
    this.texture = new CanvasTexture(this.canvas);
    this.texture.colorSpace = SRGBColorSpace;
    this.texture.anisotropy = ANISOTROPY;
    const look = new MeshBasicMaterial({ map: this.texture, transparent: true, depthWrite: false });
    this.mesh = new Mesh(new PlaneGeometry(widthM, heightM), look);
  }

  /** Draw when `key` differs from what is shown. */
  draw(key: string, paint: (context: CanvasRenderingContext2D, width: number, height: number) => void): void {
    if (key === this.drawn) return;
    this.drawn = key;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    paint(context, this.canvas.width, this.canvas.height);
    this.texture.needsUpdate = true;
  }
}

export function plate(context: CanvasRenderingContext2D, width: number, height: number, fill: string): void {
  context.fillStyle = fill;
  context.beginPath();
  context.roundRect(2, 2, width - 4, height - 4, 24);
  context.fill();
}
