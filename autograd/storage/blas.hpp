// The one door to OpenBLAS: blas.cpp is the only file that knows cblas.h.
#pragma once

#include <cstdint>
#include <string>

namespace chainrule::blas {

/// C (m x n) = op(A) op(B) + (accumulate ? C : 0), all dense and row-major, where op transposes
/// when its flag is set: op(A) is m x k, op(B) is k x n. C may not overlap A or B. m, n or k may be
/// zero: k = 0 leaves zeros (or C). Without `accumulate` a large C is cleared here and OpenBLAS
/// adds to it: its own pass for beta = 0 is slow on some of its versions and cores. A narrow product
/// of a layer is made a few rows at a time, where that is faster (docs/performance.md): so the
/// rounding of a row can depend, in the last bits, on how many rows there are. A scalar factor is not offered, since BLAS does not read A and B where it
/// is zero, and would lose their NaN. Throws ShapeError, before C is touched, for dimensions beyond
/// OpenBLAS's int.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const T* a, const T* b, T* c, bool accumulate = false);

/// y += alpha x, n entries.
template <class T>
void axpy(std::int64_t n, T alpha, const T* x, T* y);

/// Threads that OpenBLAS may use for one call; one until this is called. To be called once, by the
/// program, before its threads start. Throws UsageError for a count below 1.
void set_threads(int count);
/// What set_threads was given; 1 before.
int threads();
/// OpenBLAS's build and the core that it chose at run time, for run headers:
/// "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... SkylakeX".
std::string description();

}  // namespace chainrule::blas
