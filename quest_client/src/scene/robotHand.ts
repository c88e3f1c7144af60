/** The Allegro hand as rounded boxes: solid where it is measured, a thin outline where it is commanded. */

import { Group, Matrix4, Mesh, MeshBasicMaterial, MeshLambertMaterial, SphereGeometry, type Material } from "three";
import { RoundedBoxGeometry } from "three/addons/geometries/RoundedBoxGeometry.js";
import { COMMANDED, LIMIT, LINK, PALM } from "./colours";
import { atLimit, linkMatrices, type HandDrawing } from "./handModel";

export type Layer = "measured" | "commanded";
/** The commanded layer is a little larger, so that both are seen where they agree. */
const OUTLINE = 1.06;
/** As `TIP_RADIUS_M` of skin_teleop/hand.py. */
const TIP_RADIUS_M = 0.012;

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
      const mesh = new Mesh(new SphereGeometry(TIP_RADIUS_M, 20, 14), this.usual);
      mesh.matrixAutoUpdate = false;
      this.tips.push({ mesh, link: 4 * finger + 3, at: new Matrix4().makeTranslation(...tip) });
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
  const grown = layer === "commanded" ? OUTLINE : 1;
  const [x, y, z] = size.map((side) => side * grown);
  return new Mesh(new RoundedBoxGeometry(x, y, z, 3, Math.min(0.007, x / 3, y / 3, z / 3)), look);
}

function material(layer: Layer, color: number): Material {
  if (layer === "measured") return new MeshLambertMaterial({ color });
  return new MeshBasicMaterial({ color, transparent: true, opacity: 0.16, depthWrite: false });
}
