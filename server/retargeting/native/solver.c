/* Levenberg-Marquardt inside box limits over sixteen joints, then a projection out of collisions.

   The step is the projected Newton step of Bertsekas (1982, "Projected Newton methods for optimization problems with
   simple constraints"): joints that rest at a limit and are pushed outwards stay, the others take the damped step and
   are cut at their limits, so that limits are never exceeded, not even by rounding. */
#include "imitation.h"

static const double STEP_TOLERANCE_RAD = 1e-4; /* as fine as the encoder: 333.3/65536 degrees is 0.9e-4 rad */
static const double GAIN_TOLERANCE_M2 = 3e-9, MAX_STEP_RAD = 0.5;
static const double FIRST_DAMPING_M2 = 1e-4, LEAST_DAMPING_M2 = 1e-5, MOST_DAMPING_M2 = 1e2, LEAST_PIVOT_M2 = 1e-7;
static const double LESS_DAMPING = 0.3, MORE_DAMPING = 10;
enum { RETREAT_HALVINGS = 11 };

typedef struct {
  double cost_m2, tip_error_m[4], closest_m, depth_m, depth_before_m;
  long long iterations, closest_pair, deepest_contact, projected, retreated;
} Report;

/* The damped step of the free joints by Cholesky's factorisation, rows of the upper triangle one after another; the
   pivots' absolute values leave a saddle downhill. */
static void damped_step(const Quadratic *at, const int *is_free, int first, int last, double damping, double *step) {
  double upper[JOINTS][JOINTS], longest = 0;
  for (int i = first; i < last; i++) {
    for (int j = first; j < i; j++) upper[j][i] = is_free[i] && is_free[j] ? at->curvature[i][j] : 0;
    upper[i][i] = is_free[i] ? at->curvature[i][i] + damping : 1;
    step[i] = is_free[i] ? -at->gradient[i] : 0;
  }
  for (int k = first; k < last; k++) {
    double pivot = sqrt(larger(fabs(upper[k][k]), LEAST_PIVOT_M2));
    upper[k][k] = pivot, step[k] /= pivot;
    for (int j = k + 1; j < last; j++) upper[k][j] /= pivot;
    for (int i = k + 1; i < last; i++) {
      double share = upper[k][i];
      step[i] -= share * step[k];
      for (int j = i; j < last; j++) upper[i][j] -= share * upper[k][j];
    }
  }
  for (int i = last - 1; i >= first; i--) {
    for (int k = i + 1; k < last; k++) step[i] -= upper[i][k] * step[k];
    step[i] /= upper[i][i];
    longest = larger(longest, fabs(step[i]));
  }
  if (longest > MAX_STEP_RAD)
    for (int i = first; i < last; i++) step[i] *= MAX_STEP_RAD / longest;
}

/* Move the joints of fingers `first` to `last` (not included) to where their cost is least; returns the steps taken. */
static int minimise(const Body *body, const Imitation *asked, int first, int last, int most, Posture *posture,
                    double *q_rad, double *cost_m2) {
  Quadratic both[2], *here = &both[0], *there = &both[1];
  double damping = FIRST_DAMPING_M2, candidate[JOINTS], step[JOINTS];
  int taken = 0, is_free[JOINTS];
  memcpy(candidate, q_rad, sizeof candidate);
  evaluate(body, asked, q_rad, first, last, posture, here);
  while (taken < most && damping < MOST_DAMPING_M2) {
    double longest = 0, gain;
    taken++;
    for (int k = 4 * first; k < 4 * last; k++)
      is_free[k] = !((q_rad[k] <= body->lower_rad[k] && here->gradient[k] > 0) ||
                     (q_rad[k] >= body->upper_rad[k] && here->gradient[k] < 0));
    damped_step(here, is_free, 4 * first, 4 * last, damping, step);
    for (int k = 4 * first; k < 4 * last; k++) {
      candidate[k] = clamp(q_rad[k] + step[k], body->lower_rad[k], body->upper_rad[k]);
      longest = larger(longest, fabs(candidate[k] - q_rad[k]));
    }
    evaluate(body, asked, candidate, first, last, posture, there);
    gain = here->cost_m2 - there->cost_m2;
    if (gain >= 0) {
      Quadratic *last_place = here;
      here = there, there = last_place;
      memcpy(q_rad, candidate, sizeof candidate);
      damping = larger(damping * LESS_DAMPING, LEAST_DAMPING_M2);
    } else {
      damping *= MORE_DAMPING;
    }
    if (longest < STEP_TOLERANCE_RAD || (gain >= 0 && gain < GAIN_TOLERANCE_M2)) break;
  }
  *cost_m2 = here->cost_m2;
  return taken;
}

/* Smallest distance between surfaces over all pairs at joints `q_rad`; negative is a depth. */
static double closest(const Body *body, const double *q_rad, Posture *posture, long long *pair) {
  double least = INFINITY, here[3], there[3];
  for (int finger = 0; finger < FINGERS; finger++) place_finger(body, finger, q_rad, posture);
  place_capsules(body, posture);
  for (int p = 0; p < body->pairs; p++) {
    double gap = nearest(posture->ends_m[body->pair[p][0]], posture->ends_m[body->pair[p][1]], here, there);
    if (gap - body->pair_radius_m[p] < least) least = gap - body->pair_radius_m[p], *pair = p;
  }
  return least;
}

