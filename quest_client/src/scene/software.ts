/** Machines without a graphics card draw with the processor that the rig needs too: there, draw little and seldom. */

import type { WebGLRenderer } from "three";

/** There, the picture changes about three times a second, so that drawing never starves the poses. */
export const SOFTWARE_REST_MS = 300;
const BY_PROCESSOR = /swiftshader|llvmpipe|software/i;

export function drawsInSoftware(renderer: WebGLRenderer): boolean {
  const context = renderer.getContext();
  const info = context.getExtension("WEBGL_debug_renderer_info");
  return BY_PROCESSOR.test(String(context.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER)));
}
