// Elementary functions over arrays, vectorised for the processor that the program runs on.
#pragma once

#include <cstdint>
#include <string_view>

/// Each function computes y_i from x_i for n entries; x and y may be the same array, and need no
/// alignment. Errors are at most 4 ulp (tests/autograd/storage), subnormal results included, and
/// infinities, NaN and signed zeros give what those of std give. The instruction set is chosen at
/// run time; on one machine the same input gives the same bits, wherever in the array it stands.
/// Explicitly instantiated for float and double.
namespace chainrule::vector_math {

/// y = exp(x)
template <class T>
void exp(std::int64_t n, const T* x, T* y);
/// y = ln(x): -inf at 0, NaN below.
template <class T>
void log(std::int64_t n, const T* x, T* y);
/// y = 1 / (1 + exp(-x)), accurate in both tails.
template <class T>
void sigmoid(std::int64_t n, const T* x, T* y);
/// y = outer tanh(inner x). The improved sigmoid is outer = 1.7159, inner = 2/3. (Where inner x is
/// subnormal its rounding counts |outer| times.)
template <class T>
void scaled_tanh(std::int64_t n, T outer, T inner, const T* x, T* y);
/// y = outer sech^2(inner x), by 4 e / (1 + e)^2 with e = exp(-2 |inner x|), so that it keeps its
/// relative accuracy where 1 - tanh^2 cancels. sigmoid'(x) is outer = 1/4, inner = 1/2.
template <class T>
void scaled_sech_squared(std::int64_t n, T outer, T inner, const T* x, T* y);

/// The instruction set in use, for run headers: "AVX3".
std::string_view target();

}  // namespace chainrule::vector_math
