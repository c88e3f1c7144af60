/** The operator's page: pair, enter the headset, stream hands until the session ends. */

import { Link } from "../link/link";
import { PairingRefused, forget, redeem, sessionToken } from "../link/pairing";
import { loadHandDrawing } from "../scene/handModel";
import { enter, offeredMode, type XRMode } from "../xr/session";
import { Room } from "./room";
import { offerTrace } from "./saveTrace";
import { headline } from "./statePanel";
import { Uplink } from "./uplink";
import "../style.css";

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const WATCH_MS = 200;

async function begin(): Promise<void> {
  try {
    const token = await sessionToken();
    if (token) await operate(token);
    else askForCode("Type the six digits that skin-teleop up shows, or open the address it prints.");
  } catch (error) {
    if (!(error instanceof PairingRefused)) throw error;
    askForCode(error.message);
  }
}

function askForCode(why: string): void {
  say("Not paired", why);
  const form = element<HTMLFormElement>("pairing");
  form.hidden = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      const token = await redeem(element<HTMLInputElement>("code").value);
      form.hidden = true;
      await operate(token);
    } catch (error) {
      say("Not paired", error instanceof Error ? error.message : String(error));
    }
  };
}

async function operate(token: string): Promise<void> {
  const link = new Link("/ws/operator", token);
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
    if (link.connection === "refused") refused(link);
  };
  listenToKeys(uplink);
  offerTrace(link, element("trace"));
  setInterval(() => describe(link), WATCH_MS);
  const { mode, reason } = await offeredMode();
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
    session.onvisibilitychange = () => session.visibilityState !== "visible" && uplink.hold();
    session.onend = () => {
      room.renderer.setAnimationLoop(null);
      document.body.classList.remove("immersive");
      link.say({ type: "disarm" });
    };
    await room.renderer.xr.setSession(session);
    document.body.classList.add("immersive");
    room.renderer.xr.getReferenceSpace()?.addEventListener("reset", () => uplink.deadMan.demandNewHold());
    room.renderer.setAnimationLoop((time, frame) => {
      const space = room.renderer.xr.getReferenceSpace();
      if (frame && space) uplink.frame(frame, space, time);
      room.draw(uplink, performance.now());
    });
  } catch (error) {
    element("offer").textContent = `The headset did not start: ${error instanceof Error ? error.message : error}`;
  }
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

function refused(link: Link): void {
  forget();
  element<HTMLButtonElement>("enter").hidden = true;
  askForCode(link.reason);
}

function describe(link: Link): void {
  if (link.connection === "refused") return;
  const { title, why, colour } = headline(link);
  say(title, why, colour);
  element("rig").textContent = link.rig;
}

function say(title: string, why: string, colour = ""): void {
  element("state").textContent = title;
  element("state").style.color = colour;
  element("cause").textContent = why;
}

void begin();
