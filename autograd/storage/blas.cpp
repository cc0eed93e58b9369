#include <chainrule/autograd/storage/blas.hpp>

#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/error.hpp>
#include <climits>
#include <mutex>
#include <string_view>

namespace chainrule::blas {

namespace {

std::once_flag threads_chosen;

// One thread unless the program says otherwise: experiments run side by side on threads of their
// own, and the matrices of a small network are too small to share.
void ensure_threads() {
  std::call_once(threads_chosen, [] { openblas_set_num_threads(1); });
}

int to_int(std::int64_t n, const char* operation) {
  if (n > INT_MAX) {
    throw ShapeError(
        operation, fmt::format("dimension {} is beyond the {} that OpenBLAS can take", n, INT_MAX));
  }
  return static_cast<int>(n);
}

void gemm_call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const float* a, int lda,
               const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}
void gemm_call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const double* a,
               int lda, const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}
void axpy_call(int n, float alpha, const float* x, float* y) { cblas_saxpy(n, alpha, x, 1, y, 1); }
void axpy_call(int n, double alpha, const double* x, double* y) {
  cblas_daxpy(n, alpha, x, 1, y, 1);
}

// OpenBLAS has kernels for products of at most this many multiplications that read A and B where
// they lie, and write C outright; those for larger ones copy both into panels first, and make a
// pass over C for beta.
constexpr std::int64_t small_product = 1'000'000;

bool is_small(std::int64_t m, std::int64_t n, std::int64_t k) {
  return k > 0 && m * n <= small_product / k;
}

// Where OpenBLAS has such kernels; elsewhere it takes the other way for every size.
bool has_small_kernels() {
  static const bool result = [] {
    const std::string_view core = openblas_get_corename();
    return core == "SkylakeX" || core == "Cooperlake" || core == "SapphireRapids";
  }();
  return result;
}

// Rows of C to be evaluated at a time. A product that is too large to be small, but is narrow, as a
// layer's is, is faster as a sequence of small ones: (32, 785) x (785, 64) by a third, and as much
// where A, few samples, is transposed, as in the gradient of the weights (docs/performance.md). The
// kernels are tiled by multiples of four rows, or sixteen.
std::int64_t panel_rows(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
                        std::int64_t k) {
  if (transpose_b || is_small(m, n, k) || !has_small_kernels() || openblas_get_num_threads() > 1) {
    return m;
  }
  const std::int64_t most = small_product / std::max<std::int64_t>(k, 1) / n;
  if (transpose_a) return k > 64 || most < 16 ? m : std::min<std::int64_t>(48, most) / 16 * 16;
  return most < 8 ? m : std::min<std::int64_t>(12, most) / 4 * 4;
}

}  // namespace

template <class T>
void axpy(std::int64_t n, T alpha, const T* x, T* y) {
  ensure_threads();
  const int count = to_int(n, "axpy");
  if (alpha == T(0)) {
    for (std::int64_t i = 0; i < n; ++i) y[i] += alpha * x[i];  // BLAS would not read x
  } else if (n > 0) {
    axpy_call(count, alpha, x, y);
  }
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const T* a, const T* b, T* c, bool accumulate) {
  ensure_threads();
  const int im = to_int(m, "gemm"), in = to_int(n, "gemm"), ik = to_int(k, "gemm");
  if (m == 0 || n == 0) return;
  const std::int64_t rows = panel_rows(transpose_a, transpose_b, m, n, k);
  const bool clear = !accumulate && !is_small(rows, n, k);
  if (clear) std::fill_n(c, m * n, T(0));
  if (k == 0) return;
  for (std::int64_t row = 0; row < m; row += rows) {
    gemm_call(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<int>(std::min(rows, m - row)), in, ik, a + row * (transpose_a ? 1 : k),
              transpose_a ? im : ik, b, transpose_b ? ik : in, accumulate || clear ? T(1) : T(0),
              c + row * n, in);
  }
}

void set_threads(int count) {
  if (count < 1) {
    throw UsageError("blas::set_threads", fmt::format("{} threads: expected at least 1", count));
  }
  std::call_once(threads_chosen, [] {});
  openblas_set_num_threads(count);
}

int threads() {
  ensure_threads();
  return openblas_get_num_threads();
}

std::string description() {
  return fmt::format("{} {}", openblas_get_config(), openblas_get_corename());
}

template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, const float*,
                   float*, bool);
template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, const double*,
                   const double*, double*, bool);
template void axpy(std::int64_t, float, const float*, float*);
template void axpy(std::int64_t, double, const double*, double*);

}  // namespace chainrule::blas
