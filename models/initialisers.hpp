// Initial weights.
#pragma once

#include <chainrule/autograd/parameter.hpp>
#include <cstdint>

namespace chainrule {

/// How weights (fan-in, fan-out) are drawn.
enum class Initialiser {
  uniform,  ///< U(-1, 1): the reports' starting point
  fan_in,   ///< N(0, s), s = 1 / sqrt(fan-in): the reports' "improved weights" (LeCun et al.:
           ///< Efficient BackProp, 1998, section 4.6)
  he,  ///< N(0, s), s = sqrt(2 / fan-in), for relu (He, Zhang, Ren, Sun, 2015)
};

/// Fills a parameter with U(low, high). `stream` tells parameters of one model apart: entry i is
/// the i-th number of Random(seed, Purpose::weights, stream), so that a model in float starts from
/// the rounded weights of the same model in double.
template <class T>
void fill_uniform(Parameter<T>& parameter, double low, double high, std::uint64_t seed,
                  std::uint32_t stream);
/// Fills a parameter with N(0, deviation).
template <class T>
void fill_normal(Parameter<T>& parameter, double deviation, std::uint64_t seed,
                 std::uint32_t stream);

/// Fills weights (fan-in, fan-out). Under the bias trick the row of the bias input counts in fan-in
/// and is drawn like the others.
template <class T>
void initialise_weights(Parameter<T>& weights, Initialiser initialiser, std::uint64_t seed,
                        std::uint32_t stream);
/// Fills a bias vector: U(-1, 1) with Initialiser::uniform, as its row under the bias trick; zero
/// with the others.
template <class T>
void initialise_bias(Parameter<T>& bias, Initialiser initialiser, std::uint64_t seed,
                     std::uint32_t stream);

}  // namespace chainrule
