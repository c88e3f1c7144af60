/* Cost, half its gradient and half its curvature (lower triangle) of one posture, in one pass.
   The terms are described in imitation.py; reference.py is the same in numpy. */
#include "boxes.h"

#define TIPS_RADIUS_M 0.024

typedef struct {
  double cost_m2, gradient[JOINTS], curvature[JOINTS][JOINTS];
} Quadratic;

/* Add weight^2 |vector - wanted|^2 of a vector that the first `joints` joints of a finger turn: their axes cross the
   vector (a bone) or the arm from joint to tip (`tip`). Its second derivative is axis_i x column_j for i <= j; without
   it the steps converge only linearly where a target is out of reach, as the human thumb's often is. */
static void add_vector(const Posture *posture, int finger, int joints, const double *vector, const double *wanted,
                       double weight, int tip, Quadratic *at) {
  double error[3], column[4][3], bend[3];
  for (int k = 0; k < 3; k++) error[k] = weight * (vector[k] - wanted[k]);
  at->cost_m2 += dot(error, error);
  for (int j = 0; j < joints; j++) {
    double arm[3];
    for (int k = 0; k < 3; k++) arm[k] = weight * (tip ? vector[k] - posture->position_m[4 * finger + j][k] : vector[k]);
    cross(posture->axis[4 * finger + j], arm, column[j]);
  }
  for (int i = 0; i < joints; i++) {
    cross(error, posture->axis[4 * finger + i], bend);
    for (int k = 0; k < 3; k++) bend[k] += column[i][k];
    at->gradient[4 * finger + i] += dot(column[i], error);
    for (int j = i; j < joints; j++) at->curvature[4 * finger + j][4 * finger + i] += dot(bend, column[j]);
  }
}

static void add_finger(const Imitation *asked, const Posture *posture, const double *q_rad, int finger, Quadratic *at) {
  for (int k = 4 * finger; k < 4 * finger + 4; k++) {
    double weight = asked->rest_weight_m[k] * asked->rest_weight_m[k], away = q_rad[k] - asked->rest_rad[k];
    at->cost_m2 += weight * away * away;
    at->gradient[k] += weight * away;
    at->curvature[k][k] += weight;
  }
  add_vector(posture, finger, 4, posture->tip_m[finger], asked->tip_m[finger], asked->tip_weight[finger], 1, at);
  for (int bone = 0; bone < 3; bone++) {
    double along[3];
    for (int k = 0; k < 3; k++) along[k] = posture->rotation[4 * finger + bone + 1][k][2];
    add_vector(posture, finger, bone + 2, along, asked->bone[finger][bone], asked->bone_weight_m[finger][bone], 0, at);
  }
}

/* Add (weight excess)^2 of a length that grows as point `here` of link `first` moves along `along` and point `there` of
   link `second` against it; link -1 is the palm. */
static void add_length(const Posture *posture, int first, int second, const double *here, const double *there,
                       const double *along, double weight, double excess_m, Quadratic *at) {
  double slope[8], error = weight * excess_m;
  int joint[8], count = 0;
  for (int side = 0; side < 2; side++) {
    int link = side ? second : first;
    const double *point = side ? there : here;
    for (int j = link < 0 ? 0 : link / 4 * 4; j <= link; j++) {
      double arm[3], speed[3];
      for (int k = 0; k < 3; k++) arm[k] = point[k] - posture->position_m[j][k];
      cross(posture->axis[j], arm, speed);
      joint[count] = j, slope[count++] = (side ? -weight : weight) * dot(speed, along);
    }
  }
  at->cost_m2 += error * error;
  for (int i = 0; i < count; i++) {
    at->gradient[joint[i]] += slope[i] * error;
    for (int j = 0; j < count; j++)
      if (joint[j] <= joint[i]) at->curvature[joint[i]][joint[j]] += slope[i] * slope[j];
  }
}

/* Add (weight (distance - keep))^2 between a point of link `first` and one of link `second`. */
static void add_gap(const Posture *posture, int first, int second, const double *here, const double *there,
                    double weight, double keep, Quadratic *at) {
  double along[3];
  for (int k = 0; k < 3; k++) along[k] = here[k] - there[k];
  double distance = larger(sqrt(dot(along, along)), 1e-6);
  for (int k = 0; k < 3; k++) along[k] /= distance;
  add_length(posture, first, second, here, there, along, weight, distance - keep, at);
}

/* Add (weight (depth - allowed depth))^2 of every contact that is deeper. */
static void add_contacts(const Body *body, const Imitation *asked, const Posture *posture, Quadratic *at) {
  Box box[BOXES];
  place_boxes(body, posture, box);
  for (int c = 0; c < body->contacts; c++) {
    int a = (int)body->contact[c][0], b = (int)body->contact[c][1];
    Contact contact;
    if (find_contact(body, posture, box, a, b, &contact) > asked->box_depth_m)
      add_length(posture, shape_link(a), shape_link(b), contact.on_first_m, contact.on_second_m, contact.normal,
                 asked->box_weight, contact.depth_m - asked->box_depth_m, at);
  }
}

static double margin_of(const Body *body, const Imitation *asked, int pair) {
  long long finger = body->pair_finger[pair];
  return finger < 0 ? asked->margin_m : asked->apart_margin_m[finger];
}

/* Fingers `first` to `last` (not included); pinches and collisions count when all four are asked for. */
static void evaluate(const Body *body, const Imitation *asked, const double *q_rad, int first, int last,
                     Posture *posture, Quadratic *at) {
  memset(at, 0, sizeof *at);
  for (int finger = first; finger < last; finger++) {
    place_finger(body, finger, q_rad, posture);
    add_finger(asked, posture, q_rad, finger, at);
  }
  if (last - first < FINGERS) return;
  for (int f = 0; f < THUMB; f++)
    if (asked->pinch_weight[f] > 0)
      add_gap(posture, 4 * f + 3, 15, posture->tip_m[f], posture->tip_m[THUMB], asked->pinch_weight[f],
              TIPS_RADIUS_M + asked->pinch_gap_m[f], at);
  if (asked->box_weight > 0) add_contacts(body, asked, posture, at);
  if (asked->pair_weight <= 0) return;
  place_capsules(body, posture);
  for (int p = 0; p < body->pairs; p++) {
    double here[3], there[3], margin_m = margin_of(body, asked, p), keep = body->pair_radius_m[p] + margin_m;
    if (far_apart(body, posture, p, margin_m)) continue;
    int one = (int)body->pair[p][0], two = (int)body->pair[p][1];
    if (nearest(posture->ends_m[one], posture->ends_m[two], here, there) < keep)
      add_gap(posture, (int)body->capsule_link[one], (int)body->capsule_link[two], here, there, asked->pair_weight,
              keep, at);
  }
}
