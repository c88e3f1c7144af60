// Written by `python -m server.typescript`; change the Python side and run it again.

export const PROTOCOL = "skin-teleop.v1";
export const TOKEN_PREFIX = "token.";
export const MAGIC_AND_VERSION = 161;
export const TYPE_HAND_POSE = 1;
export const TYPE_DISPLAY = 2;
export const POSE_HEADER_BYTES = 24;
export const POSE_FRAME_BYTES = 1424;
export const DISPLAY_HEADER_BYTES = 8;
export const DISPLAY_BYTES = 2372;
export const N_HAND_JOINTS = 25;
export const N_JOINTS = 16;
export const N_TAXELS = 368;
export const CLOSE_TOKEN = 4401;
export const CLOSE_ORIGIN = 4403;
export const CLOSE_SEAT = 4409;
export const CLOSE_REPLACED = 4410;
export const STOPPED = "operator stopped in emergency";

export const Flag = { LEFT_VALID: 1, RIGHT_VALID: 2, VISIBLE: 4, CLUTCH_LEFT: 8, CLUTCH_RIGHT: 16, EMERGENCY_STOP: 32 } as const;
export const DisplayFlag = { MEASURED: 1, COMMANDED: 2, SKIN: 4, SKIN_STALE: 8 } as const;

/** Operator: motion may begin as soon as the dead-man is held. */
export interface Arm {
  type: "arm";
}

/** Operator or desk: no motion until the next arm; acknowledges an emergency stop or a fault of the hand. */
export interface Disarm {
  type: "disarm";
}

/** Operator: I leave. No motion until the next arm, as if the connection had gone; acknowledges nothing. */
export interface StandDown {
  type: "stand_down";
}

/** Operator: everything off, now. */
export interface EmergencyStop {
  type: "emergency_stop";
}

/** Operator: my view has another origin. Releases until every dead-man, the desk's too, was let go. */
export interface Recentred {
  type: "recentred";
}

/** Operator: answer to a ping, with the client's monotonic clock in ms. */
export interface Pong {
  type: "pong";
  id: number;
  t_client_ms: number;
}

/** Operator: send me display frames and status reports too. */
export interface Watch {
  type: "watch";
}

/** Operator or desk: draw touch against the skin as it is now; what is recorded stays raw. */
export interface Zero {
  type: "zero";
}

/** Operator: begin a session in the rig's own folder. */
export interface StartRecording {
  type: "start_recording";
  object: string;
  plan: string[];
  operator: string;
}

/** Operator: end the session and seal it. */
export interface StopRecording {
  type: "stop_recording";
}

/** Operator: an action begins or ends here. */
export interface Mark {
  type: "mark";
  label: string;
  edge: "" | "begin" | "end";
}

/** Operator: the session stopped last is good. */
export interface Keep {
  type: "keep";
}

/** Operator: move the session stopped last to the trash. */
export interface Discard {
  type: "discard";
}

/** Operator or desk: this person operates; their newest calibration is used. Disarms. */
export interface ChooseOperator {
  type: "operator";
  name: string;
}

/** Operator or desk: lead whoever operates through a calibration, from its start. Disarms. */
export interface Calibrate {
  type: "calibrate";
}

/** Operator or desk: end it; the calibration before stays in use. */
export interface StopCalibrating {
  type: "stop_calibrating";
}

/** Desk: the key or pedal is held, said again at least every 100 ms, or was let go. */
export interface DeadMan {
  type: "dead_man";
  held: boolean;
}

/** Server: first message after the connection was accepted. */
export interface Hello {
  type: "hello";
  protocol: string;
  joint_order: string;
  driven_hand: "left" | "right";
  rig: string;
  state: "disarmed" | "armed" | "engaged";
  both_hands: boolean;
  stopped: string;
}

/** Server: answer at once with a pong of the same id. */
export interface Ping {
  type: "ping";
  id: number;
}

/** Server: the newest pose frame that was read, the state and why it is so, and what was refused so far. */
export interface Ack {
  type: "ack";
  seq: number;
  state: "disarmed" | "armed" | "engaged";
  reason: string;
  rejected: Record<string, number>;
  stopped: string;
}

/** Server: the teleoperation state changed, or whether it may be armed. */
export interface StateChanged {
  type: "state";
  state: "disarmed" | "armed" | "engaged";
  reason: string;
  stopped: string;
}

/** What the recorder is doing; newest wins. */
export interface RecorderStatus {
  state: "idle" | "recording" | "sealing" | "failed";
  session: string;
  rows: Record<string, number>;
  dropped: Record<string, number>;
  wal_bytes: number;
  message: string;
  last_sealed: string;
  rejected: number;
  marking: string;
  unjudged: boolean;
}

/** Server: what the recorder is doing. */
export interface Recorder {
  type: "recorder";
  status: RecorderStatus;
}

/** One report; the desk page gets it twice a second, a program reads it as JSON from /api/status. */
export interface StatusReport {
  rig: string;
  state: string;
  cause: string;
  connected: boolean;
  desk_pages: number;
  driven_hand: string;
  poses: number;
  poses_per_s: number;
  distinct_poses_per_s: number;
  rejected: Record<string, number>;
  refused_connections: Record<string, number>;
  dropped: Record<string, number>;
  targets: number;
  solve_us: number;
  pose_to_target_us: number;
  age_p50_ms: number | null;
  age_p95_ms: number | null;
  finger_error_mm: number[];
  wrist_jumps: number;
  held_because: string;
  held_poses: number;
  rtt_ms: number | null;
  clock_offset_ms: number | null;
  hand_state: string;
  desk_dead_man: boolean;
  simulated: boolean;
  recorder: RecorderStatus;
  session_s: number | null;
  disk_free_gb: number;
  operator: string;
  operators: string[];
  calibration_version: number;
  calibration_quality: number | null;
  finger_scale: number[];
  objects: string[];
  actions: string[];
}

/** Server: how everything is, twice a second to those who watch. */
export interface Status {
  type: "status";
  report: StatusReport;
}

/** Server: where the guided calibration is, or what came of it. */
export interface CalibrationProgress {
  type: "calibration";
  operator: string;
  step: "open" | "fist" | "touch_index" | "touch_middle" | "touch_ring" | "measuring" | "done" | "failed" | "cancelled";
  steps_done: number;
  steps: number;
  progress: number;
  words: string;
  quality: number | null;
  version: number;
}

/** Server: a message was not obeyed. */
export interface Refused {
  type: "refused";
  reason: string;
}

export type FromOperator = Arm | Disarm | StandDown | EmergencyStop | Recentred | Pong | Watch | Zero | StartRecording | StopRecording | Mark | Keep | Discard | ChooseOperator | Calibrate | StopCalibrating;
export type FromDesk = DeadMan | Disarm | EmergencyStop | Zero | StartRecording | StopRecording | Mark | Keep | Discard | ChooseOperator | Calibrate | StopCalibrating;
export type FromServer = Hello | Ping | Ack | StateChanged | Recorder | Status | CalibrationProgress | Refused;
