/** Buttons in the room, pushed with the tip of an index finger. */

import { Group, Vector3 } from "three";
import { Board, FONT, plate } from "../scene/board";
import { INDEX_TIP, LEFT, RIGHT, type HandReader, type Side } from "../xr/hands";

const WIDTH_M = 0.105;
const HEIGHT_M = 0.045;
const GAP_M = 0.01;
/** A finger pushes when its tip is within this of the plate, and must leave by more before it pushes again, m. */
const PUSH_M = 0.012;
const LEAVE_M = 0.03;

export interface ButtonFace {
  label: string;
  /** `wait` is drawn quietly and does nothing. */
  look: "plain" | "good" | "danger" | "wait";
}

export interface ButtonSpec {
  row: number;
  column: number;
  face: () => ButtonFace;
  push: () => void;
  /** Any finger pushes it at any time; else only those of hands that may push now. */
  always?: true;
}

const BOTH = [LEFT, RIGHT] as const;
const FILLS = { plain: "#2a323c", good: "#2f6b4c", danger: "#8a3b2d", wait: "#1b2027" };

class Button {
  readonly board = new Board(WIDTH_M, HEIGHT_M);
  /** Hands whose fingertip is at the plate, whether it may push or not: none that stays there pushes later. */
  private readonly at = new Set<Side>();
  /** A finger pushed it and did not leave yet. */
  private down = false;

  constructor(readonly spec: ButtonSpec) {
    const [x, y] = [spec.column * (WIDTH_M + GAP_M), -spec.row * (HEIGHT_M + GAP_M)];
    this.board.mesh.position.set(x, y, 0);
  }

  /** Look at the tips in the plate's own coordinates; true when a finger of `sides` came and pushed just now. */
  touch(tips: Map<Side, Vector3>, sides: readonly Side[]): boolean {
    const came = BOTH.filter((side) => this.comes(side, tips.get(side)));
    const pushed = this.spec.face().look !== "wait" && came.some((side) => this.spec.always || sides.includes(side));
    this.down = this.at.size > 0 && (this.down || pushed);
    if (pushed) this.spec.push();
    return pushed;
  }

  draw(): void {
    const { label, look } = this.spec.face();
    this.board.draw(`${label} ${look} ${this.down}`, (context, width, height) => {
      plate(context, width, height, this.down ? "#4a5866" : FILLS[look]);
      context.fillStyle = look === "wait" ? "#5b6673" : "#e4e9ee";
      context.font = `30px ${FONT}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(label, width / 2, height / 2, width - 20);
    });
  }

  /** Whether this hand's fingertip was not at the plate before and is now. */
  private comes(side: Side, tip: Vector3 | undefined): boolean {
    const was = this.at.has(side);
    const is = tip !== undefined && this.covers(tip) && Math.abs(tip.z) < (was ? LEAVE_M : PUSH_M);
    if (is) this.at.add(side);
    else this.at.delete(side);
    return is && !was;
  }

  private covers(tip: Vector3): boolean {
    const { x, y } = this.board.mesh.position;
    return Math.abs(tip.x - x) < WIDTH_M / 2 && Math.abs(tip.y - y) < HEIGHT_M / 2;
  }
}

export class Buttons {
  readonly group = new Group();
  onPush: () => void = () => {};
  private readonly buttons: Button[];

  constructor(specs: ButtonSpec[]) {
    this.buttons = specs.map((spec) => new Button(spec));
    this.group.add(...this.buttons.map((button) => button.board.mesh));
  }

  /** Look where the index fingers are; all of them push what may always be pushed, those of `sides` the rest. */
  update(hands: HandReader, sides: readonly Side[]): void {
    this.group.updateWorldMatrix(true, false);
    const tips = new Map<Side, Vector3>();
    for (const side of BOTH) {
      if (hands.valid[side]) tips.set(side, this.group.worldToLocal(new Vector3(...hands.joint(side, INDEX_TIP))));
    }
    for (const button of this.buttons) {
      if (button.touch(tips, sides)) this.onPush();
      button.draw();
    }
  }
}
