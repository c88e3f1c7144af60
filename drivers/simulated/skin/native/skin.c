/* The magnetic skin's work of one period, compiled: contacts, field, counts, scan. The modules of the package of the same
   names are the reference in numpy, and tests compare the two. */
#include "note.h"

/* Add the contacts of the engine's list, all of which lasted `dt_s`. */
void note_contacts(Contacts *at, Pair *pairs, const Engine *engine, const char *contacts, int64_t count,
                   const double *efc_force, double dt_s) {
  at->time_s += dt_s;
  for (int64_t c = 0; c < count; c++, contacts += engine->stride) {
    const int32_t *geom = (const int32_t *)(contacts + engine->geom);
    for (int side = 0; side < 2; side++)
      if (engine->pad_of_geom[geom[side]] >= 0) note(at, pairs, engine, contacts, efc_force, side, dt_s);
  }
}

void pad_poses(const Contacts *at, const Engine *engine, double (*turn)[3][3], double (*position_m)[3]) {
  for (int p = 0; p < PADS; p++) {
    const double *link = engine->xmat + 9 * at->body[p];
    times(link, at->origin_m[p], position_m[p]);
    for (int k = 0; k < 3; k++) {
      position_m[p][k] += engine->xpos[3 * at->body[p] + k];
      for (int m = 0; m < 3; m++)
        turn[p][k][m] = link[3 * k] * at->to_link[p][0][m] + link[3 * k + 1] * at->to_link[p][1][m] + link[3 * k + 2] * at->to_link[p][2][m];
    }
  }
}

/* Shares (n) of a pair's force and their sum: how deep each taxel is in the geom. */
static double depths(const Contacts *at, const Pair *pair, const Engine *engine, const double (*turn)[3],
                     const double *position_m, double *shares) {
  const double *geom_turn = engine->geom_xmat + 9 * pair->geom, *size = engine->geom_size + 3 * pair->geom;
  double total = 0;
  for (int i = 0; i < at->count[pair->pad]; i++) {
    double world[3], local[3];
    times(turn[0], at->taxel_m[pair->pad][i], world);
    for (int k = 0; k < 3; k++) world[k] += position_m[k] - engine->geom_xpos[3 * pair->geom + k];
    transposed_times(geom_turn, world, local);
    shares[i] = fmax(at->reach_m[pair->pad][i] - signed_distance(engine->shape_of_geom[pair->geom], size, local), 0);
    total += shares[i];
  }
  return total;
}

/* Mean forces since the last call: taxels (368, 3), wrenches (18, 6), slip (18,), with pad poses; then begin anew.
   Returns 1 where a geom has no known signed distance. */
int take_forces(Contacts *at, const Pair *pairs, const Engine *engine, double (*force_n)[3], double (*wrench)[6],
                 double *slip, double (*turn)[3][3], double (*position_m)[3]) {
  double time_s = at->time_s > 0 ? at->time_s : 1;
  int64_t first[PADS + 1] = {0};
  pad_poses(at, engine, turn, position_m);
  memset(force_n, 0, TAXELS * sizeof *force_n);
  for (int p = 0; p < PADS; p++) {
    first[p + 1] = first[p] + at->count[p];
    slip[p] = at->pressure[p] > 0 ? at->slip[p] / at->pressure[p] : 0;
    for (int k = 0; k < 6; k++) wrench[p][k] = at->wrench[p][k] / time_s;
  }
  for (const Pair *pair = pairs; pair < pairs + at->pairs; pair++) {
    if (engine->shape_of_geom[pair->geom] < 0) return 1;
    double shares[MOST], centre_m[3];
    double total = depths(at, pair, engine, (const double(*)[3])turn[pair->pad], position_m[pair->pad], shares);
    for (int k = 0; k < 3; k++) centre_m[k] = pair->centre_m[k] / pair->weight;
    if (total <= 0) total = splat(at, pair->pad, centre_m, shares);
    for (int i = 0; i < at->count[pair->pad]; i++)
      for (int k = 0; k < 3; k++) force_n[first[pair->pad] + i][k] += shares[i] / total * pair->force_n[k] / time_s;
  }
  memset(at->wrench, 0, sizeof at->wrench), memset(at->slip, 0, sizeof at->slip);
  memset(at->pressure, 0, sizeof at->pressure), at->time_s = 0, at->pairs = 0;
  return 0;
}

/* The field (368, 3) in every cell, T, taxel frames, after `dt_s` under forces (368, 3), N, pad frames. */
void skin_field(Skin *skin, const double (*force_n)[3], const double *slip, const double (*turn)[3][3],
                const double (*position_m)[3], double dt_s, float (*field_t)[3]) {
  Steps steps = steps_of(skin, dt_s);
  PadField pads[PADS];
  place_pads(skin, turn, position_m, pads);
  for (int p = 0; p < PADS; p++) {
    float moved[AXES];
    int64_t first = skin->first[p];
    ambient_field(skin, p, pads, field_t + first);
    if (move_magnets(skin, p, force_n + first, slip[p], &steps, moved)) add_touch(skin, p, moved, field_t + first);
  }
}

/* Counts (368, 3) from a field (368, 3); `draws` are normal numbers (2, 368, 3), for the walk and for the noise. */
void skin_counts(Skin *skin, const float *field_t, const float *draws, double walk, double warmer_k, uint16_t *counts) {
  float *walked = skin->walked_counts[0];
  const double *rest = skin->rest_counts[0], *drift = skin->drift_counts_per_k[0];
  for (int i = 0; i < 3 * TAXELS; i++) {
    walked[i] += (float)walk * draws[i];
    double value = rest[i] + skin->counts_per_tesla[i / 3] * field_t[i] + walked[i] + warmer_k * drift[i] +
                   skin->noise_counts * draws[3 * TAXELS + i];
    value = value < 0 ? 0 : value > 65535 ? 65535 : value;
    counts[i] = (uint16_t)lrint(value); /* to even where it is halfway */
  }
}

/* Taxels that moved or are due send their counts (368, 3), unless their pad's packets are lost; see skin_scan.py. */
void scan_taxels(const uint16_t (*counts)[3], const int64_t *pad, const double *resend, const double *loss,
                 int64_t moved_counts, double resend_below, double loss_below, double share, double scans_per_s,
                 uint16_t (*sent)[3], double *updates_per_s) {
  for (int i = 0; i < TAXELS; i++) {
    int farthest = 0;
    for (int k = 0; k < 3; k++) {
      int apart = counts[i][k] - sent[i][k];
      farthest = apart > farthest ? apart : -apart > farthest ? -apart : farthest;
    }
    int sends = (farthest > moved_counts || resend[i] < resend_below) && loss[pad[i]] >= loss_below;
    if (sends) memcpy(sent[i], counts[i], sizeof sent[i]);
    updates_per_s[i] += share * (sends * scans_per_s - updates_per_s[i]);
  }
}
