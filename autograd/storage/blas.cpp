#include <chainrule/autograd/storage/blas.hpp>

#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/error.hpp>
#include <climits>
#include <mutex>
#include <vector>

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

void gemm_call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha,
               const float* a, int lda, const float* b, int ldb, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, 1.0f, c, ldc);
}
void gemm_call(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha,
               const double* a, int lda, const double* b, int ldb, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, 1.0, c, ldc);
}
void axpy_call(int n, float alpha, const float* x, float* y) { cblas_saxpy(n, alpha, x, 1, y, 1); }
void axpy_call(int n, double alpha, const double* x, double* y) {
  cblas_daxpy(n, alpha, x, 1, y, 1);
}
void scal_call(int n, float alpha, float* x) { cblas_sscal(n, alpha, x, 1); }
void scal_call(int n, double alpha, double* x) { cblas_dscal(n, alpha, x, 1); }
float dot_call(int n, const float* x, const float* y) { return cblas_sdot(n, x, 1, y, 1); }
double dot_call(int n, const double* x, const double* y) { return cblas_ddot(n, x, 1, y, 1); }

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
          T alpha, const T* a, const T* b, T* c, bool accumulate) {
  ensure_threads();
  const int im = to_int(m, "gemm"), in = to_int(n, "gemm"), ik = to_int(k, "gemm");
  if (!accumulate) std::fill_n(c, m * n, T(0));
  if (m == 0 || n == 0 || k == 0) return;
  if (alpha == T(0)) {
    // BLAS then reads neither A nor B, and a NaN in them would be lost.
    std::vector<T> product(static_cast<std::size_t>(m * n));
    gemm(transpose_a, transpose_b, m, n, k, T(1), a, b, product.data());
    axpy(m * n, alpha, product.data(), c);
    return;
  }
  gemm_call(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, im,
            in, ik, alpha, a, transpose_a ? im : ik, b, transpose_b ? ik : in, c, in);
}

template <class T>
void scal(std::int64_t n, T alpha, T* x) {
  ensure_threads();
  const int count = to_int(n, "scal");
  if (alpha == T(0)) {
    for (std::int64_t i = 0; i < n; ++i) x[i] *= alpha;  // BLAS would not read x
  } else if (n > 0) {
    scal_call(count, alpha, x);
  }
}

template <class T>
T dot(std::int64_t n, const T* x, const T* y) {
  ensure_threads();
  return n > 0 ? dot_call(to_int(n, "dot"), x, y) : T(0);
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

template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, float, const float*,
                   const float*, float*, bool);
template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, double, const double*,
                   const double*, double*, bool);
template void axpy(std::int64_t, float, const float*, float*);
template void axpy(std::int64_t, double, const double*, double*);
template void scal(std::int64_t, float, float*);
template void scal(std::int64_t, double, double*);
template float dot(std::int64_t, const float*, const float*);
template double dot(std::int64_t, const double*, const double*);

}  // namespace chainrule::blas
