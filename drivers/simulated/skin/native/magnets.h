/* The field of a pad's own magnets, and of everything that is not touch; magnets.py and ambient.py are the reference. */
#include "elastomer.h"

/* Field of the magnet above a cell, displaced by `moved` (3), T. */
static void own_field(const Skin *skin, float strength, const float *moved, float *field_t) {
  float tilt = (float)skin->tilt, right = moved[0], ahead = moved[1], below = moved[2] + (float)skin->height_m;
  float lean_x = tilt * right, lean_y = tilt * ahead;
  float square = right * right + ahead * ahead + below * below;
  float along = -3 * (lean_x * right + lean_y * ahead + below) / square;
  strength /= square * sqrtf(square);
  field_t[0] = strength * (-along * right - lean_x);
  field_t[1] = strength * (-along * ahead - lean_y);
  field_t[2] = strength * (-along * below - 1);
}

/* Add what displaced magnets change in the cells of their pad, fields (n, 3) in taxel frames. */
static void add_touch(const Skin *skin, int pad, const float *moved, float (*field_t)[3]) {
  int n = taxels_of(skin, pad);
  float others[AXES] = {0};
  add_product(3 * n, (const float(*)[AXES])skin->neighbours[pad], moved, others);
  for (int i = 0; i < n; i++) {
    float own[3];
    int64_t taxel = skin->first[pad] + i;
    own_field(skin, skin->strength[taxel], moved + 3 * i, own);
    for (int k = 0; k < 3; k++) field_t[i][k] += own[k] - skin->rest_t[taxel][k] + others[3 * i + k];
  }
}

typedef struct {
  float turn[3][3], place_m[3], moment_a_m2[3]; /* pad frame to world; place about the middle of all pads */
} PadField;

static void place_pads(const Skin *skin, const double (*turn)[3][3], const double (*position_m)[3], PadField *pads) {
  double middle[3] = {0};
  for (int p = 0; p < PADS; p++)
    for (int k = 0; k < 3; k++) middle[k] += position_m[p][k] / PADS;
  for (int p = 0; p < PADS; p++)
    for (int k = 0; k < 3; k++) {
      const float *moment = skin->moment_a_m2[p];
      for (int m = 0; m < 3; m++) pads[p].turn[k][m] = (float)turn[p][k][m];
      pads[p].place_m[k] = (float)(position_m[p][k] - middle[k]);
      pads[p].moment_a_m2[k] = pads[p].turn[k][0] * moment[0] + pads[p].turn[k][1] * moment[1] + pads[p].turn[k][2] * moment[2];
    }
}

/* Add the dipole of one pad's magnets to the field (3, LANES) at cells (3, LANES), world frame. */
static void add_dipole(const PadField *pad, float constant, float closest, int lanes, const float (*restrict cell)[LANES],
                       float (*restrict field)[LANES]) {
  float mx = pad->moment_a_m2[0], my = pad->moment_a_m2[1], mz = pad->moment_a_m2[2];
  float px = pad->place_m[0], py = pad->place_m[1], pz = pad->place_m[2];
  for (int i = 0; i < lanes; i++) {
    float x = cell[0][i] - px, y = cell[1][i] - py, z = cell[2][i] - pz;
    float near = 1 / sqrtf(x * x + y * y + z * z + closest * closest);
    float square = near * near, cube = constant * square * near;
    float pull = 3 * (x * mx + y * my + z * mz) * square * cube;
    field[0][i] += x * pull - cube * mx;
    field[1][i] += y * pull - cube * my;
    field[2][i] += z * pull - cube * mz;
  }
}

/* The earth and the magnets of pads on other links, fields (n, 3) in taxel frames. */
static void ambient_field(const Skin *skin, int pad, const PadField *pads, float (*field_t)[3]) {
  int n = taxels_of(skin, pad), lanes = (n + 7) / 8 * 8;
  float cell[3][LANES], world[3][LANES];
  const float(*turn)[3] = pads[pad].turn, (*own)[LANES] = skin->cell_m[pad];
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < lanes; i++) {
      cell[k][i] = turn[k][0] * own[0][i] + turn[k][1] * own[1][i] + turn[k][2] * own[2][i] + pads[pad].place_m[k];
      world[k][i] = skin->earth_t[k];
    }
  for (int other = 0; other < PADS; other++)
    if (skin->link[other] != skin->link[pad])
      add_dipole(&pads[other], (float)skin->mu0_over_4pi, (float)skin->closest_m, lanes, (const float(*)[LANES])cell, world);
  for (int i = 0; i < n; i++) {
    const float(*frame)[3] = skin->to_taxel[skin->first[pad] + i];
    float on_pad[3];
    for (int k = 0; k < 3; k++) on_pad[k] = turn[0][k] * world[0][i] + turn[1][k] * world[1][i] + turn[2][k] * world[2][i];
    for (int k = 0; k < 3; k++) field_t[i][k] = frame[k][0] * on_pad[0] + frame[k][1] * on_pad[1] + frame[k][2] * on_pad[2];
  }
}
