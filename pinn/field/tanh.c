/* tanh of an array, written so that compilers make vector code of it; within 3 units in the last place, NaN stays NaN.
 *
 * tanh a = -t / (2 + t) with t = exp(-2a) - 1 = 2^k p + (2^k - 1), p = exp r - 1 by its Taylor polynomial, r = -2a - k ln 2.
 */
static inline double tanh_of(double z) {
  const double round = 0x1.8p52, a = __builtin_fabs(z);
  const double y = -2 * (a > 20 ? 20 : a);
  const union { double number; unsigned long long bits; } shifted = {y * 0x1.71547652b82fep0 + round};
  const double k = shifted.number - round;
  const double r = (y - k * 0x1.62e42fefa39efp-1) - k * 0x1.abc9e3b39803fp-56;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r * r + r;
  const union { unsigned long long bits; double number; } power = {(shifted.bits + 1023) << 52};
  const double t = power.number * p + (power.number - 1);
  return __builtin_copysign(-t / (2 + t), z);
}

static void tanh_array(long count, const T *z, T *value) {
  for (long i = 0; i < count; i++) value[i] = tanh_of(z[i]);
}
