/** What the operator sees: the ghost of the robot's hand, the state, the buttons, the own joints. */

import { AmbientLight, Color, DirectionalLight, GridHelper, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "three";
import type { Link } from "../link/link";
import { BACKGROUND, PALM } from "../scene/colours";
import { Ghost } from "../scene/ghost";
import type { HandDrawing } from "../scene/handModel";
import { HumanHands } from "../scene/humanHands";
import { SOFTWARE_REST_MS, drawsInSoftware } from "../scene/software";
import { padStrengths } from "../scene/skin";
import { Buttons } from "./buttons";
import { CalibrationBoard } from "./calibrationBoard";
import { Choices, controls, mayPush } from "./controls";
import { Sound } from "./sound";
import { StatePanel } from "./statePanel";
import type { Uplink } from "./uplink";

const PANEL_PERIOD_MS = 200;
/** Plates lean back by this, towards the eyes above them. */
const LEAN_RAD = 0.2;
/** The ghost is drawn larger than the robot, so that its taxels can be told apart. */
const GHOST_SCALE = 1.25;

export class Room {
  readonly renderer = new WebGLRenderer({ antialias: true, alpha: true });
  readonly camera = new PerspectiveCamera(60, 1, 0.02, 20);
  readonly sound = new Sound();
  readonly choices: Choices;
  private readonly scene = new Scene();
  private readonly ghost: Ghost;
  private readonly panel = new StatePanel();
  private readonly calibration = new CalibrationBoard();
  private readonly human = new HumanHands();
  private readonly buttons: Buttons;
  private readonly restMs = drawsInSoftware(this.renderer) ? SOFTWARE_REST_MS : 0;
  private panelDueMs = 0;
  private drawDueMs = 0;

  constructor(
    drawing: HandDrawing,
    private readonly link: Link,
  ) {
    const sun = new DirectionalLight(0xffffff, 2.2);
    sun.position.set(-0.6, 2, 1);
    this.ghost = new Ghost(drawing, new Vector3());
    this.ghost.group.scale.setScalar(GHOST_SCALE);
    this.choices = new Choices(link);
    this.buttons = new Buttons(controls(link, this.choices));
    this.buttons.group.position.set(-0.23, 1.03, -0.42);
    this.buttons.group.rotation.x = -0.5;
    this.buttons.onPush = () => this.sound.push();
    this.scene.add(new AmbientLight(0xffffff, 0.9), sun, this.ghost.group, this.human.group);
    this.scene.add(this.buttons.group, this.panel.board.mesh, this.calibration.board.mesh);
    this.panel.board.mesh.rotation.x = this.calibration.board.mesh.rotation.x = -LEAN_RAD;
    this.arrange(1);
    this.camera.position.set(0, 1.4, 0.25);
    this.renderer.xr.enabled = true;
    this.renderer.xr.setReferenceSpaceType("local-floor");
    link.onPicture = (picture) => {
      this.ghost.show(picture);
      if (picture.skinKnown) this.sound.touch(Math.max(...padStrengths(drawing, picture.touch)));
    };
  }

  /** Without passthrough: a dark room with a floor, so that standing is comfortable. */
  withoutPassthrough(): void {
    if (this.scene.background) return;
    this.scene.background = new Color(BACKGROUND);
    this.scene.add(new GridHelper(6, 24, PALM, PALM));
  }

  /** The ghost on the side of the hand that drives it (right 1, left -1): from there its palm is seen, with the taxels. */
  private arrange(side: number): void {
    this.panel.board.mesh.position.set(-0.18 * side, 1.32, -0.55);
    this.calibration.board.mesh.position.set(0.24 * side, 1.32, -0.55);
    this.ghost.moveTo(new Vector3(0.3 * side, 1.26, -0.48));
  }

  draw(uplink: Uplink, nowMs: number): void {
    this.human.show(uplink.hands);
    this.buttons.update(uplink.hands, mayPush(this.link));
    if (nowMs >= this.panelDueMs) {
      this.panelDueMs = nowMs + PANEL_PERIOD_MS;
      this.arrange(this.link.drivenHand === "right" ? 1 : -1);
      const seen = ["left", "right"].filter((_, side) => uplink.hands.valid[side]);
      const handsSeen = seen.length > 0 ? `${seen.join(" and ")} seen` : "none seen";
      this.calibration.show(this.link, nowMs);
      // The ring hangs where the robot is, which does not move meanwhile.
      this.ghost.group.visible = !this.calibration.board.mesh.visible;
      this.panel.show(this.link, { posesPerSecond: uplink.rate.perSecond, handsSeen });
    }
    if (nowMs < this.drawDueMs) return;
    this.drawDueMs = nowMs + this.restMs;
    this.renderer.render(this.scene, this.camera);
  }
}
