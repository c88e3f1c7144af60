"use strict";
// Lanes of one session on a canvas. `view` is the shown span in seconds; everything is drawn anew when it changes.

const content = JSON.parse(document.getElementById("content").textContent);
const characters = atob(document.getElementById("data").textContent);
const bytes = new Uint8Array(characters.length);
for (let k = 0; k < bytes.length; k++) bytes[k] = characters.charCodeAt(k);
const canvas = document.getElementById("lanes"), overlay = document.getElementById("cursor");
const colours = content.colours;
const LEFT = 150, RIGHT = 78, AXIS = 30, TITLE = 26, MIN_SPAN_S = 20 * content.levels[0].bucket;
const HEIGHTS = { skin: 15, position: 40, torque: 26, hand: 36, rate: 24 };
const TITLES = {
  skin: "Skin: strongest taxel of each pad, change from rest without the ambient field",
  position: "Joints: measured angle over its target (grey)",
  torque: "Joints: commanded torque, one scale for all",
  hand: "Operator's hand",
  rate: "Rows a second",
};
const whole = { start: content.start, end: Math.max(content.end, content.start + MIN_SPAN_S) };
let view = { ...whole };

// Where each level's bytes begin: for every lane `count` low values, then `count` high values.
let begin = 0;
for (const level of content.levels) {
  level.begin = begin;
  begin += 2 * level.count * content.lanes.length;
}
content.lanes.forEach((lane, index) => (lane.index = index));

function layOut() {
  const rows = [];
  let y = AXIS;
  for (const set of content.labelsets) rows.push({ kind: "labels", set, y: (y += 4), height: 22 }), (y += 22);
  rows.push({ kind: "events", y: (y += 4), height: 16 });
  y += 16;
  for (const group of Object.keys(TITLES)) {
    const lanes = content.lanes.filter((lane) => lane.group === group);
    if (!lanes.length) continue;
    rows.push({ kind: "title", text: TITLES[group], y: y + 6, height: TITLE });
    y += TITLE + 8;
    for (const lane of lanes) {
      const gap = group === "skin" ? 1 : 5;
      rows.push({ kind: group === "skin" ? "heat" : "line", lane, y, height: HEIGHTS[group] });
      y += HEIGHTS[group] + gap;
    }
  }
  return { rows, height: y + 20 };
}
const layout = layOut();

const width = () => canvas.clientWidth;
const plotWidth = () => width() - LEFT - RIGHT;
const toX = (t) => LEFT + ((t - view.start) / (view.end - view.start)) * plotWidth();
const toTime = (x) => view.start + ((x - LEFT) / plotWidth()) * (view.end - view.start);
const value = (lane, step) => {
  const v = lane.low + ((step - 1) / 254) * (lane.high - lane.low);
  return lane.log ? 10 ** v - 1 : v;
};
const written = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 1 ? v.toFixed(1) : v.toFixed(2));

function levelFor(secondsPerPixel) {
  let best = content.levels[0];
  for (const level of content.levels) if (level.bucket <= secondsPerPixel) best = level;
  return best;
}

// Lowest and highest step of a lane between two times, or null where it has no value.
function extremes(lane, level, from, to) {
  const first = Math.max(0, Math.floor((from - content.start) / level.bucket));
  const last = Math.min(level.count - 1, Math.max(first, Math.ceil((to - content.start) / level.bucket) - 1));
  const low = level.begin + 2 * level.count * lane.index, high = low + level.count;
  let least = 256, most = 0;
  for (let k = first; k <= last; k++) {
    if (!bytes[low + k]) continue;
    least = Math.min(least, bytes[low + k]);
    most = Math.max(most, bytes[high + k]);
  }
  return most ? [least, most] : null;
}

function fit(target) {
  const scale = window.devicePixelRatio || 1;
  target.width = Math.round(width() * scale);
  target.height = Math.round(layout.height * scale);
  target.style.height = `${layout.height}px`;
  const pen = target.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  return pen;
}

const heat = (share) => { // from the panel's dark over violet and rose to a light yellow
  const stops = [[19, 26, 34], [76, 42, 110], [190, 62, 110], [245, 150, 90], [252, 240, 190]];
  const at = Math.min(3.999, Math.max(0, share) * 4), k = Math.floor(at), part = at - k;
  return `rgb(${stops[k].map((c, i) => Math.round(c + part * (stops[k + 1][i] - c))).join(",")})`;
};
const HEAT = Array.from({ length: 256 }, (_, step) => heat(((step - 1) / 254 - 0.25) / 0.75));