/* Leave collisions of the real shapes by the smallest turn of the joints, with pinches kept. */
static void project(const Body *body, const Imitation *asked, const Tuning *tuning, Posture *posture, double *q_rad) {
  Imitation apart = *asked;
  double cost_m2;
  memset(apart.tip_weight, 0, sizeof apart.tip_weight);
  memset(apart.bone_weight_m, 0, sizeof apart.bone_weight_m);
  apart.pair_weight = 0, apart.box_weight = tuning->box_weight;
  memcpy(apart.rest_rad, q_rad, sizeof apart.rest_rad);
  for (int k = 0; k < JOINTS; k++) apart.rest_weight_m[k] = tuning->turn_weight_m;
  minimise(body, &apart, 0, FINGERS, (int)tuning->hand_steps, posture, q_rad, &cost_m2);
}

static double depth_at(const Body *body, const double *q_rad, Posture *posture, long long *contact) {
  for (int finger = 0; finger < FINGERS; finger++) place_finger(body, finger, q_rad, posture);
  return deepest(body, posture, contact);
}

/* Where no small turn helps: back towards the rest posture, which touches nothing, just as far as needed. */
static void retreat(const Body *body, const Imitation *asked, const Tuning *tuning, Posture *posture, double *q_rad) {
  double from[JOINTS], near = 0, far = 1;
  long long contact;
  memcpy(from, q_rad, sizeof from);
  for (int halving = 0; halving < RETREAT_HALVINGS; halving++) {
    double share = (near + far) / 2;
    for (int k = 0; k < JOINTS; k++) q_rad[k] = from[k] + share * (asked->rest_rad[k] - from[k]);
    if (depth_at(body, q_rad, posture, &contact) > tuning->bound_depth_m) near = share;
    else far = share;
  }
  for (int k = 0; k < JOINTS; k++) q_rad[k] = from[k] + far * (asked->rest_rad[k] - from[k]);
}

/* From joints `q_rad` (16) to the answer, in place: each finger alone; all together with soft links, which pass each
   other into the right order instead of getting caught on the wrong side; with firm links; then out of collisions. */
void solve(const Body *body, const Imitation *asked, const Tuning *tuning, double *q_rad, Report *report) {
  Posture posture;
  long long slowest = 0;
  Imitation soft = *asked;
  soft.pair_weight = tuning->soft_collision_weight;
  start_posture(&posture);
  memset(report, 0, sizeof *report);
  for (int k = 0; k < JOINTS; k++) q_rad[k] = clamp(q_rad[k], body->lower_rad[k], body->upper_rad[k]);
  for (int f = 0; f < FINGERS; f++) {
    int taken = minimise(body, asked, f, f + 1, (int)tuning->finger_steps, &posture, q_rad, &report->cost_m2);
    slowest = taken > slowest ? taken : slowest;
  }
  int together = minimise(body, &soft, 0, FINGERS, (int)tuning->soft_steps, &posture, q_rad, &report->cost_m2);
  together += minimise(body, asked, 0, FINGERS, (int)tuning->hand_steps, &posture, q_rad, &report->cost_m2);
  report->iterations = slowest + together;
  report->depth_m = report->depth_before_m = depth_at(body, q_rad, &posture, &report->deepest_contact);
  while (report->projected < tuning->projections && report->depth_m > tuning->allowed_depth_m) {
    project(body, asked, tuning, &posture, q_rad);
    report->depth_m = depth_at(body, q_rad, &posture, &report->deepest_contact);
    report->projected++;
  }
  if (report->depth_m > tuning->bound_depth_m) {
    retreat(body, asked, tuning, &posture, q_rad);
    report->depth_m = depth_at(body, q_rad, &posture, &report->deepest_contact);
    report->retreated = 1;
  }
  report->closest_m = closest(body, q_rad, &posture, &report->closest_pair);
  for (int f = 0; f < FINGERS; f++) report->tip_error_m[f] = distance(posture.tip_m[f], asked->tip_m[f]);
}

/* One frame: keypoints (25, 3) and wrist rotation (3, 3), one reference space, to joints (16); 0 where the points cannot
   be a human hand. */
int retarget(const Body *body, const Tuning *tuning, const double (*keypoints_m)[3], const double (*wrist)[3],
              double side, const double *scale, double wrist_in_palm_z_m, const double *rest_rad, Imitation *asked,
              double *q_rad, Report *report) {
  double points_m[25][3];
  to_operator(keypoints_m, wrist, side, points_m);
  if (!plausible(body, (const double(*)[3])points_m)) return 0;
  imitate(points_m, scale, wrist_in_palm_z_m, rest_rad, tuning, asked);
  first_guess(asked, q_rad);
  solve(body, asked, tuning, q_rad, report);
  return 1;
}
