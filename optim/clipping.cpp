#include <chainrule/optim/checks.hpp>
#include <chainrule/optim/clipping.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace chainrule {

namespace {

/// sum_i (scale g_i)^2, in eight sums side by side, which the compiler can vectorise.
template <class T>
double sum_of_squares(TensorView<const T> g, double scale) {
  constexpr std::int64_t lanes = 8;
  std::array<double, lanes> sums{};
  const std::int64_t whole = g.size() / lanes * lanes;
  const auto square = [&](std::int64_t i) {
    const double x = scale * static_cast<double>(g[i]);
    return x * x;
  };
  for (std::int64_t i = 0; i < whole; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      sums[static_cast<std::size_t>(lane)] += square(i + lane);
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  for (std::int64_t i = whole; i < g.size(); ++i) total += square(i);
  return total;
}

template <class T>
void expect_finite(const Parameters<T>& parameters, SourceLocation location) {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const TensorView<const T> g(parameters[p].gradient().data(), parameters[p].shape());
    const auto* bad = std::find_if(g.begin(), g.end(), [](T x) { return !std::isfinite(x); });
    if (bad == g.end()) continue;
    std::vector<std::int64_t> indices;
    std::int64_t rest = bad - g.begin();
    for (int axis = g.shape().rank(); axis-- > 0;) {
      indices.insert(indices.begin(), rest % g.shape()[axis]);
      rest /= g.shape()[axis];
    }
    throw NumericError("gradient_norm",
                       fmt::format("the gradient of '{}' {} is {} at ({}): expected finite numbers",
                                   parameters[p].name(), to_string(g.shape()),
                                   static_cast<double>(*bad), fmt::join(indices, ", ")),
                       location);
  }
}

}  // namespace

template <class T>
double gradient_norm(const Parameters<T>& parameters, SourceLocation location) {
  const TensorView<const T> g = parameters.gradients();
  const double plain = sum_of_squares(g, 1.0);
  // In this range no square has overflowed, and those that underflowed do not matter.
  if (plain > 1e-200 && std::isfinite(plain)) return std::sqrt(plain);
  expect_finite(parameters, location);
  double largest = 0;
  for (const T x : g) largest = std::max(largest, std::abs(static_cast<double>(x)));
  if (largest == 0) return 0;
  // Scaled by a power of two, which rounds nothing. (2^1000 lifts even subnormal numbers enough.)
  int exponent = 0;
  std::frexp(largest, &exponent);
  exponent = std::max(exponent, -1000);
  const double norm =
      std::ldexp(std::sqrt(sum_of_squares(g, std::ldexp(1.0, -exponent))), exponent);
  if (std::isinf(norm)) {
    throw NumericError(
        "gradient_norm",
        fmt::format("entries up to {}: the norm is beyond the largest double", largest), location);
  }
  return norm;
}

template <class T>
double clip_gradient_norm(Parameters<T>& parameters, double max_norm, SourceLocation location) {
  detail::expect_option(max_norm > 0, "clip_gradient_norm", "max_norm", max_norm,
                        "a positive number", location);
  const double norm = gradient_norm(parameters, location);
  const double factor = max_norm / (norm + 1e-6);
  if (factor < 1) {
    // In double: the factor may be too small for a float, where the product is not.
    for (T& x : parameters.gradients()) x = static_cast<T>(static_cast<double>(x) * factor);
  }
  return norm;
}

template double gradient_norm(const Parameters<float>&, SourceLocation);
template double gradient_norm(const Parameters<double>&, SourceLocation);
template double clip_gradient_norm(Parameters<float>&, double, SourceLocation);
template double clip_gradient_norm(Parameters<double>&, double, SourceLocation);

}  // namespace chainrule
