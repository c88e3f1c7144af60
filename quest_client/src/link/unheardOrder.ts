/** An emergency stop or a disarm is kept until the server told a new state: a dead connection must not swallow it. */

import type { FromDesk, FromOperator } from "../protocol/messages";

type Order = FromOperator | FromDesk;
/** Said again and again, or by the page itself: nobody waits for an answer. */
const QUIET: Order["type"][] = ["dead_man", "recentred"];

export class UnheardOrder {
  /** What to say after the next hello. */
  order: Order | null = null;

  note(message: Order): void {
    const stops = message.type === "emergency_stop";
    if (stops || (message.type === "disarm" && this.order?.type !== "emergency_stop")) this.order = message;
  }

  heard(): void {
    this.order = null;
  }

  /** What a person is told of an order given while nobody hears it. */
  wordsFor(message: Order): string {
    if (QUIET.includes(message.type)) return "";
    const words = message.type.replaceAll("_", " ");
    return message.type === this.order?.type ? `no server: ${words} is sent as soon as it answers` : `no server: ${words} was not sent`;
  }
}
