/** Keep what this page sent as a file that `skin-teleop operate` plays again, bit for bit. */

import type { Link } from "../link/link";

/** Offer the button once something was sent. */
export function offerTrace(link: Link, button: HTMLButtonElement): void {
  link.onTrace = download;
  button.onclick = () => link.askForTrace();
  const waiting = setInterval(() => {
    button.hidden = link.sent === 0;
    if (!button.hidden) clearInterval(waiting);
  }, 500);
}

function download(frames: ArrayBuffer): void {
  const address = URL.createObjectURL(new Blob([frames], { type: "application/octet-stream" }));
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = `skin-teleop-${new Date().toISOString().replace(/[:.]/g, "")}.frames`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