function drawAxis(pen) {
  const span = view.end - view.start, raw = span / Math.max(2, plotWidth() / 110);
  const decade = 10 ** Math.floor(Math.log10(raw));
  const step = decade * [1, 2, 5, 10].find((factor) => factor * decade >= raw);
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  pen.textAlign = "center";
  for (let k = Math.ceil(view.start / step); k * step <= view.end; k++) {
    pen.fillStyle = colours.grid;
    pen.fillRect(Math.round(toX(k * step)), AXIS - 4, 1, layout.height - AXIS);
    pen.fillStyle = colours.faint;
    pen.fillText((k * step).toFixed(digits), toX(k * step), AXIS - 14);
  }
  pen.textAlign = "right";
  pen.fillText("time, s", LEFT - 10, AXIS - 14);
}

function drawLabels(pen, row) {
  for (const label of content.labels.filter((one) => one.set === row.set)) {
    const from = Math.max(LEFT, toX(label.start)), to = Math.min(width() - RIGHT, toX(label.end));
    if (to <= from) continue;
    const colour = colours.labels[label.label] || colours.other, proposed = label.facts.state === "proposed";
    pen.globalAlpha = proposed ? 0.18 : 0.42;
    pen.fillStyle = colour;
    pen.fillRect(from, row.y, Math.max(1, to - from - 1), row.height);
    pen.globalAlpha = 1;
    pen.strokeStyle = colour;
    pen.setLineDash(proposed ? [3, 3] : []);
    if (to - from > 3) pen.strokeRect(from + 0.5, row.y + 0.5, to - from - 2, row.height - 1);
    pen.setLineDash([]);
    pen.fillStyle = colours.text;
    pen.textAlign = "left";
    if (pen.measureText(label.label).width + 8 < to - from) pen.fillText(label.label, from + 5, row.y + row.height / 2);
  }
}

function drawEvents(pen, row) {
  pen.fillStyle = colours.torque;
  for (const [t] of content.events)
    if (t >= view.start && t <= view.end) pen.fillRect(Math.round(toX(t)), row.y, 2, row.height);
}

function drawHeat(pen, row, level) {
  const pixel = (view.end - view.start) / plotWidth();
  let from = 0, shown = -1;
  for (let x = 0; x <= plotWidth(); x++) { // neighbours of one colour are drawn as one
    const found = x < plotWidth() && extremes(row.lane, level, view.start + x * pixel, view.start + (x + 1) * pixel);
    const step = found ? found[1] : 0;
    if (step === shown && x < plotWidth()) continue;
    pen.fillStyle = shown > 0 ? HEAT[shown] : colours.background;
    pen.fillRect(LEFT + from, row.y, x - from, row.height);
    [from, shown] = [x, step];
  }
}

function drawBand(pen, row, lane, level, colour) {
  const pixel = (view.end - view.start) / plotWidth(), y = (step) => row.y + row.height * (1 - (step - 1) / 254);
  pen.fillStyle = colour;
  pen.beginPath();
  let before = null;
  for (let x = 0; x < plotWidth(); x++) {
    const found = extremes(lane, level, view.start + x * pixel, view.start + (x + 1) * pixel);
    if (found) { // reach over to the column before, so that a steep line stays one line
      const low = before ? Math.min(found[0], before[1]) : found[0], high = before ? Math.max(found[1], before[0]) : found[1];
      pen.rect(LEFT + x, y(high) - 0.6, 1, Math.max(1.2, y(low) - y(high)));
    }
    before = found;
  }
  pen.fill();
}

function drawLine(pen, row, level) {
  const { lane } = row;
  pen.fillStyle = colours.panel;
  pen.fillRect(LEFT, row.y, plotWidth(), row.height);
  const target = content.lanes.find((other) => other.group === "target" && other.name === lane.name);
  if (lane.group === "position" && target) drawBand(pen, row, target, level, colours.faint); // same range
  drawBand(pen, row, lane, level, colours.fingers[lane.name.split(" ")[0]] || colours[lane.group]);
}

function drawNames(pen) {
  for (const row of layout.rows) {
    pen.textAlign = row.kind === "title" ? "left" : "right";
    pen.fillStyle = row.kind === "title" ? colours.text : colours.faint;
    const text = { labels: `labels, ${row.set}`, events: "events", title: row.text }[row.kind] || row.lane.name;
    pen.fillText(text, row.kind === "title" ? 0 : LEFT - 10, row.y + row.height / 2);
    if (row.kind !== "line") continue;
    const unit = row.lane.unit === "°" ? "°" : ` ${row.lane.unit}`;
    pen.textAlign = "left";
    pen.font = "10px system-ui, sans-serif";
    pen.fillText(written(row.lane.high) + unit, width() - RIGHT + 8, row.y + 6);
    pen.fillText(written(row.lane.low) + unit, width() - RIGHT + 8, row.y + row.height - 5);
    pen.font = "12px system-ui, sans-serif";
  }
}

