/** What a page does after its socket closed. */

import { CLOSE_ORIGIN, CLOSE_REPLACED, CLOSE_SEAT, CLOSE_TOKEN } from "../protocol/messages";

export const RETRY_MS = 500;
/** Somebody else came in between: the page that had the seat waits for it, without hurry. */
export const SEAT_RETRY_MS = 2000;

/** After how many ms to connect again, or null where to ask again would not help. */
export function nextStep(code: number, everGreeted: boolean): number | null {
  if (code === CLOSE_SEAT) return everGreeted ? SEAT_RETRY_MS : null;
  return [CLOSE_TOKEN, CLOSE_ORIGIN, CLOSE_REPLACED].includes(code as never) ? null : RETRY_MS;
}
