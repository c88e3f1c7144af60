/* Depth of the hand's own shapes in each other: the URDF's boxes (separating axes of Gottschalk, Lin and Manocha 1996,
   OBBTree) and the fingertips' balls. boxes.py is this in numpy. Shapes: 0 to 15 links, 16 the palm, 17 to 20 tips. */
#include "hand.h"

#define FLAT 0.05 /* sine below which an edge lies flat on a face, which then touches in the edge's middle */
#define EDGE_BONUS_M 1e-6

typedef struct {
  double centre_m[3], axis[3][3], half_m[3], reach_m;
} Box;

typedef struct {
  double depth_m, normal[3], on_first_m[3], on_second_m[3];
} Contact; /* the normal points from the first to the second; no contact has a negative depth */

static int shape_link(int shape) { return shape < 16 ? shape : shape == 16 ? -1 : 4 * (shape - BOXES) + 3; }

static void place_boxes(const Body *body, const Posture *posture, Box *box) {
  for (int b = 0; b < BOXES; b++) {
    const double *half = body->box_half_m[b];
    for (int row = 0; row < 3; row++) {
      box[b].centre_m[row] = posture->position_m[b][row] + dot(posture->rotation[b][row], body->box_centre_m[b]);
      for (int k = 0; k < 3; k++) box[b].axis[k][row] = posture->rotation[b][row][k];
    }
    memcpy(box[b].half_m, half, sizeof box[b].half_m);
    box[b].reach_m = sqrt(dot(half, half));
  }
}

/* The point of a box that is farthest along `way`, from its middle where an axis lies flat; axis `open` is left out. */
static void farthest(const Box *box, const double *way, double sign, int open, double *point) {
  memcpy(point, box->centre_m, sizeof box->centre_m);
  for (int a = 0; a < 3; a++) {
    double share = a == open ? 0 : sign * clamp(dot(way, box->axis[a]) / FLAT, -1, 1);
    for (int k = 0; k < 3; k++) point[k] += share * box->half_m[a] * box->axis[a][k];
  }
}

/* Nearest points of two edges, each through a point along an axis, both as long as their boxes. */
static void meet(const Box *one, int a, const Box *two, int b, Contact *contact) {
  const double *u = one->axis[a], *v = two->axis[b];
  double w[3], cosine = dot(u, v);
  for (int k = 0; k < 3; k++) w[k] = contact->on_second_m[k] - contact->on_first_m[k];
  double along_u = dot(w, u), along_v = dot(w, v), sine2 = 1 - cosine * cosine;
  double s = clamp((along_u - cosine * along_v) / sine2, -one->half_m[a], one->half_m[a]);
  double t = clamp((cosine * along_u - along_v) / sine2, -two->half_m[b], two->half_m[b]);
  for (int k = 0; k < 3; k++) contact->on_first_m[k] += s * u[k], contact->on_second_m[k] += t * v[k];
}

