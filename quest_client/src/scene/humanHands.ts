/** The operator's own joints as small quiet beads. */

import { InstancedMesh, Matrix4, MeshBasicMaterial, SphereGeometry } from "three";
import { N_HAND_JOINTS } from "../protocol/messages";
import { LEFT, RIGHT, type HandReader } from "../xr/hands";
import { HUMAN } from "./colours";

const BEAD_M = 0.004;

export class HumanHands {
  readonly mesh = new InstancedMesh(
    new SphereGeometry(BEAD_M, 8, 6),
    new MeshBasicMaterial({ color: HUMAN, transparent: true, opacity: 0.55 }),
    2 * N_HAND_JOINTS,
  );

  constructor() {
    this.mesh.frustumCulled = false;
    this.mesh.count = 0;
  }

  show(hands: HandReader): void {
    const matrix = new Matrix4();
    let shown = 0;
    for (const side of [LEFT, RIGHT] as const) {
      if (!hands.valid[side]) continue;
      for (let joint = 0; joint < N_HAND_JOINTS; joint++) {
        this.mesh.setMatrixAt(shown++, matrix.makeTranslation(...hands.joint(side, joint)));
      }
    }
    this.mesh.count = shown;
    this.mesh.instanceMatrix.needsUpdate = true;
  }
}
