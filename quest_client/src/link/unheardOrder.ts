/** An emergency stop or a disarm is kept until the server answered it: a dead connection must not swallow it. */

import { STOPPED, type FromDesk, type FromOperator, type Hello, type StateChanged } from "../protocol/messages";

type Order = FromOperator | FromDesk;
/** Said again and again, or by the page itself: nobody waits for an answer. A lost connection stands down by itself. */
const QUIET: Order["type"][] = ["dead_man", "recentred", "stand_down"];
const LATER: Partial<Record<Order["type"], string>> = {
  emergency_stop: "is sent as soon as it answers",
  disarm: "is sent when it answers, if the robot is armed then",
};

export class UnheardOrder {
  private order: Order | null = null;

  note(message: Order): void {
    const stops = message.type === "emergency_stop";
    if (stops || (message.type === "disarm" && this.order?.type !== "emergency_stop")) this.order = message;
  }

  /** What to say after a hello. An old disarm must not acknowledge a stop or a fault that came after it. */
  dueAfter(hello: Pick<Hello, "state">): Order | null {
    if (this.order?.type === "disarm" && hello.state === "disarmed") this.order = null;
    return this.order;
  }

  /** Forget an order that this news answers; news from before it may still have been on its way. */
  hear(news: Pick<StateChanged, "state" | "reason">): void {
    const answered = this.order?.type === "emergency_stop" ? news.reason === STOPPED : news.state === "disarmed";
    if (answered) this.order = null;
  }

  /** What a person is told of an order given while nobody hears it. */
  wordsFor(message: Order): string {
    if (QUIET.includes(message.type)) return "";
    const later = message.type === this.order?.type ? LATER[message.type] : undefined;
    return `no server: ${message.type.replaceAll("_", " ")} ${later ?? "was not sent"}`;
  }
}
