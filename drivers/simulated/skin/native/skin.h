/* The skin's record type, which mirrors SKIN of kernel.py. Arrays are laid out by pad, with room for the largest one;
   matrices are stored input by input, so that a taxel without force costs nothing. SI units; frames as in the modules
   of the same names, which are the reference in numpy. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { PADS = 18, TAXELS = 368, MOST = 30, AXES = 3 * MOST, LANES = 32 };

typedef struct {
  int64_t first[PADS + 1], link[PADS]; /* first taxel of each pad in canonical order; pads of one link move together */
  float compliance[PADS][AXES][AXES], neighbours[PADS][AXES][AXES];
  double largest_m, shear_memory, shear_memory_s, slip_release_m_per_s, forget_s, touch_n, settled_m;
  double hysteresis, hysteresis_s, creep, creep_s;
  float held_m[PADS][AXES], late_m[PADS][AXES], slow_m[PADS][AXES]; /* what the elastomer remembers */
  int64_t disturbed[PADS];                                          /* whether any of that is not zero */
  double height_m, tilt;
  float strength[TAXELS], rest_t[TAXELS][3], to_taxel[TAXELS][3][3];
  float cell_m[PADS][3][LANES], moment_a_m2[PADS][3], earth_t[3];
  double mu0_over_4pi, closest_m;
  double rest_counts[TAXELS][3], counts_per_tesla[TAXELS], drift_counts_per_k[TAXELS][3], noise_counts;
  float walked_counts[TAXELS][3];
} Skin;

static int taxels_of(const Skin *skin, int pad) { return (int)(skin->first[pad + 1] - skin->first[pad]); }

/* out (n) += matrix (inputs, n) transposed times the inputs; inputs that are zero are skipped. */
static void add_product(int n, const float (*matrix)[AXES], const float *input, float *restrict out) {
  for (int j = 0; j < n; j++) {
    float by = input[j];
    if (by != 0)
      for (int i = 0; i < n; i++) out[i] += matrix[j][i] * by;
  }
}
