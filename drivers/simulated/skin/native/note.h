/* One contact of the engine's list, as the pad on one of its sides feels it. */
#include "contact.h"

static Pair *pair_of(Contacts *at, Pair *pairs, int64_t pad, int64_t geom) {
  int64_t p = 0;
  while (p < at->pairs && (pairs[p].pad != pad || pairs[p].geom != geom)) p++;
  if (p == at->pairs) {
    memset(&pairs[p], 0, sizeof *pairs);
    pairs[p].pad = pad, pairs[p].geom = geom, at->pairs++;
  }
  return &pairs[p];
}

/* Speed of a body's surface at a point, world frame; the engine gives its velocity about its tree's centre of mass. */
static void velocity_at(const Engine *engine, int64_t body, const double *point_m, double *velocity) {
  const double *twist = engine->cvel + 6 * body, *centre = engine->subtree_com + 3 * engine->body_root[body];
  double arm[3];
  for (int k = 0; k < 3; k++) arm[k] = point_m[k] - centre[k];
  cross3(twist, arm, velocity);
  for (int k = 0; k < 3; k++) velocity[k] += twist[3 + k];
}

static double sliding_speed(const Engine *engine, int64_t one, int64_t other, const double *normal, const double *point_m) {
  double here[3], there[3];
  velocity_at(engine, one, point_m, here), velocity_at(engine, other, point_m, there);
  for (int k = 0; k < 3; k++) there[k] -= here[k];
  double along = dot3(there, normal);
  for (int k = 0; k < 3; k++) there[k] -= along * normal[k];
  return sqrt(dot3(there, there));
}

/* Force and torque (6) of a contact, world frame, on its second geom; with elliptic cones the solver's numbers are the
   normal force, the tangential forces and the torques in the contact's frame. */
static double world_wrench(const double *frame, const double *solved, int dim, double *wrench) {
  double parts[6] = {0};
  for (int k = 0; k < dim && solved; k++) parts[k] = solved[k];
  transposed_times(frame, parts, wrench), transposed_times(frame, parts + 3, wrench + 3);
  return fabs(parts[0]);
}

static void note(Contacts *at, Pair *pairs, const Engine *engine, const char *contact, const double *efc_force, int side,
                 double dt_s) {
  const double *point_m = (const double *)(contact + engine->pos), *frame = (const double *)(contact + engine->frame);
  const int32_t *geom = (const int32_t *)(contact + engine->geom);
  int32_t address = *(const int32_t *)(contact + engine->address), dim = *(const int32_t *)(contact + engine->dim);
  int64_t pad = engine->pad_of_geom[geom[side]], link = at->body[pad], other = engine->geom_body[geom[1 - side]];
  double world[6], on_link[6], on_pad[6], arm[3], about_link[3], point[3], moment[3];
  double normal_n = dt_s * world_wrench(frame, address < 0 ? 0 : efc_force + address, dim, world);
  for (int k = 0; k < 3; k++) arm[k] = point_m[k] - engine->xpos[3 * link + k];
  transposed_times(engine->xmat + 9 * link, arm, about_link);
  for (int k = 0; k < 3; k++) about_link[k] -= at->origin_m[pad][k];
  transposed_times(at->to_link[pad][0], about_link, point);
  for (int part = 0; part < 6; part += 3) {
    transposed_times(engine->xmat + 9 * link, world + part, on_link + part);
    transposed_times(at->to_link[pad][0], on_link + part, on_pad + part);
  }
  for (int k = 0; k < 6; k++) on_pad[k] *= side ? dt_s : -dt_s;
  cross3(point, on_pad, moment);
  Pair *pair = pair_of(at, pairs, pad, geom[1 - side]);
  for (int k = 0; k < 3; k++) {
    at->wrench[pad][k] += on_pad[k], at->wrench[pad][3 + k] += moment[k] + on_pad[3 + k];
    pair->force_n[k] += on_pad[k], pair->centre_m[k] += (normal_n + TINY_N) * point[k];
  }
  pair->weight += normal_n + TINY_N;
  at->pressure[pad] += normal_n, at->slip[pad] += normal_n * sliding_speed(engine, link, other, frame, point_m);
}
