/* The hand's record types and its geometry. The structs mirror BODY, IMITATION, Tuning and REPORT of hand_body.py,
   imitation.py, tuning.py and solver.py: every field is 8 bytes wide, so there is no padding. Units are metres and radians, frame palm. */
#include <math.h>
#include <string.h>

enum { FINGERS = 4, JOINTS = 16, PALM_ROW = 16, BOXES = 17, THUMB = 3, MAX_CAPSULES = 20, MAX_PAIRS = 192, MAX_CONTACTS = 210 };

typedef struct {
  double constant[4][4][3][4], by_sine[4][4][3][3], by_versine[4][4][3][3], axis[4][4][3], tip_m[4][3];
  double lower_rad[16], upper_rad[16];
  long long capsules, capsule_link[MAX_CAPSULES];
  double capsule_m[MAX_CAPSULES][2][3];
  long long pairs, pair[MAX_PAIRS][2];
  double pair_radius_m[MAX_PAIRS], pair_reach_m[MAX_PAIRS];
  long long pair_finger[MAX_PAIRS];
  double box_centre_m[BOXES][3], box_half_m[BOXES][3], tip_radius_m;
  long long contacts, contact[MAX_CONTACTS][2];
} Body;

typedef struct {
  double tip_m[4][3], tip_weight[4], bone[4][3][3], bone_weight_m[4][3], rest_rad[16], rest_weight_m[16];
  double pinch_gap_m[3], pinch_weight[3], apart_margin_m[3], margin_m, pair_weight, box_weight, box_depth_m;
} Imitation;

typedef struct {
  double finger_steps, soft_steps, hand_steps, projections, allowed_depth_m, bound_depth_m, box_depth_m, box_weight, turn_weight_m, tip_weight, thumb_weight,
      proximal_weight_m, middle_weight_m, distal_weight_m, rest_weight_m, abduction_weight_m, pinch_near_m,
      pinch_far_m, pinch_gap_m, pinch_gap_per_m, pinch_weight, pinch_tip_weight, apart_margin_m, margin_m,
      collision_weight, soft_collision_weight;
} Tuning; /* described in tuning.py */

typedef struct {
  double rotation[17][3][3], position_m[17][3], axis[16][3], tip_m[4][3], ends_m[MAX_CAPSULES][2][3], middle_m[MAX_CAPSULES][3];
} Posture; /* row 16 is the palm itself */

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }
static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross(const double *a, const double *b, double *product) {
  product[0] = a[1] * b[2] - a[2] * b[1];
  product[1] = a[2] * b[0] - a[0] * b[2];
  product[2] = a[0] * b[1] - a[1] * b[0];
}

static void place_finger(const Body *body, int finger, const double *q_rad, Posture *posture) {
  for (int joint = 0; joint < 4; joint++) {
    int link = 4 * finger + joint, parent = joint ? link - 1 : PALM_ROW;
    double sine = sin(q_rad[link]), versine = 1 - cos(q_rad[link]), turn[3][3];
    for (int m = 0; m < 3; m++)
      for (int k = 0; k < 3; k++)
        turn[m][k] = body->constant[finger][joint][m][k] + sine * body->by_sine[finger][joint][m][k] +
                     versine * body->by_versine[finger][joint][m][k];
    for (int row = 0; row < 3; row++) {
      const double *above = posture->rotation[parent][row];
      double *here = posture->rotation[link][row];
      posture->position_m[link][row] = posture->position_m[parent][row];
      for (int k = 0; k < 3; k++) {
        posture->position_m[link][row] += above[k] * body->constant[finger][joint][k][3];
        here[k] = above[0] * turn[0][k] + above[1] * turn[1][k] + above[2] * turn[2][k];
      }
      posture->axis[link][row] = dot(here, body->axis[finger][joint]);
    }
  }
  for (int row = 0; row < 3; row++)
    posture->tip_m[finger][row] =
        posture->position_m[4 * finger + 3][row] + dot(posture->rotation[4 * finger + 3][row], body->tip_m[finger]);
}

static void start_posture(Posture *posture) {
  memset(posture, 0, sizeof *posture);
  for (int k = 0; k < 3; k++) posture->rotation[PALM_ROW][k][k] = 1;
}

static void place_capsules(const Body *body, Posture *posture) {
  for (int c = 0; c < body->capsules; c++) {
    int link = body->capsule_link[c] < 0 ? PALM_ROW : (int)body->capsule_link[c];
    double(*ends)[3] = posture->ends_m[c];
    for (int row = 0; row < 3; row++) {
      for (int end = 0; end < 2; end++)
        ends[end][row] = posture->position_m[link][row] + dot(posture->rotation[link][row], body->capsule_m[c][end]);
      posture->middle_m[c][row] = (ends[0][row] + ends[1][row]) / 2;
    }
  }
}

static double clamp(double value, double low, double high) { return smaller(larger(value, low), high); }

/* Nearest points of two segments (Ericson 2004, Real-Time Collision Detection, 5.1.9); returns their distance. */
static double nearest(double one[2][3], double two[2][3], double *here, double *there) {
  double u[3], v[3], w[3];
  for (int k = 0; k < 3; k++) u[k] = one[1][k] - one[0][k], v[k] = two[1][k] - two[0][k], w[k] = one[0][k] - two[0][k];
  double a = larger(dot(u, u), 1e-12), e = larger(dot(v, v), 1e-12), b = dot(u, v), c = dot(u, w), f = dot(v, w);
  double slope = a * e - b * b;
  double s = slope > 1e-9 * a * e ? clamp((b * f - c * e) / slope, 0, 1) : 0.5, t = (b * s + f) / e;
  if (t < 0) s = clamp(-c / a, 0, 1), t = 0;
  if (t > 1) s = clamp((b - c) / a, 0, 1), t = 1;
  double square = 0;
  for (int k = 0; k < 3; k++) {
    here[k] = one[0][k] + s * u[k], there[k] = two[0][k] + t * v[k];
    square += (here[k] - there[k]) * (here[k] - there[k]);
  }
  return sqrt(square);
}

/* Whether even the balls around both capsules of a pair are farther apart than `margin_m`. */
static int far_apart(const Body *body, const Posture *posture, int pair, double margin_m) {
  const double *one = posture->middle_m[body->pair[pair][0]], *two = posture->middle_m[body->pair[pair][1]];
  double x = one[0] - two[0], y = one[1] - two[1], z = one[2] - two[2], reach = body->pair_reach_m[pair] + margin_m;
  return x * x + y * y + z * z > reach * reach;
}
