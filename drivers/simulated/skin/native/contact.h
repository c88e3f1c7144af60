/* Contacts of one skin period: summed up as they are noted, then spread over the taxels. footprint.py and
   skin_contact.py are the reference. No engine is named: forces, poses and shapes come as plain arrays. */
#include "magnets.h"

#define TINY_N 1e-9 /* keeps the mean contact point defined where a contact has no force */

enum { PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX }; /* the order of SHAPES in footprint.py */

typedef struct {
  int64_t pad, geom;
  double force_n[3], weight, centre_m[3]; /* weighted sums, pad frame */
} Pair;                                   /* a pad and a geom that touch */

typedef struct {
  int64_t body[PADS], count[PADS]; /* the pad's link, and how many taxels it has */
  double to_link[PADS][3][3], origin_m[PADS][3], taxel_m[PADS][MOST][3], reach_m[PADS][MOST], sigma_m[PADS];
  double wrench[PADS][6], slip[PADS], pressure[PADS], time_s;
  int64_t pairs;
} Contacts;

typedef struct {
  const double *xpos, *xmat, *cvel, *subtree_com, *geom_xpos, *geom_xmat, *geom_size;
  const int32_t *geom_body, *body_root;
  const int64_t *pad_of_geom, *shape_of_geom;
  int64_t stride, pos, frame, dim, geom, address; /* of a contact in the engine's list, bytes */
} Engine;

static double dot3(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross3(const double *a, const double *b, double *c) {
  c[0] = a[1] * b[2] - a[2] * b[1], c[1] = a[2] * b[0] - a[0] * b[2], c[2] = a[0] * b[1] - a[1] * b[0];
}

static void times(const double *turn, const double *v, double *out) {
  for (int k = 0; k < 3; k++) out[k] = dot3(turn + 3 * k, v);
}

static void transposed_times(const double *turn, const double *v, double *out) {
  for (int k = 0; k < 3; k++) out[k] = turn[k] * v[0] + turn[3 + k] * v[1] + turn[6 + k] * v[2];
}

static double length2(double a, double b) { return sqrt(a * a + b * b); }

static double clip(double value, double reach) { return fmin(fmax(value, -reach), reach); }

static double from_excess(const double *excess, int n) {
  double square = 0, most = excess[0];
  for (int k = 0; k < n; k++) square += fmax(excess[k], 0) * fmax(excess[k], 0), most = fmax(most, excess[k]);
  return sqrt(square) + fmin(most, 0);
}

static double signed_distance(int64_t shape, const double *size, const double *p) {
  double square = dot3(p, p), radial = length2(p[0], p[1]), excess[3];
  switch (shape) {
    case PLANE: return p[2];
    case SPHERE: return sqrt(square) - size[0];
    case CAPSULE: return length2(radial, p[2] - clip(p[2], size[1])) - size[0];
    case CYLINDER: return excess[0] = radial - size[0], excess[1] = fabs(p[2]) - size[1], from_excess(excess, 2);
    case BOX:
      for (int k = 0; k < 3; k++) excess[k] = fabs(p[k]) - size[k];
      return from_excess(excess, 3);
    default: { /* an ellipsoid */
      double near[3], steep[3];
      for (int k = 0; k < 3; k++) near[k] = p[k] / size[k], steep[k] = near[k] / size[k];
      double scaled = sqrt(dot3(near, near));
      return scaled * (scaled - 1) / fmax(sqrt(dot3(steep, steep)), 1e-9);
    }
  }
}

/* Shares (n) of a force at `point_m` where no taxel reaches the object: a Gaussian around the point. */
static double splat(const Contacts *at, int64_t pad, const double *point_m, double *shares) {
  double nearest = INFINITY, total = 0;
  for (int i = 0; i < at->count[pad]; i++) {
    double apart[3];
    for (int k = 0; k < 3; k++) apart[k] = at->taxel_m[pad][i][k] - point_m[k];
    shares[i] = dot3(apart, apart), nearest = fmin(nearest, shares[i]);
  }
  for (int i = 0; i < at->count[pad]; i++) {
    shares[i] = exp(-0.5 * (shares[i] - nearest) / (at->sigma_m[pad] * at->sigma_m[pad]));
    total += shares[i];
  }
  return total;
}
