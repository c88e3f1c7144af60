/** The desk page: the colleague beside the operator watches, records, stops and may hold the dead-man. */

import { headline } from "../headset/statePanel";
import { Link } from "../link/link";
import { invite, refused, whenPaired } from "../link/pairing";
import type { StatusReport } from "../protocol/messages";
import { loadHandDrawing } from "../scene/handModel";
import { padStrengths } from "../scene/skin";
import { DeadManKey } from "./deadManKey";
import { PadTraces } from "./padTraces";
import { OperatorControls } from "./operatorControls";
import { RecorderControls } from "./recorderControls";
import { say } from "../say";
import { View } from "./view";
import "../style.css";

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const DRAW_MS = 250;

async function watch(token: string): Promise<void> {
  const drawing = await loadHandDrawing();
  const link = new Link();
  const view = new View(element("view"), drawing);
  const pads = new PadTraces(element<HTMLCanvasElement>("pads"), drawing.pad_names);
  const recorder = new RecorderControls(link);
  const operator = new OperatorControls(link);
  new DeadManKey(link, element("hold"));
  link.onPicture = (picture) => {
    view.show(picture);
    if (picture.skinKnown) pads.add(padStrengths(drawing, picture.touch));
  };
  link.onConnection = () => {
    if (link.connection === "refused") refused(link);
  };
  link.open("/ws/desk", token);
  element("stop").onclick = () => link.say({ type: "emergency_stop" });
  element("disarm").onclick = () => link.say({ type: "disarm" });
  element("zero").onclick = () => link.say({ type: "zero" });
  element("invite").onclick = () => void showInvitation(token);
  setInterval(() => {
    if (link.connection === "refused") return;
    describe(link);
    recorder.show();
    operator.show();
  }, DRAW_MS);
}

function describe(link: Link): void {
  const { title, why, colour } = headline(link);
  const report = link.report;
  if (report) link.cause = report.cause;
  const waiting = report?.connected === false && !link.freshRefusal && !link.stopped;
  if (link.connection === "open" && waiting) say("No operator yet", "Pair a headset, or play a trace.", colour);
  else say(link.state === "engaged" ? "The robot follows the operator" : title, why, colour);
  element("rig").textContent = report?.simulated && link.rig !== "simulated" ? `${link.rig}, simulated` : link.rig;
  if (report) drawFigures(report);
}

function drawFigures(report: StatusReport): void {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, n) => total + n, 0);
  const figures: [string, string][] = [
    ["Operator", report.connected ? `connected, ${driving(report.driven_hand)}` : "nobody"],
    ["Poses", `${report.poses_per_s.toFixed(0)} a second, ${report.distinct_poses_per_s.toFixed(0)} distinct, ${report.poses} in all`],
    ["Age", report.age_p50_ms === null ? "not measured" : `${report.age_p50_ms.toFixed(1)} ms, p95 ${report.age_p95_ms?.toFixed(1)} ms`],
    ["Targets", `${report.targets}, ${(report.pose_to_target_us / 1000).toFixed(2)} ms after the pose`],
    ["Round trip", report.rtt_ms === null ? "not measured" : `${report.rtt_ms.toFixed(1)} ms`],
    ["Robot hand", report.hand_state],
    ["Refused", `${sum(report.rejected)} messages, ${sum(report.refused_connections)} connections`],
    ["Disk", `${report.disk_free_gb.toFixed(0)} GB free`],
    ["Dropped", `${sum(report.dropped)} rows`],
  ];
  element("figures").replaceChildren(
    ...figures.map(([name, value]) => {
      const [pair, term, detail] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
      [term.textContent, detail.textContent] = [name, value];
      pair.append(term, detail);
      return pair;
    }),
  );
}

/** `hands` is a side, or both sides joined by "and". */
function driving(hands: string): string {
  return hands.includes(" and ") ? `${hands} hands drive` : `${hands} hand drives`;
}

async function showInvitation(token: string): Promise<void> {
  try {
    const { code, token: invitation } = await invite(token);
    const here = `${location.origin}/#t=${invitation}`;
    element("invitation").textContent = `Code ${code}, once, within half an hour. Or open ${here}`;
  } catch (error) {
    element("invitation").textContent = error instanceof Error ? error.message : String(error);
  }
}

void whenPaired(watch);
