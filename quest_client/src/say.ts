/** The line at the top of either page: what is, and why. */

export function say(title: string, why: string, colour = ""): void {
  const [state, cause] = ["state", "cause"].map((id) => document.getElementById(id)!);
  state.textContent = title;
  state.style.color = colour;
  cause.textContent = why;
}
