/** The operator's page: pair, enter the headset, stream hands until the session ends. */

import { Link } from "../link/link";
import { refused, whenPaired } from "../link/pairing";
import { say } from "../say";
import { loadHandDrawing } from "../scene/handModel";
import { enter, offeredMode, type XRMode } from "../xr/session";
import { Room } from "./room";
import { offerTrace } from "./saveTrace";
import { headline, howToHold } from "./statePanel";
import { Uplink } from "./uplink";

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const WATCH_MS = 200;

async function operate(token: string): Promise<void> {
  const link = new Link();
  const room = new Room(await loadHandDrawing(), link);
  const uplink = new Uplink(link);
  link.onNews = (message) => {
    if (message.type === "state") room.sound.state(message.state);
    if (message.type === "hello") room.choices.operator.remind();
  };
  uplink.onMark = () => {
    if (!room.choices.recording) return;
    room.choices.mark();
    room.sound.push();
  };
  link.onConnection = () => {
    if (link.connection !== "refused") return;
    element<HTMLButtonElement>("enter").hidden = true;
    refused(link);
  };
  listenToKeys(uplink);
  offerTrace(link, element("trace"));
  // Last, when nothing can fail any more: a page that cannot operate must not hold the seat.
  link.open("/ws/operator", token);
  setInterval(() => describe(link), WATCH_MS);
  const { mode, reason } = await offeredMode().catch((error: unknown) => ({ mode: null, reason: String(error) }));
  const button = element<HTMLButtonElement>("enter");
  button.hidden = false;
  button.disabled = mode === null;
  element("offer").textContent = mode ? "" : reason;
  if (mode) button.onclick = () => void start(mode, link, room, uplink);
}

async function start(mode: XRMode, link: Link, room: Room, uplink: Uplink): Promise<void> {
  room.sound.wake();
  try {
    const session = await enter(mode);
    if (mode === "immersive-vr") room.withoutPassthrough();
    await immerse(session, link, room, uplink);
  } catch (error) {
    element("offer").textContent = `The headset did not start: ${error instanceof Error ? error.message : error}`;
  }
}

async function immerse(session: XRSession, link: Link, room: Room, uplink: Uplink): Promise<void> {
  session.onvisibilitychange = () => session.visibilityState !== "visible" && uplink.hold();
  session.onend = () => {
    room.renderer.setAnimationLoop(null);
    document.body.classList.remove("immersive");
    link.say({ type: "stand_down" });
  };
  try {
    await room.renderer.xr.setSession(session);
  } catch (error) {
    await session.end();
    throw error;
  }
  document.body.classList.add("immersive");
  room.renderer.xr.getReferenceSpace()?.addEventListener("reset", () => uplink.recentred());
  room.renderer.setAnimationLoop((time, frame) => {
    const space = room.renderer.xr.getReferenceSpace();
    if (frame && space) uplink.frame(frame, space, time);
    room.draw(uplink, performance.now());
  });
}

function listenToKeys(uplink: Uplink): void {
  addEventListener("keydown", (event) => {
    if (event.code === "Space") uplink.deadMan.keyHeld = true;
  });
  addEventListener("keyup", (event) => {
    if (event.code === "Space") uplink.deadMan.keyHeld = false;
  });
  addEventListener("blur", () => (uplink.deadMan.keyHeld = false));
}

function describe(link: Link): void {
  if (link.connection === "refused") return;
  const { title, why, colour } = headline(link);
  say(title, why, colour);
  element("rig").textContent = link.rig;
  if (link.rig) element("how-to-hold").textContent = `To move the robot, ${howToHold(link)}.`;
}

void whenPaired(operate);
