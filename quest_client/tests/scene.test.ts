import { Color, Matrix4, type BufferGeometry, type InstancedMesh, type LineSegments } from "three";
import { describe, expect, it } from "vitest";
import { N_HAND_JOINTS, N_TAXELS } from "../src/protocol/messages";
import { TAXEL_FAINT, TAXEL_REST, TAXEL_TOUCHED } from "../src/scene/colours";
import { tipHalfExtents, type HandDrawing } from "../src/scene/handModel";
import { HumanHands } from "../src/scene/humanHands";
import { FULL_COUNTS, NOISE_COUNTS, Skin } from "../src/scene/skin";
import { HandReader, LEFT, RIGHT } from "../src/xr/hands";

/** Taxels 0 and 1 on the tip of the first finger, 2 on another pad of that link, the rest on the palm. */
const drawing = {
  tip_xyz_m: [[0, 0, 0.0267], [0, 0, 0.0267], [0, 0, 0.0267], [0, 0, 0.0423]],
  pad_names: ["0aftc", "link_2", "ahr_palm_1"],
  taxel_link: Array.from({ length: N_TAXELS }, (_, k) => (k < 3 ? 3 : -1)),
  taxel_pad: Array.from({ length: N_TAXELS }, (_, k) => (k < 2 ? 0 : k === 2 ? 1 : 2)),
  taxel_xyz_m: Array.from({ length: N_TAXELS }, (_, k) => [[-0.0005, 0.0143, 0.0267], [0.0127, 0, 0.0498], [0.05, 0, 0]][k] ?? [0, 0, 0]),
  taxel_normal: Array(N_TAXELS).fill([0, 0, 1]),
  taxel_tangent: Array(N_TAXELS).fill([1, 0, 0]),
} as unknown as HandDrawing;

describe("a fingertip", () => {
  it("is as large as the curved pad that it wears, else as the bare ball", () => {
    expect(tipHalfExtents(drawing, 0).map((half) => +half.toFixed(4))).toEqual([0.0127, 0.0143, 0.0231]);
    expect(tipHalfExtents(drawing, 1)).toEqual([0.012, 0.012, 0.012]);
  });
});

describe("taxels", () => {
  const drawn = (counts: number) => {
    const skin = new Skin(drawing);
    const touch = new Int16Array(3 * N_TAXELS);
    touch[3 * 5 + 2] = counts;
    skin.show(touch, Array(16).fill(new Matrix4()));
    return [4, 5].map((taxel) => {
      const colour = new Color();
      skin.mesh.getColorAt(taxel, colour);
      return colour.getHex();
    });
  };

  it("are quiet at rest, warm from the faintest touch on, bright at the strongest", () => {
    expect(drawn(0)).toEqual([TAXEL_REST, TAXEL_REST]);
    expect(drawn(NOISE_COUNTS)).toEqual([TAXEL_REST, TAXEL_REST]);
    expect(drawn(NOISE_COUNTS + FULL_COUNTS)).toEqual([TAXEL_REST, TAXEL_TOUCHED]);
    const between = (drawn(NOISE_COUNTS + 25)[1] >> 16) & 255;
    expect(between).toBeGreaterThan(TAXEL_FAINT >> 16);
    expect(between).toBeLessThan(TAXEL_TOUCHED >> 16);
  });
});

describe("the operator's own hands", () => {
  const shown = (...sides: (typeof LEFT | typeof RIGHT)[]) => {
    const reader = new HandReader();
    for (const side of sides) {
      reader.valid[side] = true;
      for (let joint = 0; joint < N_HAND_JOINTS; joint++) reader.pose[side * (reader.pose.length / 2) + 7 * joint] = joint + 1;
    }
    const hands = new HumanHands();
    hands.show(reader);
    const [beads, threads] = hands.group.children as [InstancedMesh, LineSegments<BufferGeometry>];
    const ends = threads.geometry.getAttribute("position");
    const drawn = threads.geometry.drawRange.count;
    return { beads: beads.count, threads: Array.from({ length: drawn / 2 }, (_, k) => [ends.getX(2 * k) - 1, ends.getX(2 * k + 1) - 1]) };
  };

  it("are beads on threads, every finger from the wrist on", () => {
    const { beads, threads } = shown(RIGHT);
    expect(beads).toBe(N_HAND_JOINTS);
    expect(threads.length).toBe(N_HAND_JOINTS - 1);
    expect(threads.filter(([from]) => from === 0).map(([, to]) => to)).toEqual([1, 5, 10, 15, 20]);
    expect(threads.filter(([from]) => from > 0).every(([from, to]) => to === from + 1)).toBe(true);
  });

  it("are shown as many as are tracked", () => {
    expect([shown(), shown(LEFT), shown(LEFT, RIGHT)].map(({ beads, threads }) => [beads, threads.length])).toEqual([
      [0, 0], [25, 24], [50, 48],
    ]);
  });
});
