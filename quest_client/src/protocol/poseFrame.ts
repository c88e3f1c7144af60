/** The hand-pose frame of the operator's socket; layout in server/protocol.py. No socket and no clock here. */

import { MAGIC_AND_VERSION, N_HAND_JOINTS, POSE_FRAME_BYTES, POSE_HEADER_BYTES, TYPE_HAND_POSE } from "./messages";

export const FLOATS_PER_HAND = N_HAND_JOINTS * 7;
const SEQ_AT = 4;
const ACK_AT = 20;

export interface PoseFrame {
  flags: number;
  tCaptureMs: number;
  displayDeltaMs: number;
  /** Left hand, then right: 25 joints of position (m) and quaternion xyzw in `local-floor`. */
  pose: Float32Array;
}

/** The 1424 bytes of a frame; its sequence number and ack are written by `number` when it is really sent. */
export function encodePoseFrame(frame: PoseFrame): ArrayBuffer {
  const bytes = new ArrayBuffer(POSE_FRAME_BYTES);
  const view = new DataView(bytes);
  view.setUint8(0, MAGIC_AND_VERSION);
  view.setUint8(1, TYPE_HAND_POSE);
  view.setUint16(2, frame.flags, true);
  view.setFloat64(8, frame.tCaptureMs, true);
  view.setFloat32(16, frame.displayDeltaMs, true);
  for (let k = 0; k < frame.pose.length; k++) view.setFloat32(POSE_HEADER_BYTES + 4 * k, frame.pose[k], true);
  return bytes;
}

/** Give a frame its sequence number and the newest ack that was seen. */
export function number(frame: ArrayBuffer, seq: number, ackSeq: number): void {
  const view = new DataView(frame);
  view.setUint32(SEQ_AT, seq, true);
  view.setUint32(ACK_AT, ackSeq, true);
}
