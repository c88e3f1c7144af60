/* What one human hand asks for: the record IMITATION of imitation.py, which is this in numpy. */
#include "objective.h"

static const int TIP[4] = {9, 14, 19, 4}, BONES[4][4] = {{6, 7, 8, 9}, {11, 12, 13, 14}, {16, 17, 18, 19}, {1, 2, 3, 4}};

static double distance(const double *one, const double *two) {
  double apart[3] = {one[0] - two[0], one[1] - two[1], one[2] - two[2]};
  return sqrt(dot(apart, apart));
}

/* Points (25, 3), any reference space, to the operator frame: wrist at 0, x out of the palm, y to the right hand's
   thumb side, z to the fingers; `side` is -1 to mirror the hand. */
static void to_operator(const double (*keypoints_m)[3], const double (*wrist)[3], double side, double (*points_m)[3]) {
  for (int p = 0; p < 25; p++) {
    double moved[3], turned[3];
    for (int k = 0; k < 3; k++) moved[k] = keypoints_m[p][k] - keypoints_m[0][k];
    for (int k = 0; k < 3; k++) turned[k] = moved[0] * wrist[0][k] + moved[1] * wrist[1][k] + moved[2] * wrist[2][k];
    points_m[p][0] = -turned[1], points_m[p][1] = -side * turned[0], points_m[p][2] = -turned[2];
  }
}

/* Whether points can be a human hand; human_hand.py has the same bounds and the words. */
static int plausible(const Body *body, const double (*points_m)[3]) {
  static const double LONGEST_BONE_M = 0.2, NEAREST_TIP_M = 0.02, FARTHEST_TIP_M = 0.3, WRONG_SIDE_M = 0.015;
  enum { INDEX_KNUCKLE = 6, LITTLE_KNUCKLE = 21 };
  for (int p = 1; p < 25; p++) {
    int parent = p == 1 || p % 5 == 0 ? 0 : p - 1;
    if (!(distance(points_m[p], points_m[parent]) <= LONGEST_BONE_M)) return 0;
  }
  for (int f = 0; f < FINGERS; f++) {
    double reach = distance(points_m[TIP[f]], points_m[0]);
    if (!(reach >= NEAREST_TIP_M && reach <= FARTHEST_TIP_M)) return 0;
  }
  double thumb_side = body->constant[0][0][1][3] > body->constant[2][0][1][3] ? 1 : -1; /* index base, ring base */
  return thumb_side * (points_m[INDEX_KNUCKLE][1] - points_m[LITTLE_KNUCKLE][1]) > -WRONG_SIDE_M;
}

static double pinch_share(double distance_m, const Tuning *tuning) {
  double near = clamp((tuning->pinch_far_m - distance_m) / (tuning->pinch_far_m - tuning->pinch_near_m), 0, 1);
  return near * near * (3 - 2 * near);
}

static void imitate(const double (*points_m)[3], const double *scale, double wrist_in_palm_z_m, const double *rest_rad,
                    const Tuning *tuning, Imitation *asked) {
  const double bone_weight_m[3] = {tuning->proximal_weight_m, tuning->middle_weight_m, tuning->distal_weight_m};
  for (int f = 0; f < FINGERS; f++) {
    double apart_m = distance(points_m[TIP[f]], points_m[TIP[THUMB]]);
    double share = f == THUMB ? 0 : pinch_share(apart_m, tuning), less = 1 - share * (1 - tuning->pinch_tip_weight);
    for (int k = 0; k < 3; k++) asked->tip_m[f][k] = scale[f] * points_m[TIP[f]][k];
    asked->tip_m[f][2] += wrist_in_palm_z_m;
    asked->tip_weight[f] = f == THUMB ? tuning->thumb_weight : less * tuning->tip_weight;
    for (int bone = 0; bone < 3; bone++) {
      const double *near = points_m[BONES[f][bone]], *far = points_m[BONES[f][bone + 1]];
      double length = larger(distance(near, far), 1e-6);
      for (int k = 0; k < 3; k++) asked->bone[f][bone][k] = (far[k] - near[k]) / length;
      asked->bone_weight_m[f][bone] = less * bone_weight_m[bone];
    }
    for (int k = 4 * f; k < 4 * f + 4; k++) {
      asked->rest_rad[k] = rest_rad[k];
      asked->rest_weight_m[k] = k % 4 == 0 && f < THUMB ? tuning->abduction_weight_m : tuning->rest_weight_m;
    }
    if (f == THUMB) continue;
    asked->pinch_gap_m[f] = tuning->pinch_gap_m + tuning->pinch_gap_per_m * larger(apart_m - tuning->pinch_near_m, 0);
    asked->pinch_weight[f] = tuning->pinch_weight * share;
    asked->apart_margin_m[f] = tuning->apart_margin_m * (1 - share);
  }
  asked->margin_m = tuning->margin_m, asked->pair_weight = tuning->collision_weight;
  asked->box_weight = 0, asked->box_depth_m = tuning->box_depth_m;
}

/* Where the search starts, from this frame alone: the human's own bending, joint by joint; the thumb's base at rest. */
static void first_guess(const Imitation *asked, double *q_rad) {
  for (int f = 0; f < FINGERS; f++) {
    double bend[3] = {0};
    for (int bone = 0; bone < 3; bone++) {
      const double *along = asked->bone[f][bone], *before = asked->bone[f][bone ? bone - 1 : 0];
      bend[bone] = bone ? acos(clamp(dot(along, before), -1, 1)) : atan2(along[0], along[2]);
    }
    q_rad[4 * f] = asked->rest_rad[4 * f];
    q_rad[4 * f + 1] = f == THUMB ? asked->rest_rad[4 * f + 1] : bend[0];
    q_rad[4 * f + 2] = bend[1], q_rad[4 * f + 3] = bend[2];
  }
}