// The colours of the skin: a scale beside its lanes, in counts.
function drawScale(pen) {
  const rows = layout.rows.filter((row) => row.kind === "heat");
  if (!rows.length) return;
  const { lane, y } = rows[0], height = rows.at(-1).y + rows.at(-1).height - y, x = width() - RIGHT + 10;
  for (let k = 0; k < height; k++) {
    pen.fillStyle = HEAT[255 - Math.round((254 * k) / height)];
    pen.fillRect(x, y + k, 9, 1);
  }
  pen.fillStyle = colours.faint;
  pen.textAlign = "left";
  for (const counts of [1, 10, 100, 1000, 10000]) {
    const share = (Math.log10(1 + counts) - lane.low) / (lane.high - lane.low);
    if (share > 0 && share < 0.97) pen.fillText(`${counts}`, x + 14, y + height * (1 - share));
  }
  pen.fillText("counts", x + 14, y + 3);
}

let shownMs = 0;
function draw() {
  const begun = performance.now(), pen = fit(canvas);
  fit(overlay);
  const level = levelFor((view.end - view.start) / plotWidth());
  drawAxis(pen);
  const drawers = { labels: drawLabels, events: drawEvents, heat: drawHeat, line: drawLine };
  for (const row of layout.rows) drawers[row.kind]?.(pen, row, level);
  drawNames(pen);
  drawScale(pen);
  shownMs = shownMs || performance.now();
  Object.assign(document.body.dataset, {
    start: view.start.toFixed(3), end: view.end.toFixed(3), bucket: level.bucket,
    drawMs: (performance.now() - begun).toFixed(1), shownMs: shownMs.toFixed(0),
  });
}

let planned = 0;
function show(start, end) {
  const span = Math.min(whole.end - whole.start, Math.max(MIN_SPAN_S, end - start));
  const from = Math.min(whole.end - span, Math.max(whole.start, start + (end - start - span) / 2));
  view = { start: from, end: from + span };
  document.body.dataset.asked = `${from.toFixed(3)} ${view.end.toFixed(3)}`;
  cancelAnimationFrame(planned);
  planned = requestAnimationFrame(draw);
}
const zoom = (factor, at = (view.start + view.end) / 2) =>
  show(at - (at - view.start) * factor, at + (view.end - at) * factor);
const pan = (share) => show(view.start + share * (view.end - view.start), view.end + share * (view.end - view.start));

function goToLabel(direction) {
  const middle = (view.start + view.end) / 2, starts = content.labels.map((label) => (label.start + label.end) / 2);
  const ahead = starts.filter((t) => direction * (t - middle) > 1e-6).sort((a, b) => direction * (a - b));
  if (ahead.length) show(ahead[0] - (view.end - view.start) / 2, ahead[0] + (view.end - view.start) / 2);
}

function readOut(event) {
  const pen = fit(overlay), x = event.offsetX, y = event.offsetY, t = toTime(x);
  if (x < LEFT || x > width() - RIGHT) return;
  pen.fillStyle = colours.faint;
  pen.fillRect(Math.round(x), AXIS, 1, layout.height - AXIS);
  const parts = [`${t.toFixed(2)} s`], facts = (o) => Object.entries(o).map(([k, v]) => `${k} ${v}`).join(", ");
  for (const label of content.labels)
    if (label.start <= t && t <= label.end) parts.push(`${label.label} (${facts(label.facts)})`);
  const row = layout.rows.find((one) => one.y <= y && y <= one.y + one.height);
  if (row?.kind === "events")
    for (const [at, name, more] of content.events) if (Math.abs(toX(at) - x) < 4) parts.push(`${name} (${facts(more)})`);
  if (row?.lane) {
    const level = levelFor((view.end - view.start) / plotWidth()), found = extremes(row.lane, level, t, t);
    const [low, high] = (found || []).map((step) => written(value(row.lane, step)));
    parts.push(found ? `${row.lane.name}: ${low === high ? low : `${low} to ${high}`} ${row.lane.unit}` : `${row.lane.name}: no value`);
  }
  document.getElementById("readout").textContent = parts.join("  ·  ");
}

let held = null;
canvas.addEventListener("pointerdown", (event) => {
  held = { x: event.offsetX, ...view };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", () => (held = null));
canvas.addEventListener("pointermove", (event) => {
  readOut(event);
  if (!held) return;
  const shift = ((held.x - event.offsetX) / plotWidth()) * (held.end - held.start);
  show(held.start + shift, held.end + shift);
});
canvas.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return; // the page scrolls
  event.preventDefault();
  if (event.ctrlKey) zoom(1.0015 ** event.deltaY, toTime(event.offsetX));
  else pan(event.deltaX / plotWidth());
}, { passive: false });
const keys = {
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show(whole.start, whole.end),
  Home: () => show(whole.start, whole.end), ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25),
  n: () => goToLabel(1), p: () => goToLabel(-1),
};
window.addEventListener("keydown", (event) => {
  if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  keys[event.key]();
});
document.getElementById("whole").onclick = keys[0];
document.getElementById("in").onclick = keys["+"];
document.getElementById("out").onclick = keys["-"];
window.addEventListener("resize", draw);
draw();
