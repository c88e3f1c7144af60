/** Short quiet tones: bare hands have no haptics, so state and contact are heard. */

const STATE_TONES: Record<string, number> = { disarmed: 220, armed: 440, engaged: 660 };
const CONTACT_HZ = 990;
const PUSH_HZ = 520;

export class Sound {
  private context: AudioContext | null = null;
  private touching = false;

  /** Call from a click: browsers begin to sound only then. */
  wake(): void {
    this.context ??= new AudioContext();
  }

  state(state: string): void {
    this.tone(STATE_TONES[state] ?? 220, 0.12, 0.08);
  }

  push(): void {
    this.tone(PUSH_HZ, 0.04, 0.05);
  }

  /** Tell the strongest touch, 0 to 1; the beginning of a contact is heard. */
  touch(strongest: number): void {
    const touching = strongest > (this.touching ? 0.02 : 0.08);
    if (touching && !this.touching) this.tone(CONTACT_HZ, 0.05, 0.03 + 0.1 * strongest);
    this.touching = touching;
  }

  private tone(hz: number, seconds: number, volume: number): void {
    if (!this.context) return;
    const gain = this.context.createGain();
    const oscillator = this.context.createOscillator();
    oscillator.frequency.value = hz;
    gain.gain.setValueAtTime(volume, this.context.currentTime);
    gain.gain.exponentialRampToValueAtTime(0.0001, this.context.currentTime + seconds);
    oscillator.connect(gain).connect(this.context.destination);
    oscillator.start();
    oscillator.stop(this.context.currentTime + seconds);
  }
}
