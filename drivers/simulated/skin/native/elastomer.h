/* The elastomer of one pad; elastomer.py is the reference. */
#include "skin.h"

typedef struct {
  float stick, forget, late, slow; /* shares of a first-order lag in one step */
} Steps;

static float share(double dt_s, double time_constant_s) { return (float)-expm1(-dt_s / time_constant_s); }

static Steps steps_of(const Skin *skin, double dt_s) {
  Steps steps = {share(dt_s, skin->shear_memory_s), share(dt_s, skin->forget_s), share(dt_s, skin->hysteresis_s),
                 share(dt_s, skin->creep_s)};
  return steps;
}

/* Follow a goal by a share of the way; what is too small to matter becomes zero, so that rest is reached. */
static float follow(float at, float goal, float by, float settled) {
  float next = at + by * (goal - at);
  return fabsf(next) < settled ? 0 : next;
}

static void remember(Skin *skin, int pad, int n, int touched, float pace, float *moved) {
  float memory = (float)skin->shear_memory, settled = (float)skin->settled_m, *held = skin->held_m[pad];
  for (int i = 0; i < 3 * n; i += 3)
    for (int k = i; k < i + 2; k++) {
      held[k] = follow(held[k], touched ? moved[k] : 0, pace, settled);
      moved[k] += memory * (held[k] - moved[k]);
    }
}

static void lag(Skin *skin, int pad, int n, const Steps *steps, float *moved) {
  float late = (float)skin->hysteresis, slow = (float)skin->creep, settled = (float)skin->settled_m;
  float *behind = skin->late_m[pad], *creeping = skin->slow_m[pad], left = 0;
  for (int i = 0; i < 3 * n; i++) {
    behind[i] = follow(behind[i], moved[i], steps->late, settled);
    creeping[i] = follow(creeping[i], moved[i], steps->slow, settled);
    moved[i] = (1 - late - slow) * moved[i] + late * behind[i] + slow * creeping[i];
    left += fabsf(behind[i]) + fabsf(creeping[i]) + fabsf(skin->held_m[pad][i]);
  }
  skin->disturbed[pad] = left > 0;
}

/* Displacements of a pad's magnets (3n), m; returns 0 where nothing presses and nothing is remembered: all are zero. */
static int move_magnets(Skin *skin, int pad, const double (*force_n)[3], double slip_m_per_s, const Steps *steps,
                        float *moved) {
  int n = taxels_of(skin, pad);
  float force[AXES], total = 0, largest = (float)skin->largest_m;
  for (int i = 0; i < 3 * n; i++) force[i] = (float)force_n[i / 3][i % 3], total += fabsf(force[i]);
  if (total == 0 && !skin->disturbed[pad]) return 0;
  memset(moved, 0, AXES * sizeof *moved);
  if (total > 0) {
    add_product(3 * n, (const float(*)[AXES])skin->compliance[pad], force, moved);
    for (int i = 0; i < 3 * n; i++) moved[i] = largest * tanhf(moved[i] / largest);
  }
  int touched = total > (float)skin->touch_n, sticks = touched && slip_m_per_s < skin->slip_release_m_per_s;
  remember(skin, pad, n, touched, sticks ? steps->stick : steps->forget, moved);
  lag(skin, pad, n, steps, moved);
  return 1;
}
