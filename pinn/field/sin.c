/* Sine and cosine of an array, written so that compilers make vector code of it; within 2 units in the last place of one.
 *
 * a = k pi/2 + r with |r| <= pi/4 and pi/2 in three parts, sin r and cos r by their Taylor polynomials, then by quadrant. Numbers
 * beyond LARGEST, where k has too many digits for that, go to the library's functions; so do infinite ones, which give NaN.
 */
static inline void sin_cos_of(double a, double *sine, double *cosine) {
  const double round = 0x1.8p52;
  const union { double number; unsigned long long bits; } shifted = {a * 0x1.45f306dc9c883p-1 + round};
  const double k = shifted.number - round;
  const double r = ((a - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69;
  const double x = r * r;
  double s = 1.0 / 355687428096000;
  s = s * x - 1.0 / 1307674368000;
  s = s * x + 1.0 / 6227020800;
  s = s * x - 1.0 / 39916800;
  s = s * x + 1.0 / 362880;
  s = s * x - 1.0 / 5040;
  s = s * x + 1.0 / 120;
  s = s * x - 1.0 / 6;
  s = s * x * r + r;
  double c = 1.0 / 20922789888000;
  c = c * x - 1.0 / 87178291200;
  c = c * x + 1.0 / 479001600;
  c = c * x - 1.0 / 3628800;
  c = c * x + 1.0 / 40320;
  c = c * x - 1.0 / 720;
  c = c * x + 1.0 / 24;
  c = c * x - 0.5;
  c = c * x + 1;
  const unsigned long long quadrant = shifted.bits;
  const double first = quadrant & 1 ? c : s, second = quadrant & 1 ? s : c;
  *sine = quadrant & 2 ? -first : first;
  *cosine = (quadrant + 1) & 2 ? -second : second;
}

static void sin_array(long count, const T *z, T *value) {
  const double LARGEST = 1e5;
  int beyond = 0;
  for (long i = 0; i < count; i++) {
    double sine, cosine;
    sin_cos_of(z[i], &sine, &cosine);
    value[i] = sine;
    value[count + i] = cosine;
    beyond |= !(__builtin_fabs(z[i]) < LARGEST);
  }
  if (beyond)
    for (long i = 0; i < count; i++)
      if (!(__builtin_fabs(z[i]) < LARGEST)) value[i] = __builtin_sin(z[i]), value[count + i] = __builtin_cos(z[i]);
}
