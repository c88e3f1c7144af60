/** The Allegro hand as rounded boxes: solid where it is measured, a rim of light where it is commanded. */

import { BackSide, Group, Matrix4, Mesh, MeshBasicMaterial, MeshLambertMaterial, SphereGeometry, Vector3, type Material } from "three";
import { RoundedBoxGeometry } from "three/addons/geometries/RoundedBoxGeometry.js";
import { COMMANDED, LIMIT, LINK, PALM } from "./colours";
import { atLimit, linkMatrices, tipHalfExtents, type HandDrawing } from "./handModel";

export type Layer = "measured" | "commanded";
/** The commanded layer is larger by this on every side, m, so that both are seen where they agree. */
const RIM_M = 0.0015;

export class RobotHand {
  readonly group = new Group();
  readonly links: Matrix4[] = [];
  private readonly boxes: Mesh[] = [];
  private readonly tips: { mesh: Mesh; link: number; at: Matrix4 }[] = [];
  private readonly usual: Material;
  private readonly limit: Material;

  constructor(
    private readonly drawing: HandDrawing,
    layer: Layer,
  ) {
    this.usual = material(layer, layer === "measured" ? LINK : COMMANDED);
    this.limit = material(layer, LIMIT);
    const palm = box(drawing.palm_box_size_m, material(layer, layer === "measured" ? PALM : COMMANDED), layer);
    palm.position.set(...drawing.palm_box_centre_m);
    this.group.add(palm);
    for (let link = 0; link < 16; link++) {
      const mesh = box(drawing.link_box_size_m[link], this.usual, layer);
      mesh.matrixAutoUpdate = false;
      this.boxes.push(mesh);
      this.group.add(mesh);
    }
    drawing.tip_xyz_m.forEach((tip, finger) => {
      const mesh = new Mesh(new SphereGeometry(1, 20, 14), this.usual);
      mesh.matrixAutoUpdate = false;
      const at = new Matrix4().makeTranslation(...tip).scale(new Vector3(...tipHalfExtents(drawing, finger)).addScalar(rim(layer)));
      this.tips.push({ mesh, link: 4 * finger + 3, at });
      this.group.add(mesh);
    });
    this.pose(new Float32Array(16));
  }

  /** Put the links where sixteen joint angles (rad) say. */
  pose(angles: ArrayLike<number>): void {
    linkMatrices(this.drawing, angles, this.links);
    this.boxes.forEach((mesh, link) => {
      mesh.matrix.makeTranslation(...this.drawing.link_box_centre_m[link]).premultiply(this.links[link]);
      mesh.material = atLimit(this.drawing, link, angles[link]) && angles[link] !== 0 ? this.limit : this.usual;
    });
    for (const { mesh, link, at } of this.tips) mesh.matrix.multiplyMatrices(this.links[link], at);
  }
}

function box(size: [number, number, number], look: Material, layer: Layer): Mesh {
  const [x, y, z] = size.map((side) => side + 2 * rim(layer));
  return new Mesh(new RoundedBoxGeometry(x, y, z, 3, Math.min(0.007, x / 3, y / 3, z / 3)), look);
}

function rim(layer: Layer): number {
  return layer === "commanded" ? RIM_M : 0;
}

function material(layer: Layer, color: number): Material {
  if (layer === "measured") return new MeshLambertMaterial({ color });
  // The far side only: where both hands agree just a rim is seen, where they differ a pale hand.
  return new MeshBasicMaterial({ color, transparent: true, opacity: 0.3, depthWrite: false, side: BackSide });
}
