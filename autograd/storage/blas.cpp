#include <chainrule/autograd/storage/blas.hpp>

#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/error.hpp>
#include <climits>
#include <mutex>

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
  // OpenBLAS's kernels for small products write C outright; only large ones make a pass for beta.
  constexpr std::int64_t small_product = 1'000'000;
  const bool small = k > 0 && m * n <= small_product / k;
  if (!accumulate && !small) std::fill_n(c, m * n, T(0));
  if (m == 0 || n == 0 || k == 0) return;
  gemm_call(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, im,
            in, ik, a, transpose_a ? im : ik, b, transpose_b ? ik : in,
            accumulate || !small ? T(1) : T(0), c, in);
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
