/** The robot in the room: what it was asked, what it did, what it feels. World (Z up, X forward) becomes XR (Y up, -Z). */

import { Group, Quaternion, Vector3 } from "three";
import type { DisplayFrame } from "../protocol/displayFrame";
import type { HandDrawing } from "./handModel";
import { RobotHand } from "./robotHand";
import { Skin } from "./skin";

/** Turns world axes (X forward, Y left, Z up) into XR axes (X right, Y up, Z backward). */
export const WORLD_TO_XR = new Quaternion(-0.5, 0.5, 0.5, 0.5);

export class Ghost {
  readonly group = new Group();
  private readonly measured: RobotHand;
  private readonly commanded: RobotHand;
  private readonly skin: Skin;
  private home: Vector3 | null = null;

  constructor(
    drawing: HandDrawing,
    private stand: Vector3,
  ) {
    this.measured = new RobotHand(drawing, "measured");
    this.commanded = new RobotHand(drawing, "commanded");
    this.skin = new Skin(drawing);
    this.skin.show(new Int16Array(3 * drawing.taxel_link.length), this.measured.links);
    this.group.add(this.measured.group, this.commanded.group, this.skin.mesh);
    this.group.position.copy(stand);
    this.group.quaternion.copy(WORLD_TO_XR).multiply(FINGERS_FORWARD);
  }

  /** Stand elsewhere from now on. */
  moveTo(stand: Vector3): void {
    this.group.position.add(stand).sub(this.stand);
    this.stand = stand;
  }

  show(picture: DisplayFrame): void {
    if (picture.measuredKnown) this.measured.pose(picture.measured);
    this.commanded.group.visible = picture.commandedKnown;
    if (picture.commandedKnown) {
      this.commanded.pose(picture.commanded);
      this.movePalm(picture.palm);
    }
    if (picture.skinKnown) this.skin.show(picture.touch, this.measured.links);
  }

  private movePalm(palm: Float32Array): void {
    const position = new Vector3(palm[0], palm[1], palm[2]).applyQuaternion(WORLD_TO_XR);
    this.home ??= position.clone();
    this.group.position.copy(this.stand).add(position).sub(this.home);
    this.group.quaternion.copy(WORLD_TO_XR).multiply(new Quaternion(palm[3], palm[4], palm[5], palm[6]));
  }
}

/** The rig's usual home orientation (roll 90, yaw 90 degrees), shown until the server says another. */
const FINGERS_FORWARD = new Quaternion(0.5, 0.5, 0.5, 0.5);
