/** Entering the headset: passthrough where it is offered, else a dark room; hands are needed either way. */

export type XRMode = "immersive-ar" | "immersive-vr";

/** The mode this browser offers, or null with the reason why none. */
export async function offeredMode(): Promise<{ mode: XRMode | null; reason: string }> {
  if (!window.isSecureContext) {
    return { mode: null, reason: "this address is not secure: use https, or http://localhost through adb reverse" };
  }
  if (!navigator.xr) return { mode: null, reason: "this browser has no WebXR: open the address in the Quest browser" };
  for (const mode of ["immersive-ar", "immersive-vr"] as const) {
    if (await navigator.xr.isSessionSupported(mode)) return { mode, reason: "" };
  }
  return { mode: null, reason: "no headset is connected to this browser" };
}

/** Ask for a session; call it from a click. */
export async function enter(mode: XRMode): Promise<XRSession> {
  if (!navigator.xr) throw new Error("no WebXR");
  return navigator.xr.requestSession(mode, {
    requiredFeatures: ["local-floor", "hand-tracking"],
    optionalFeatures: ["bounded-floor"],
  });
}
