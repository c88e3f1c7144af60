// Injected by `bench teleop` before the emulated headset's own scripts: frames at 90 Hz without a display, a hand that
// circles and pinches, and what a frame costs. The page itself is the one that people use. Nothing is drawn: a headset
// has a graphics processor for that, and here a software rasteriser would be measured in its place.
(() => {
  const PERIOD_MS = 1000 / 90;
  const CIRCLE_MS = 4000;
  const encodeMs = new Float64Array(200_000); // half an hour at 90 Hz; a fixed size, so that it never counts as growth
  const bench = { frames: 0, poses: 0, say: (message) => worker.postMessage({ kind: "say", message }) };
  bench.encodeMs = () => [...encodeMs.subarray(0, Math.min(bench.poses, encodeMs.length))];
  window.bench = bench;
  let worker = null;

  // A headless browser draws at most 60 times a second. Absolute deadlines: a late frame does not delay the next ones.
  let waiting = new Map();
  let asked = 0;
  let due = performance.now();
  window.requestAnimationFrame = (callback) => (waiting.set(++asked, callback), asked);
  window.cancelAnimationFrame = (id) => waiting.delete(id);
  const tick = () => {
    const now = performance.now();
    due = Math.max(due + PERIOD_MS, now - PERIOD_MS);
    setTimeout(tick, Math.max(0, due - now));
    moveHand(now);
    const callbacks = [...waiting.values()];
    waiting = new Map();
    callbacks.forEach((callback) => callback(now));
    bench.frames += 1;
  };
  setTimeout(tick);

  for (const draw of ["clear", "drawArrays", "drawArraysInstanced", "drawElements", "drawElementsInstanced"]) {
    WebGL2RenderingContext.prototype[draw] = () => {};
  }

  function moveHand(now) {
    const angle = (2 * Math.PI * now) / CIRCLE_MS;
    const clientX = innerWidth * (0.5 + 0.1 * Math.cos(angle));
    const clientY = innerHeight * (0.4 + 0.1 * Math.sin(angle));
    dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
    if (bench.frames % 180 === 0) dispatchEvent(new PointerEvent(bench.frames % 360 ? "pointerup" : "pointerdown"));
  }

  // The frame carries its own capture time (f64, ms, at byte 8), taken before the hands are read.
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    worker = this;
    if (message.kind === "pose") {
      const captured = new DataView(message.frame).getFloat64(8, true);
      encodeMs[bench.poses++ % encodeMs.length] = performance.timeOrigin + performance.now() - captured;
    }
    return post.call(this, message, ...rest);
  };
})();
