/* Products of small dense matrices for one thread: C = A B or C += A B, with C (m, n) row-major and A, B read through strides.
 *
 * A block of ROWS rows and PANEL vectors of C stays in registers while k runs over DEPTH numbers, whose parts of A and B then
 * stay in the first cache. That part of B is copied first where its rows are not whole vectors. T is float or double and defined
 * before this text.
 */
#if defined(__AVX512F__)
enum { BYTES = 64, ROWS = 6, PANEL = 4 };
#elif defined(__AVX__)
enum { BYTES = 32, ROWS = 4, PANEL = 3 };
#elif defined(__aarch64__)
enum { BYTES = 16, ROWS = 6, PANEL = 4 };
#else
enum { BYTES = 16, ROWS = 4, PANEL = 3 };
#endif
enum { LANES = BYTES / sizeof(T), DEPTH = 128 };
typedef T Vector __attribute__((vector_size(BYTES)));
typedef T Stored __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));

typedef struct {
  const T *start;
  long row, column; /* steps from an entry to the next below it, and to the right of it */
} Matrix;

static inline __attribute__((always_inline)) void block(
    const int rows, const int vectors, long k, Matrix a, Matrix b, T *c, long n, long width, int add) {
  Vector sum[ROWS][PANEL];
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vectors; j++) sum[i][j] = (Vector){0};
  for (long l = 0; l < k; l++) {
    const Stored *from = (const Stored *)(b.start + l * b.row);
    T factor[ROWS];
    for (int i = 0; i < rows; i++) factor[i] = a.start[i * a.row + l * a.column];
    for (int j = 0; j < vectors; j++) {
      const Vector part = from[j];
      for (int i = 0; i < rows; i++) sum[i][j] += factor[i] * part;
    }
  }
  for (int i = 0; i < rows; i++) {
    T *row = c + i * n;
    for (int j = 0; j < vectors; j++) {
      Vector all = sum[i][j];
      if ((j + 1) * LANES <= width) {
        if (add) all += *(Stored *)(row + j * LANES);
        *(Stored *)(row + j * LANES) = all;
      } else {
        for (long l = j * LANES; l < width; l++) row[l] = (add ? row[l] : 0) + all[l - j * LANES];
      }
    }
  }
}

static inline __attribute__((always_inline)) void panel(
    const int vectors, long m, long k, Matrix a, Matrix b, T *c, long n, long width, int add) {
  for (long i = 0; i < m;) {
    const Matrix part = {a.start + i * a.row, a.row, a.column};
    if (m - i >= ROWS) {
      block(ROWS, vectors, k, part, b, c + i * n, n, width, add);
      i += ROWS;
    } else if (m - i >= 2) {
      block(2, vectors, k, part, b, c + i * n, n, width, add);
      i += 2;
    } else {
      block(1, vectors, k, part, b, c + i * n, n, width, add);
      i += 1;
    }
  }
}

/* Write b (k, n) into ``packed`` (k, columns), filled up with zeros. */
static Matrix pack(long k, long n, long columns, Matrix b, T *packed) {
  for (long l = 0; l < k; l++) {
    for (long j = 0; j < n; j++) packed[l * columns + j] = b.start[l * b.row + j * b.column];
    for (long j = n; j < columns; j++) packed[l * columns + j] = 0;
  }
  return (Matrix){packed, columns, 1};
}

static void product(long m, long n, long k, Matrix a, Matrix b, T *c, int add) {
  T packed[DEPTH * PANEL * LANES];
  for (long l = 0; l < k; l += DEPTH, add = 1) {
    const Matrix left = {a.start + l * a.column, a.row, a.column};
    const long depth = k - l < DEPTH ? k - l : DEPTH;
    for (long j = 0; j < n; j += PANEL * LANES) {
      const long width = n - j < PANEL * LANES ? n - j : PANEL * LANES, vectors = (width + LANES - 1) / LANES;
      Matrix right = {b.start + l * b.row + j * b.column, b.row, b.column};
      if (b.column != 1 || width % LANES) right = pack(depth, width, vectors * LANES, right, packed);
      switch (vectors) {
        case 1: panel(1, m, depth, left, right, c + j, n, width, add); break;
        case 2: panel(2, m, depth, left, right, c + j, n, width, add); break;
        case 3: panel(3, m, depth, left, right, c + j, n, width, add); break;
        default: panel(PANEL, m, depth, left, right, c + j, n, width, add);
      }
    }
  }
}

static void add_bias(long rows, long n, const T *bias, T *c) {
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < n; j++) c[i * n + j] += bias[j];
}

/* The sum of g (b - a): how the sum of g ((1 - f) a + f b) grows with f. */
static T interpolation_slope(long count, const T *g, const T *a, const T *b) {
  Vector sums = {0};
  T sum = 0;
  long i = 0;
  for (; i + LANES <= count; i += LANES)
    sums += *(const Stored *)(g + i) * (*(const Stored *)(b + i) - *(const Stored *)(a + i));
  for (long l = 0; l < LANES; l++) sum += sums[l];
  for (; i < count; i++) sum += g[i] * (b[i] - a[i]);
  return sum;
}

static void sum_rows(long rows, long n, const T *c, T *bias) {
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < n; j++) bias[j] += c[i * n + j];
}

/* C (m, n) = sum over channels of a b', where a channel of a (m) and of b (n) begins a step after the one before; or added. */
static inline __attribute__((always_inline)) void outer(
    const int channels, const long m, const long n, const T *a, long a_step, const T *b, long b_step, T *restrict c, const int add) {
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) {
      T sum = add ? c[i * n + j] : 0;
      for (int k = 0; k < channels; k++) sum += a[i + k * a_step] * b[j + k * b_step];
      c[i * n + j] = sum;
    }
}

/* Add to every result the product of its rows of b, (channels, points, n), and of t, with steps by point and by channel. */
static void add_dots(long points, long n, long channels, const T *t, long t_point, long t_channel, const T *b, T *results) {
  for (long k = 0; k < channels; k++)
    for (long p = 0; p < points; p++) {
      const T *first = t + k * t_channel + p * t_point, *second = b + (k * points + p) * n;
      Vector sums = {0};
      long j = 0;
      for (; j + LANES <= n; j += LANES) sums += *(const Stored *)(first + j) * *(const Stored *)(second + j);
      T sum = 0;
      for (; j < n; j++) sum += first[j] * second[j];
      for (int l = 0; l < LANES; l++) sum += sums[l];
      results[p] += sum;
    }
}

static void scale_rows(long points, long n, long channels, const T *weights, const T *from, T *to) {
  for (long k = 0; k < channels; k++)
    for (long p = 0; p < points; p++)
      for (long j = 0; j < n; j++) to[(k * points + p) * n + j] = weights[p] * from[(k * points + p) * n + j];
}

/* Give every point its copy of channels (channels, n) that stand at the start of (channels, points, n). */
static void repeat(long points, long n, long channels, T *c) {
  for (long k = channels - 1; k >= 0; k--)
    for (long p = points - 1; p >= 0; p--)
      for (long j = 0; j < n; j++) c[(k * points + p) * n + j] = c[k * n + j];
}
