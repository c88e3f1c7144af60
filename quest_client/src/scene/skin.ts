/** The 368 taxels on the hand: radius by the change along the normal, offset by the change along the skin. */

import { Color, IcosahedronGeometry, InstancedMesh, Matrix4, MeshBasicMaterial, Vector3 } from "three";
import { N_TAXELS } from "../protocol/messages";
import { TAXEL_FAINT, TAXEL_REST, TAXEL_TOUCHED } from "./colours";
import type { HandDrawing } from "./handModel";

/** Changes of flux (raw counts) below this are noise. */
export const NOISE_COUNTS = 60;
/** Beyond the noise, changes of this or more are drawn at full size. */
export const FULL_COUNTS = 2500;
const REST_RADIUS_M = 0.0009;
const TOUCHED_RADIUS_M = 0.0026;
const SHEAR_M = 0.004;

/** How strongly a taxel is touched, 0 to 1, from one change of flux in raw counts. */
export function strength(counts: number): number {
  return Math.min(1, Math.max(0, Math.abs(counts) - NOISE_COUNTS) / FULL_COUNTS);
}

/** Touch of every pad, 0 to 1: its strongest taxel. */
export function padStrengths(drawing: HandDrawing, touch: Int16Array): Float32Array {
  const pads = new Float32Array(drawing.pad_names.length);
  for (let k = 0; k < N_TAXELS; k++) {
    const pad = drawing.taxel_pad[k];
    pads[pad] = Math.max(pads[pad], strength(touch[3 * k + 2]));
  }
  return pads;
}

export class Skin {
  readonly mesh = new InstancedMesh(new IcosahedronGeometry(1, 1), new MeshBasicMaterial({ transparent: true }), N_TAXELS);
  private readonly rest = new Color(TAXEL_REST);
  private readonly faint = new Color(TAXEL_FAINT);
  private readonly touched = new Color(TAXEL_TOUCHED);

  constructor(private readonly drawing: HandDrawing) {
    this.mesh.frustumCulled = false;
    // After the commanded hand, which would veil them.
    this.mesh.renderOrder = 1;
  }

  /** Draw a picture of touch ((368, 3) raw counts against rest) on links posed in the palm frame. */
  show(touch: Int16Array, links: Matrix4[]): void {
    const place = new Vector3();
    const matrix = new Matrix4();
    const color = new Color();
    for (let k = 0; k < N_TAXELS; k++) {
      const pressed = strength(touch[3 * k + 2]);
      this.place(k, touch[3 * k], touch[3 * k + 1], place);
      const link = this.drawing.taxel_link[k];
      if (link >= 0) place.applyMatrix4(links[link]);
      const radius = REST_RADIUS_M + TOUCHED_RADIUS_M * Math.sqrt(pressed);
      this.mesh.setMatrixAt(k, matrix.makeScale(radius, radius, radius).setPosition(place));
      this.mesh.setColorAt(k, pressed > 0 ? color.lerpColors(this.faint, this.touched, Math.sqrt(pressed)) : this.rest);
    }
    this.mesh.instanceMatrix.needsUpdate = true;
    if (this.mesh.instanceColor) this.mesh.instanceColor.needsUpdate = true;
  }

  /** Position of a taxel in its link, moved along the skin by its shear. */
  private place(k: number, countsX: number, countsY: number, out: Vector3): void {
    const along = new Vector3(...this.drawing.taxel_tangent[k]);
    const normal = new Vector3(...this.drawing.taxel_normal[k]);
    const across = new Vector3().crossVectors(normal, along);
    out.set(...this.drawing.taxel_xyz_m[k]).addScaledVector(normal, REST_RADIUS_M);
    out.addScaledVector(along, SHEAR_M * Math.sign(countsX) * strength(countsX));
    out.addScaledVector(across, SHEAR_M * Math.sign(countsY) * strength(countsY));
  }
}
