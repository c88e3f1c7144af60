/** The live hand on the desk: slow to look at, quick to understand. */

import { AmbientLight, Color, DirectionalLight, PerspectiveCamera, Scene, Vector3, WebGLRenderer } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import type { DisplayFrame } from "../protocol/displayFrame";
import { BACKGROUND } from "../scene/colours";
import { Ghost } from "../scene/ghost";
import type { HandDrawing } from "../scene/handModel";
import { SOFTWARE_REST_MS, drawsInSoftware } from "../scene/software";

export class View {
  private readonly renderer = new WebGLRenderer({ antialias: devicePixelRatio < 1.5 });
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(35, 1, 0.01, 10);
  private readonly orbit: OrbitControls;
  private readonly ghost: Ghost;
  private readonly restMs: number;
  private waiting = false;

  constructor(
    private readonly place: HTMLElement,
    drawing: HandDrawing,
  ) {
    this.restMs = drawsInSoftware(this.renderer) ? SOFTWARE_REST_MS : 0;
    this.scene.background = new Color(BACKGROUND);
    this.ghost = new Ghost(drawing, new Vector3(0, 0, 0.05));
    const key = new DirectionalLight(0xfff1e0, 2.4);
    key.position.set(-1, 1.6, 1.2);
    const rim = new DirectionalLight(0x9cc4ff, 1.2);
    rim.position.set(1.2, 0.4, -1);
    this.scene.add(new AmbientLight(0xffffff, 0.7), key, rim, this.ghost.group);
    this.camera.position.set(-0.52, 0.2, 0.03);
    this.orbit = new OrbitControls(this.camera, this.renderer.domElement);
    // A little below the hand, which is seen above the figures.
    this.orbit.target.set(0, -0.035, -0.02);
    this.orbit.addEventListener("change", () => this.drawSoon());
    place.prepend(this.renderer.domElement);
    new ResizeObserver(() => this.fit()).observe(place);
    this.fit();
  }

  show(picture: DisplayFrame): void {
    const before = this.ghost.group.position.clone();
    this.ghost.show(picture);
    // The camera goes with the wrist, so that the hand never leaves the picture.
    const moved = before.sub(this.ghost.group.position).negate();
    this.orbit.target.add(moved);
    this.camera.position.add(moved);
    this.drawSoon();
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.place;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(clientWidth, clientHeight);
    this.camera.aspect = clientWidth / Math.max(1, clientHeight);
    this.camera.updateProjectionMatrix();
    this.orbit.update();
    this.drawSoon();
  }

  private draw(): void {
    this.waiting = false;
    this.renderer.render(this.scene, this.camera);
  }

  /** At most one drawing per frame of the screen, however much there is to show. */
  private drawSoon(): void {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => requestAnimationFrame(() => this.draw()), this.restMs);
  }
}
