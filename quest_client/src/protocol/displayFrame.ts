/** What the server shows of the robot, 30 times a second; layout in server/display.py. */

import {
  DISPLAY_BYTES,
  DISPLAY_HEADER_BYTES,
  DisplayFlag,
  MAGIC_AND_VERSION,
  N_JOINTS,
  N_TAXELS,
  TYPE_DISPLAY,
} from "./messages";

export interface DisplayFrame {
  measuredKnown: boolean;
  commandedKnown: boolean;
  skinKnown: boolean;
  skinStale: boolean;
  seq: number;
  /** Joint positions, rad. */
  measured: Float32Array;
  commanded: Float32Array;
  /** Commanded palm: position m and quaternion xyzw, world (Z up, X forward). */
  palm: Float32Array;
  /** Change of flux against rest, raw counts, taxel by taxel x, y, z. */
  touch: Int16Array;
}

/** Read a display frame, or null for bytes that are not one. */
export function decodeDisplayFrame(bytes: ArrayBuffer): DisplayFrame | null {
  if (bytes.byteLength !== DISPLAY_BYTES) return null;
  const view = new DataView(bytes);
  if (view.getUint8(0) !== MAGIC_AND_VERSION || view.getUint8(1) !== TYPE_DISPLAY) return null;
  const flags = view.getUint16(2, true);
  const joints = DISPLAY_HEADER_BYTES;
  return {
    measuredKnown: (flags & DisplayFlag.MEASURED) !== 0,
    commandedKnown: (flags & DisplayFlag.COMMANDED) !== 0,
    skinKnown: (flags & DisplayFlag.SKIN) !== 0,
    skinStale: (flags & DisplayFlag.SKIN_STALE) !== 0,
    seq: view.getUint32(4, true),
    measured: new Float32Array(bytes, joints, N_JOINTS),
    commanded: new Float32Array(bytes, joints + 4 * N_JOINTS, N_JOINTS),
    palm: new Float32Array(bytes, joints + 8 * N_JOINTS, 7),
    touch: new Int16Array(bytes, joints + 8 * N_JOINTS + 28, 3 * N_TAXELS),
  };
}
