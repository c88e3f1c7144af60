/** One palette for headset and desk: dark, quiet, colour only where something happens. */

export const BACKGROUND = 0x0f1216;
export const LINK = 0x5b6673;
export const PALM = 0x424c57;
export const COMMANDED = 0x7fb2d9;
export const LIMIT = 0xe08a5b;
export const HUMAN = 0xb9c4d0;
export const TAXEL_REST = 0x2b5d7d;
/** A touch that can just be told from noise. */
export const TAXEL_FAINT = 0x8a6238;
export const TAXEL_TOUCHED = 0xffb454;
export const STATE_COLOURS: Record<string, string> = {
  disarmed: "#8a94a0",
  armed: "#f2c46d",
  engaged: "#6fcf97",
  lost: "#e0705b",
};
