/** The operator's own joints as small quiet beads, on threads from each to the next. */

import {
  BufferAttribute, BufferGeometry, Group, InstancedMesh, LineBasicMaterial, LineSegments, Matrix4, MeshBasicMaterial, SphereGeometry,
} from "three";
import { N_HAND_JOINTS } from "../protocol/messages";
import { LEFT, RIGHT, WRIST, type HandReader } from "../xr/hands";
import { HUMAN } from "./colours";

const BEAD_M = 0.004;
/** Joints of WebXR at which a finger begins; each hangs on the wrist, every other joint on the one before. */
const FIRST_OF_FINGER = [1, 5, 10, 15, 20];
const BONES = 2 * (N_HAND_JOINTS - 1);

export class HumanHands {
  readonly group = new Group();
  private readonly beads = new InstancedMesh(
    new SphereGeometry(BEAD_M, 8, 6),
    new MeshBasicMaterial({ color: HUMAN, transparent: true, opacity: 0.6 }),
    2 * N_HAND_JOINTS,
  );
  private readonly ends = new BufferAttribute(new Float32Array(6 * BONES), 3);
  private readonly threads = new LineSegments(
    new BufferGeometry().setAttribute("position", this.ends),
    new LineBasicMaterial({ color: HUMAN, transparent: true, opacity: 0.35 }),
  );

  constructor() {
    this.beads.frustumCulled = this.threads.frustumCulled = false;
    this.group.add(this.beads, this.threads);
    this.beads.count = 0;
  }

  show(hands: HandReader): void {
    const matrix = new Matrix4();
    let bones = 0;
    this.beads.count = 0;
    for (const side of [LEFT, RIGHT] as const) {
      if (!hands.valid[side]) continue;
      for (let joint = 0; joint < N_HAND_JOINTS; joint++) {
        const at = hands.joint(side, joint);
        this.beads.setMatrixAt(this.beads.count++, matrix.makeTranslation(...at));
        if (joint === WRIST) continue;
        this.ends.setXYZ(2 * bones, ...hands.joint(side, FIRST_OF_FINGER.includes(joint) ? WRIST : joint - 1));
        this.ends.setXYZ(2 * bones++ + 1, ...at);
      }
    }
    this.threads.geometry.setDrawRange(0, 2 * bones);
    this.ends.needsUpdate = this.beads.instanceMatrix.needsUpdate = true;
  }
}
