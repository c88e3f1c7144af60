/** From an invitation to a session token that lives as long as this tab; the fragment never reaches a server's log. */

const KEPT_AS = "skin-teleop session";

export class PairingRefused extends Error {}

/** The session token of this tab: kept from before, or got for the invitation in the address; null without either. */
export async function sessionToken(): Promise<string | null> {
  const invitation = new URLSearchParams(location.hash.slice(1)).get("t");
  if (invitation) {
    history.replaceState(null, "", location.pathname + location.search);
    return redeem(invitation);
  }
  return sessionStorage.getItem(KEPT_AS);
}

/** Exchange an invitation's token or code; throws PairingRefused with the server's reason. */
export async function redeem(invitation: string): Promise<string> {
  const answer = await fetch("/api/pair", { method: "POST", body: JSON.stringify({ token: invitation.trim() }) });
  const told = (await answer.json()) as { session?: string; reason?: string };
  if (!told.session) throw new PairingRefused(told.reason ?? `the server answered ${answer.status}`);
  sessionStorage.setItem(KEPT_AS, told.session);
  return told.session;
}

/** A new invitation for another browser; throws PairingRefused with the server's reason. */
export async function invite(token: string): Promise<{ token: string; code: string }> {
  const answer = await fetch("/api/invite", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new PairingRefused(((await answer.json()) as { reason: string }).reason);
  return (await answer.json()) as { token: string; code: string };
}

/** This tab's token was refused: the next load asks for an invitation. */
export function forget(): void {
  sessionStorage.removeItem(KEPT_AS);
}
