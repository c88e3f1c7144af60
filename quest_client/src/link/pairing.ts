/** From an invitation to a session token that lives as long as this tab; the fragment never reaches a server's log. */

import { CLOSE_TOKEN } from "../protocol/messages";
import { say } from "../say";
import type { Link } from "./link";

const KEPT_AS = "skin-teleop session";
const HOW_TO_PAIR = "Type the six digits that skin-teleop up shows, or open the address it prints.";

class PairingRefused extends Error {}

/** Start with this tab's session token, or ask for a pairing code; whatever goes wrong is told on the page. */
export async function whenPaired(start: (token: string) => Promise<void>): Promise<void> {
  try {
    const token = await sessionToken();
    if (token) await start(token);
    else askForCode(HOW_TO_PAIR);
  } catch (error) {
    if (error instanceof PairingRefused) askForCode(error.message);
    else say("Not started", `${words(error)}. Reload the page to try again.`);
  }
}

/** The server refused this page's socket for good; only a token that is not known is forgotten. */
export function refused(link: Link): void {
  if (link.closeCode !== CLOSE_TOKEN) return say("Refused", `${link.reason}. Reload the page to try again.`);
  sessionStorage.removeItem(KEPT_AS);
  askForCode(link.reason);
}

/** A new invitation for another browser; throws PairingRefused with the server's reason. */
export async function invite(token: string): Promise<{ token: string; code: string }> {
  const answer = await fetch("/api/invite", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new PairingRefused(((await answer.json()) as { reason: string }).reason);
  return (await answer.json()) as { token: string; code: string };
}

/** Kept from before, or got for the invitation in the address; null without either. */
async function sessionToken(): Promise<string | null> {
  const invitation = new URLSearchParams(location.hash.slice(1)).get("t");
  return invitation ? redeem(invitation) : sessionStorage.getItem(KEPT_AS);
}

/** Exchange an invitation's token or code; throws PairingRefused with the server's reason. */
async function redeem(invitation: string): Promise<string> {
  const answer = await fetch("/api/pair", { method: "POST", body: JSON.stringify({ token: invitation.trim() }) });
  const told = (await answer.json()) as { session?: string; reason?: string };
  // Only now: an invitation that did not reach the server works after a reload.
  history.replaceState(null, "", location.pathname + location.search);
  if (!told.session) throw new PairingRefused(told.reason ?? `the server answered ${answer.status}`);
  sessionStorage.setItem(KEPT_AS, told.session);
  return told.session;
}

/** Pairing anew loads the page anew, so that nothing of the refused one is left. */
function askForCode(why: string): void {
  say("Not paired", why);
  const form = document.getElementById("pairing") as HTMLFormElement;
  form.hidden = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      await redeem((document.getElementById("code") as HTMLInputElement).value);
      location.reload();
    } catch (error) {
      say("Not paired", words(error));
    }
  };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