static double box_contact(const Box *one, const Box *two, Contact *contact) {
  double between[3], cosine[3][3], along_one[3], along_two[3], sign = 1;
  int best = -1;
  for (int k = 0; k < 3; k++) between[k] = two->centre_m[k] - one->centre_m[k];
  for (int a = 0; a < 3; a++) {
    along_one[a] = dot(between, one->axis[a]), along_two[a] = dot(between, two->axis[a]);
    for (int b = 0; b < 3; b++) cosine[a][b] = dot(one->axis[a], two->axis[b]);
  }
  contact->depth_m = INFINITY;
  for (int axis = 0; axis < 15; axis++) {
    int a = axis < 3 ? axis : axis < 6 ? -1 : (axis - 6) / 3, b = axis < 3 ? -1 : axis < 6 ? axis - 3 : (axis - 6) % 3;
    double reach, apart, length = 1, bonus = 0;
    if (b < 0) {
      apart = along_one[a], reach = one->half_m[a];
      for (int k = 0; k < 3; k++) reach += two->half_m[k] * fabs(cosine[a][k]);
    } else if (a < 0) {
      apart = along_two[b], reach = two->half_m[b];
      for (int k = 0; k < 3; k++) reach += one->half_m[k] * fabs(cosine[k][b]);
    } else {
      int a1 = (a + 1) % 3, a2 = (a + 2) % 3, b1 = (b + 1) % 3, b2 = (b + 2) % 3;
      length = sqrt(larger(1 - cosine[a][b] * cosine[a][b], 0)), bonus = EDGE_BONUS_M;
      if (length < FLAT) continue;
      apart = (along_one[a2] * cosine[a1][b] - along_one[a1] * cosine[a2][b]);
      reach = one->half_m[a1] * fabs(cosine[a2][b]) + one->half_m[a2] * fabs(cosine[a1][b]) +
              two->half_m[b1] * fabs(cosine[a][b2]) + two->half_m[b2] * fabs(cosine[a][b1]);
    }
    double depth = (reach - fabs(apart)) / length;
    if (depth < 0) return contact->depth_m = -1;
    if (depth + bonus < contact->depth_m) contact->depth_m = depth, best = axis, sign = apart < 0 ? -1 : 1;
  }
  int a = best < 3 ? best : best < 6 ? -1 : (best - 6) / 3, b = best < 3 ? -1 : best < 6 ? best - 3 : (best - 6) % 3;
  if (a >= 0 && b >= 0) {
    cross(one->axis[a], two->axis[b], contact->normal);
    sign /= sqrt(dot(contact->normal, contact->normal));
  } else {
    memcpy(contact->normal, b < 0 ? one->axis[a] : two->axis[b], sizeof contact->normal);
  }
  for (int k = 0; k < 3; k++) contact->normal[k] *= sign;
  farthest(one, contact->normal, 1, a, contact->on_first_m);
  farthest(two, contact->normal, -1, b, contact->on_second_m);
  if (a >= 0 && b >= 0) meet(one, a, two, b, contact);
  if (b < 0) memcpy(contact->on_first_m, contact->on_second_m, sizeof contact->on_first_m);
  if (a < 0) memcpy(contact->on_second_m, contact->on_first_m, sizeof contact->on_second_m);
  return contact->depth_m;
}

static double ball_contact(const Box *box, const double *centre_m, double radius_m, Contact *contact) {
  double local[3], away[3], distance2 = 0, least = INFINITY;
  int face = 0;
  for (int a = 0; a < 3; a++) {
    double from[3] = {centre_m[0] - box->centre_m[0], centre_m[1] - box->centre_m[1], centre_m[2] - box->centre_m[2]};
    local[a] = dot(from, box->axis[a]);
    away[a] = local[a] - clamp(local[a], -box->half_m[a], box->half_m[a]);
    distance2 += away[a] * away[a];
    if (box->half_m[a] - fabs(local[a]) < least) least = box->half_m[a] - fabs(local[a]), face = a;
  }
  double distance = sqrt(distance2);
  if (distance < 1e-9) away[face] = local[face] < 0 ? -1 : 1, distance = 1, contact->depth_m = radius_m + least;
  else contact->depth_m = radius_m - distance;
  for (int k = 0; k < 3; k++)
    contact->normal[k] =
        (away[0] * box->axis[0][k] + away[1] * box->axis[1][k] + away[2] * box->axis[2][k]) / distance;
  memcpy(contact->on_first_m, centre_m, sizeof contact->on_first_m);
  memcpy(contact->on_second_m, centre_m, sizeof contact->on_second_m);
  return contact->depth_m;
}

/* Depth of shape `b` in shape `a` < `b`; of `b` only the tips are balls. */
static double find_contact(const Body *body, const Posture *posture, const Box *box, int a, int b, Contact *contact) {
  const double *there = b < BOXES ? box[b].centre_m : posture->tip_m[b - BOXES];
  double reach = box[a].reach_m + (b < BOXES ? box[b].reach_m : body->tip_radius_m), square = 0;
  for (int k = 0; k < 3; k++) square += (there[k] - box[a].centre_m[k]) * (there[k] - box[a].centre_m[k]);
  if (square > reach * reach) return -1;
  return b < BOXES ? box_contact(&box[a], &box[b], contact) : ball_contact(&box[a], there, body->tip_radius_m, contact);
}

/* Depth of the deepest contact, at most 0 where nothing touches, and its row in `contact`. */
static double deepest(const Body *body, const Posture *posture, long long *row) {
  Box box[BOXES];
  Contact contact;
  double most = 0;
  place_boxes(body, posture, box);
  *row = -1;
  for (int c = 0; c < body->contacts; c++) {
    double depth = find_contact(body, posture, box, (int)body->contact[c][0], (int)body->contact[c][1], &contact);
    if (depth > most) most = depth, *row = c;
  }
  return most;
}
