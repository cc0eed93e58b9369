// Random networks with inputs and targets, in any scalar, and the norm by which results are
// compared.
#pragma once

#include <algorithm>
#include <chainrule/autograd/storage/tensor.hpp>
#include <chainrule/reference/element_by_element.hpp>
#include <chainrule/reference/vectorised.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace problems {

using namespace chainrule;
using namespace chainrule::reference;

inline constexpr Activation activations[] = {Activation::sigmoid, Activation::improved_sigmoid,
                                             Activation::tanh, Activation::relu};

/// The generator is fixed by the standard; the distributions of the standard library are not.
class Source {
 public:
  explicit Source(std::uint64_t seed) : engine_(seed) {}
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53;
  }
  double normal() {
    return std::sqrt(-2 * std::log(uniform(0, 1))) * std::cos(2 * std::numbers::pi * uniform(0, 1));
  }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::mt19937_64 engine_;
};

enum class Weights { fan_in, uniform };

/// A network and what it is evaluated on, owned.
template <class S>
struct Problem {
  Network network;
  std::int64_t samples = 0;
  std::vector<S> X, Y;
  std::vector<std::vector<S>> W, b;

  Inputs<S> inputs() const { return {samples, X, Y, {W.begin(), W.end()}, {b.begin(), b.end()}}; }

  template <class U>
  Problem<U> cast() const {
    const auto convert = [](const std::vector<S>& values) {
      std::vector<U> result;
      for (const S& value : values) result.push_back(static_cast<U>(value));
      return result;
    };
    Problem<U> result{network, samples, convert(X), convert(Y), {}, {}};
    for (const auto& w : W) result.W.push_back(convert(w));
    for (const auto& bias : b) result.b.push_back(convert(bias));
    return result;
  }
};

/// The transpose of a row-major matrix.
template <class S>
std::vector<S> transposed(std::span<const S> values, const Shape& shape) {
  std::vector<S> result;
  for (std::int64_t j = 0; j < shape[1]; ++j) {
    for (std::int64_t i = 0; i < shape[0]; ++i) {
      result.push_back(values[static_cast<std::size_t>(i * shape[1] + j)]);
    }
  }
  return result;
}

/// The same problem in the other layout.
inline Problem<double> flipped(const Problem<double>& p) {
  Problem<double> result = p;
  const int layers = p.network.layers();
  result.network.layout = p.network.layout == Layout::rows ? Layout::columns : Layout::rows;
  result.X = transposed<double>(p.X, p.network.unit_shape(0, p.samples));
  result.Y = transposed<double>(p.Y, p.network.unit_shape(layers, p.samples));
  for (int l = 1; l <= layers; ++l) {
    const std::size_t index = static_cast<std::size_t>(l) - 1;
    result.W[index] = transposed<double>(p.W[index], p.network.weight_shape(l));
  }
  return result;
}

/// Targets of the given mass for each sample: all of it on one random class, or spread.
inline std::vector<double> targets(Source& source, const Network& network, std::int64_t samples,
                                   bool hard, double mass) {
  const Place at{network, samples};
  const int l = network.layers();
  std::vector<double> y(static_cast<std::size_t>(at.size(l)));
  for (std::int64_t n = 0; n < samples; ++n) {
    const std::int64_t label = source.between(0, at.width(l) - 1);
    double sum = 0;
    for (std::int64_t k = 0; k < at.width(l); ++k) {
      y[at.unit(l, n, k)] = hard ? (k == label ? 1 : 0) : source.uniform(0, 1);
      sum += y[at.unit(l, n, k)];
    }
    for (std::int64_t k = 0; k < at.width(l); ++k) y[at.unit(l, n, k)] *= mass / sum;
  }
  return y;
}

/// Standard normal inputs; weights N(0, 1/sqrt(fan-in)) or U(-1, 1); biases U(-1, 1).
inline Problem<double> random_problem(Source& source, const Network& network, std::int64_t samples,
                                      Weights weights, bool hard, double mass) {
  Problem<double> p{network, samples, {}, {}, {}, {}};
  for (std::int64_t i = network.unit_shape(0, samples).size(); i > 0; --i) {
    p.X.push_back(source.normal());
  }
  p.Y = targets(source, network, samples, hard, mass);
  for (int l = 1; l <= network.layers(); ++l) {
    const double deviation =
        1 / std::sqrt(static_cast<double>(network.widths[static_cast<std::size_t>(l) - 1]));
    p.W.emplace_back();
    for (std::int64_t i = network.weight_shape(l).size(); i > 0; --i) {
      p.W.back().push_back(weights == Weights::fan_in ? deviation * source.normal()
                                                      : source.uniform(-1, 1));
    }
    if (!network.biases) continue;
    p.b.emplace_back();
    for (std::int64_t j = network.bias_shape(l).size(); j > 0; --j) {
      p.b.back().push_back(source.uniform(-1, 1));
    }
  }
  return p;
}

/// A problem's tensors, and the vectorised form on them.
template <class T>
struct Vectorised {
  explicit Vectorised(const Problem<T>& p)
      : backpropagation(p.network, p.samples),
        X(p.network.unit_shape(0, p.samples), p.X),
        Y(p.network.unit_shape(p.network.layers(), p.samples), p.Y) {
    for (int l = 1; l <= p.network.layers(); ++l) {
      const std::size_t index = static_cast<std::size_t>(l) - 1;
      W.emplace_back(p.network.weight_shape(l), p.W[index]);
      if (p.network.biases) b.emplace_back(p.network.bias_shape(l), p.b[index]);
    }
    w_views.assign(W.begin(), W.end());
    b_views.assign(b.begin(), b.end());
  }
  T run() { return backpropagation.run(X, Y, w_views, b_views); }

  Backpropagation<T> backpropagation;
  Tensor<T> X, Y;
  std::vector<Tensor<T>> W, b;
  std::vector<TensorView<const T>> w_views, b_views;
};

/// |a - b| / |b| in the 2-norm, |a| where b is zero; infinite when a is not finite. `Wide` is the
/// scalar in which it is computed, at least as wide as both.
template <class Wide, class A, class B>
double distance(const A& a, const B& b) {
  using std::abs, std::sqrt;
  Wide largest(0);  // scales both, so that squares of tiny gradients do not underflow
  for (const auto& x : b) largest = std::max(largest, Wide(abs(Wide(x))));
  if (largest == Wide(0)) largest = Wide(1);
  Wide difference(0), norm(0);
  auto x = std::begin(a);
  for (const auto& value : b) {
    const Wide expected = Wide(value) / largest, error = Wide(*x++) / largest - expected;
    difference += error * error, norm += expected * expected;
  }
  if (norm == Wide(0)) norm = Wide(1);
  const double result = static_cast<double>(sqrt(difference / norm));
  return std::isnan(result) ? HUGE_VAL : result;
}

}  // namespace problems
