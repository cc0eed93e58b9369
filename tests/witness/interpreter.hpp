// A second opinion on programs of tensor operations: evaluated entry by entry from the definitions,
// in any scalar, with derivatives by dual numbers. It shares no code with the library's operations.
#pragma once

#include <algorithm>
#include <array>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/expm1.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace witness {

using Quad = boost::multiprecision::cpp_bin_float_quad;

// --- scalars -----------------------------------------------------------------------------------

/// a + b e with e^2 = 0. Nested, it gives second derivatives.
template <class S>
struct Dual {
  S a{}, b{};
  Dual() = default;
  Dual(double value) : a(value), b(0) {}
  Dual(S value, S derivative) : a(std::move(value)), b(std::move(derivative)) {}
};

inline double primal(double x) { return x; }
inline double primal(const Quad& x) { return static_cast<double>(x); }
template <class S>
double primal(const Dual<S>& x) {
  return primal(x.a);
}

template <class S>
Dual<S> operator+(const Dual<S>& x, const Dual<S>& y) {
  return {x.a + y.a, x.b + y.b};
}
template <class S>
Dual<S> operator-(const Dual<S>& x, const Dual<S>& y) {
  return {x.a - y.a, x.b - y.b};
}
template <class S>
Dual<S> operator*(const Dual<S>& x, const Dual<S>& y) {
  return {x.a * y.a, x.b * y.a + x.a * y.b};
}
template <class S>
Dual<S> operator/(const Dual<S>& x, const Dual<S>& y) {
  const S quotient = x.a / y.a;
  return {quotient, (x.b - quotient * y.b) / y.a};
}

/// Constants with the digits of S.
template <class S>
S pi() {
  if constexpr (std::is_same_v<S, double> || std::is_same_v<S, Quad>) {
    return boost::math::constants::pi<S>();
  } else {
    return S(pi<decltype(S{}.a)>(), decltype(S{}.a)(0));
  }
}

// Elementary functions of double and of quad, which bear one name here ...
inline double exp_(double x) { return std::exp(x); }
inline double log_(double x) { return std::log(x); }
inline double sqrt_(double x) { return std::sqrt(x); }
inline double sin_(double x) { return std::sin(x); }
inline double cos_(double x) { return std::cos(x); }
inline double log1p_(double x) { return std::log1p(x); }
inline double expm1_(double x) { return std::expm1(x); }
inline double erf_(double x) { return std::erf(x); }
inline double erfc_(double x) { return std::erfc(x); }
inline Quad exp_(const Quad& x) { return exp(x); }
inline Quad log_(const Quad& x) { return log(x); }
inline Quad sqrt_(const Quad& x) { return sqrt(x); }
inline Quad sin_(const Quad& x) { return sin(x); }
inline Quad cos_(const Quad& x) { return cos(x); }
inline Quad log1p_(const Quad& x) {
  // Boost's, but by the series where two terms are enough.
  return abs(x) < 1e-18 ? Quad(x - x * x / 2) : Quad(boost::math::log1p(x));
}
inline Quad expm1_(const Quad& x) { return boost::math::expm1(x); }
inline Quad erf_(const Quad& x) { return boost::math::erf(x); }
inline Quad erfc_(const Quad& x) { return boost::math::erfc(x); }

// ... and of dual numbers, nested ones too.
template <class S>
Dual<S> exp_(const Dual<S>& x) {
  const S e = exp_(x.a);
  return {e, e * x.b};
}
template <class S>
Dual<S> log_(const Dual<S>& x) {
  return {log_(x.a), x.b / x.a};
}
template <class S>
Dual<S> sqrt_(const Dual<S>& x) {
  const S root = sqrt_(x.a);
  return {root, x.b / (root + root)};
}
template <class S>
Dual<S> sin_(const Dual<S>& x) {
  return {sin_(x.a), cos_(x.a) * x.b};
}
template <class S>
Dual<S> cos_(const Dual<S>& x) {
  return {cos_(x.a), S(0) - sin_(x.a) * x.b};
}
template <class S>
Dual<S> log1p_(const Dual<S>& x) {
  return {log1p_(x.a), x.b / (S(1) + x.a)};
}
template <class S>
Dual<S> expm1_(const Dual<S>& x) {
  return {expm1_(x.a), exp_(x.a) * x.b};
}
template <class S>
S bell(const S& x) {  // erf'
  return S(2) / sqrt_(pi<S>()) * exp_(S(0) - x * x);
}
template <class S>
Dual<S> erf_(const Dual<S>& x) {
  return {erf_(x.a), bell(x.a) * x.b};
}
template <class S>
Dual<S> erfc_(const Dual<S>& x) {
  return {erfc_(x.a), S(0) - bell(x.a) * x.b};
}

/// The same value without any derivative.
inline double frozen(double x) { return x; }
inline Quad frozen(const Quad& x) { return x; }
template <class S>
Dual<S> frozen(const Dual<S>& x) {
  return {frozen(x.a), S(0)};
}

/// x with its last digits changed, each part by itself: one more realisation of its rounding.
/// `random` gives numbers in [-1, 1): two units of the last digit at most.
template <class Random>
double jittered(double x, Random& random) {
  return x * (1 + 0x1p-51 * random());
}
template <class Random>
Quad jittered(const Quad& x, Random&) {
  return x;
}
template <class S, class Random>
Dual<S> jittered(const Dual<S>& x, Random& random) {
  return {jittered(x.a, random), jittered(x.b, random)};
}

/// Forms that neither overflow nor cancel for large |x|; comparisons look at the value.
template <class S>
S sigmoid_(const S& x) {
  if (primal(x) >= 0) return S(1) / (S(1) + exp_(S(0) - x));
  const S e = exp_(x);
  return e / (S(1) + e);
}
template <class S>
S sech_squared_(const S& x) {
  const S e = exp_(primal(x) < 0 ? x + x : S(0) - (x + x));
  return S(4) * e / ((S(1) + e) * (S(1) + e));
}
inline double tanh_(double x) { return std::tanh(x); }
inline Quad tanh_(const Quad& x) { return tanh(x); }
template <class S>
Dual<S> tanh_(const Dual<S>& x) {
  return {tanh_(x.a), sech_squared_(x.a) * x.b};
}
template <class S>
S softplus_(const S& x) {
  if (primal(x) < 0) return log1p_(exp_(x));
  return x + log1p_(exp_(S(0) - x));
}
template <class S>
S normal_cdf_(const S& x) {
  return erfc_(S(0) - x / sqrt_(S(2))) / S(2);
}
/// x^p for x > 0.
template <class S>
S pow_(const S& x, const S& p) {
  return exp_(p * log_(x));
}

// --- programs ----------------------------------------------------------------------------------

using Dims = std::vector<std::int64_t>;

inline std::int64_t size_of(const Dims& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

/// The functions of ops.hpp. `where` chooses by greater(first input, second input).
// clang-format off
enum class Kind {
  leaf,
  // one input, entry by entry
  neg, scale, shift, exp, log, square, sqrt, reciprocal, power, log1p, expm1, sin, cos, erf, erfc,
  gaussian, normal_cdf, abs, clamp, stop_gradient, sigmoid, tanh, improved_sigmoid, sech_squared,
  relu, leaky_relu, elu, gelu, silu, softplus,
  // several, broadcast
  add, sub, mul, mul0, div, maximum, minimum, pow, where,
  // sums and copies of entries
  sum, sum_to, broadcast_to, reshape, transpose, slice, pad, concat, stack, pick, place,
  gather_rows, scatter_add_rows,
  // over axes
  mean, max, min, logsumexp, variance,
  // rows
  softmax, log_softmax, wedge_sum, weighted_deviation,
  matmul, linear,
  // losses
  softmax_cross_entropy, softmax_cross_entropy_with_indices, mse,
  binary_cross_entropy_with_logits, huber,
  count
};
// clang-format on

/// One step of a program. Its inputs are earlier steps.
struct Step {
  Kind kind = Kind::leaf;
  std::vector<int> inputs;
  std::array<double, 2> numbers{};    ///< factors, bounds, exponents
  std::vector<int> axes;              ///< of reductions (none: all), of a transposition
  int flags = 0;                      ///< keepdims, ddof + 2 keepdims, the matmul flag
  std::int64_t begin = 0, end = 0;    ///< slice, pad; the columns of place, rows of scatter
  Dims shape;                         ///< of a leaf; the target of reshape, broadcast_to, sum_to
  std::vector<std::int32_t> indices;  ///< labels
  std::vector<double> values;         ///< of a leaf
  bool differentiated = false;        ///< a leaf that the gradient is asked for
};
using Program = std::vector<Step>;

template <class S>
struct Array {
  Dims dims;
  std::vector<S> v;
};

/// Row-major index of a tensor of `dims` that is broadcast to `to`, at the flat index `at`.
inline std::int64_t broadcast_index(const Dims& to, std::int64_t at, const Dims& dims) {
  std::int64_t index = 0, stride = 1;
  for (std::size_t k = 0; k < to.size(); ++k) {
    const std::int64_t n = to[to.size() - 1 - k], place = at % n;
    at /= n;
    if (k >= dims.size()) continue;
    const std::int64_t own = dims[dims.size() - 1 - k];
    if (own != 1) index += place * stride;
    stride *= own;
  }
  return index;
}

inline Dims broadcast_dims(const Dims& a, const Dims& b) {
  Dims result(std::max(a.size(), b.size()), 1);
  for (const Dims* d : {&a, &b}) {
    for (std::size_t k = 0; k < d->size(); ++k) {
      auto& n = result[result.size() - 1 - k];
      if ((*d)[d->size() - 1 - k] != 1) n = (*d)[d->size() - 1 - k];
    }
  }
  return result;
}

inline std::vector<std::int64_t> unravel(const Dims& dims, std::int64_t at) {
  std::vector<std::int64_t> place(dims.size());
  for (std::size_t k = dims.size(); k-- > 0;) place[k] = at % dims[k], at /= dims[k];
  return place;
}
inline std::int64_t ravel(const Dims& dims, const std::vector<std::int64_t>& place) {
  std::int64_t at = 0;
  for (std::size_t k = 0; k < dims.size(); ++k) at = at * dims[k] + place[k];
  return at;
}

/// The shape with the axes reduced (none given: all), as 1 or gone.
inline Dims reduced_dims(const Dims& dims, const std::vector<int>& axes, bool keep) {
  Dims result;
  for (std::size_t k = 0; k < dims.size(); ++k) {
    const bool reduced =
        axes.empty() || std::find(axes.begin(), axes.end(), static_cast<int>(k)) != axes.end();
    if (!reduced) result.push_back(dims[k]);
    if (reduced && keep) result.push_back(1);
  }
  return result;
}

/// For each entry of a result, the entries (input, index) that it is the sum of.
struct Wiring {
  Dims dims;
  std::vector<std::vector<std::pair<int, std::int64_t>>> sources;
};

inline Wiring wiring(const Step& s, const std::vector<Dims>& in) {
  Wiring w;
  const Dims& x = in[0];
  const std::size_t axis = s.axes.empty() ? 0 : static_cast<std::size_t>(s.axes[0]);
  const auto result = [&](Dims dims) {
    w.dims = std::move(dims);
    w.sources.resize(static_cast<std::size_t>(size_of(w.dims)));
  };
  const auto link = [&](std::int64_t to, int input, std::int64_t from) {
    w.sources[static_cast<std::size_t>(to)].emplace_back(input, from);
  };
  // Entries of one input that keep their order, at other places.
  const auto move = [&](int input, const Dims& dims, auto place) {
    for (std::int64_t i = 0; i < size_of(dims); ++i) {
      const std::int64_t to = place(unravel(dims, i));
      if (to >= 0) link(to, input, i);
    }
  };
  switch (s.kind) {
    case Kind::sum: {
      const Dims kept = reduced_dims(x, s.axes, true);
      result(reduced_dims(x, s.axes, s.flags & 1));
      for (std::int64_t i = 0; i < size_of(x); ++i) link(broadcast_index(x, i, kept), 0, i);
      break;
    }
    case Kind::sum_to:
      result(s.shape);
      for (std::int64_t i = 0; i < size_of(x); ++i) link(broadcast_index(x, i, s.shape), 0, i);
      break;
    case Kind::broadcast_to:
      result(s.shape);
      for (std::int64_t i = 0; i < size_of(s.shape); ++i)
        link(i, 0, broadcast_index(s.shape, i, x));
      break;
    case Kind::reshape:
      result(s.shape);
      for (std::int64_t i = 0; i < size_of(x); ++i) link(i, 0, i);
      break;
    case Kind::transpose: {
      Dims dims;
      for (const int k : s.axes) dims.push_back(x[static_cast<std::size_t>(k)]);
      result(dims);
      move(0, x, [&](const std::vector<std::int64_t>& place) {
        std::vector<std::int64_t> to;
        for (const int k : s.axes) to.push_back(place[static_cast<std::size_t>(k)]);
        return ravel(dims, to);
      });
      break;
    }
    case Kind::slice: {
      Dims dims = x;
      dims[axis] = s.end - s.begin;
      result(dims);
      move(0, x, [&](std::vector<std::int64_t> place) {
        if (place[axis] < s.begin || place[axis] >= s.end) return std::int64_t{-1};
        place[axis] -= s.begin;
        return ravel(dims, place);
      });
      break;
    }
    case Kind::pad: {
      Dims dims = x;
      dims[axis] += s.begin + s.end;
      result(dims);
      move(0, x, [&](std::vector<std::int64_t> place) {
        place[axis] += s.begin;
        return ravel(dims, place);
      });
      break;
    }
    case Kind::concat: {
      Dims dims = x;
      for (std::size_t i = 1; i < in.size(); ++i) dims[axis] += in[i][axis];
      result(dims);
      std::int64_t before = 0;
      for (std::size_t i = 0; i < in.size(); ++i) {
        move(static_cast<int>(i), in[i], [&](std::vector<std::int64_t> place) {
          place[axis] += before;
          return ravel(dims, place);
        });
        before += in[i][axis];
      }
      break;
    }
    case Kind::stack: {
      Dims dims = x;
      dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), std::ssize(in));
      result(dims);
      for (std::size_t i = 0; i < in.size(); ++i) {
        move(static_cast<int>(i), x, [&](std::vector<std::int64_t> place) {
          place.insert(place.begin() + static_cast<std::ptrdiff_t>(axis),
                       static_cast<std::int64_t>(i));
          return ravel(dims, place);
        });
      }
      break;
    }
    case Kind::pick:
      result({x[0]});
      for (std::int64_t n = 0; n < x[0]; ++n) {
        link(n, 0, n * x[1] + s.indices[static_cast<std::size_t>(n)]);
      }
      break;
    case Kind::place:
      result({x[0], s.end});
      for (std::int64_t n = 0; n < x[0]; ++n) {
        link(n * s.end + s.indices[static_cast<std::size_t>(n)], 0, n);
      }
      break;
    case Kind::gather_rows:
    case Kind::scatter_add_rows: {
      const bool gather = s.kind == Kind::gather_rows;
      Dims dims = x;
      dims[0] = gather ? std::ssize(s.indices) : s.end;
      result(dims);
      const std::int64_t row = size_of(x) / x[0];
      for (std::int64_t n = 0; n < std::ssize(s.indices); ++n) {
        const std::int64_t other = s.indices[static_cast<std::size_t>(n)];
        for (std::int64_t k = 0; k < row; ++k) {
          if (gather) link(n * row + k, 0, other * row + k);
          if (!gather) link(other * row + k, 0, n * row + k);
        }
      }
      break;
    }
    default:
      throw std::logic_error("no wiring");
  }
  return w;
}

/// One entry of an operation of one input.
template <class S>
S unary(const Step& s, const S& x) {
  const S p(s.numbers[0]), q(s.numbers[1]), zero(0), one(1);
  const double at = primal(x);
  switch (s.kind) {
    case Kind::neg:
      return zero - x;
    case Kind::scale:
      return p * x;
    case Kind::shift:
      return x + p;
    case Kind::exp:
      return exp_(x);
    case Kind::log:
      return log_(x);
    case Kind::square:
      return x * x;
    case Kind::sqrt:
      return sqrt_(x);
    case Kind::reciprocal:
      return one / x;
    case Kind::power:
      return pow_(x, p);
    case Kind::log1p:
      return log1p_(x);
    case Kind::expm1:
      return expm1_(x);
    case Kind::sin:
      return sin_(x);
    case Kind::cos:
      return cos_(x);
    case Kind::erf:
      return erf_(x);
    case Kind::erfc:
      return erfc_(x);
    case Kind::gaussian:
      return p * exp_(zero - q * x * x);
    case Kind::normal_cdf:
      return normal_cdf_(x);
    case Kind::abs:
      return at > 0 ? x : at < 0 ? zero - x : zero;
    case Kind::clamp:
      return at <= s.numbers[0] ? p : at >= s.numbers[1] ? q : x;
    case Kind::stop_gradient:
      return frozen(x);
    case Kind::sigmoid:
      return sigmoid_(x);
    case Kind::tanh:
      return tanh_(x);
    // The library's constants are doubles: 1.7159 and 2/3 as they round.
    case Kind::improved_sigmoid:
      return S(1.7159) * tanh_(S(2.0 / 3.0) * x);
    case Kind::sech_squared:
      return p * sech_squared_(q * x);
    case Kind::relu:
      return at > 0 ? x : zero;
    case Kind::leaky_relu:
      return at > 0 ? x : p * x;
    case Kind::elu:
      return at > 0 ? x : p * expm1_(x);
    case Kind::gelu:
      return x * normal_cdf_(x);
    case Kind::silu:
      return x * sigmoid_(x);
    case Kind::softplus:
      return softplus_(x);
    default:
      throw std::logic_error("not of one input");
  }
}

template <class S>
S binary(Kind kind, const S& a, const S& b) {
  const double x = primal(a), y = primal(b);
  switch (kind) {
    case Kind::add:
      return a + b;
    case Kind::sub:
      return a - b;
    case Kind::mul:
    case Kind::mul0:
      return a * b;
    case Kind::div:
      return a / b;
    // Half of each where they are equal.
    case Kind::maximum:
      return x > y ? a : x < y ? b : (a + b) / S(2);
    case Kind::minimum:
      return x < y ? a : x > y ? b : (a + b) / S(2);
    case Kind::pow:
      return pow_(a, b);
    default:
      throw std::logic_error("not of two inputs");
  }
}

/// x_k - ln sum_j e^x_j: the winner's remainder is a sum of the others alone.
template <class S>
std::vector<S> log_softmax_(const std::vector<S>& x) {
  std::size_t best = 0;
  for (std::size_t k = 0; k < x.size(); ++k) best = primal(x[k]) > primal(x[best]) ? k : best;
  S others(0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (k != best) others = others + exp_(x[k] - x[best]);
  }
  std::vector<S> result;
  for (const S& value : x) result.push_back((value - x[best]) - log1p_(others));
  result[best] = S(0) - log1p_(others);
  return result;
}

/// The value over one group of entries.
template <class S>
S reduce(const Step& s, const std::vector<S>& x) {
  const S count(static_cast<double>(x.size()));
  switch (s.kind) {
    case Kind::mean:
    case Kind::variance: {
      S sum(0);
      for (const S& v : x) sum = sum + v;
      const S mean = sum / count;
      if (s.kind == Kind::mean) return mean;
      S squares(0);
      for (const S& v : x) squares = squares + (v - mean) * (v - mean);
      return squares / (count - S(s.flags / 2));
    }
    case Kind::max:
    case Kind::min: {
      double best = primal(x[0]);
      for (const S& v : x) {
        best = s.kind == Kind::max ? std::max(best, primal(v)) : std::min(best, primal(v));
      }
      S sum(0);
      int ties = 0;
      for (const S& v : x) {
        if (primal(v) == best) sum = sum + v, ++ties;
      }
      return sum / S(ties);
    }
    case Kind::logsumexp: {
      const std::vector<S> log_p = log_softmax_(x);
      std::size_t best = 0;
      for (std::size_t k = 0; k < x.size(); ++k) best = primal(x[k]) > primal(x[best]) ? k : best;
      return x[best] - log_p[best];
    }
    default:
      throw std::logic_error("no reduction");
  }
}

template <class S>
Array<S> evaluate(const Step& s, const std::vector<const Array<S>*>& in) {
  Array<S> y;
  const auto resize = [&](Dims dims) {
    y.dims = std::move(dims);
    y.v.assign(static_cast<std::size_t>(size_of(y.dims)), S(0));
  };
  const auto at = [](const Array<S>& a, std::int64_t i) -> const S& {
    return a.v[static_cast<std::size_t>(i)];
  };
  if (s.kind <= Kind::softplus) {
    resize(in[0]->dims);
    for (std::size_t i = 0; i < y.v.size(); ++i) y.v[i] = unary(s, in[0]->v[i]);
  } else if (s.kind <= Kind::pow) {
    resize(broadcast_dims(in[0]->dims, in[1]->dims));
    for (std::int64_t i = 0; i < std::ssize(y.v); ++i) {
      y.v[static_cast<std::size_t>(i)] =
          binary(s.kind, at(*in[0], broadcast_index(y.dims, i, in[0]->dims)),
                 at(*in[1], broadcast_index(y.dims, i, in[1]->dims)));
    }
  } else if (s.kind == Kind::where) {
    Dims dims;
    for (const Array<S>* a : in) dims = broadcast_dims(dims, a->dims);
    resize(dims);
    for (std::int64_t i = 0; i < std::ssize(y.v); ++i) {
      const auto entry = [&](std::size_t k) -> const S& {
        return at(*in[k], broadcast_index(y.dims, i, in[k]->dims));
      };
      y.v[static_cast<std::size_t>(i)] = primal(entry(0)) > primal(entry(1)) ? entry(2) : entry(3);
    }
  } else if (s.kind <= Kind::scatter_add_rows) {
    std::vector<Dims> dims;
    for (const Array<S>* a : in) dims.push_back(a->dims);
    const Wiring w = wiring(s, dims);
    resize(w.dims);
    for (std::size_t i = 0; i < y.v.size(); ++i) {
      for (const auto& [input, from] : w.sources[i]) {
        y.v[i] = y.v[i] + at(*in[static_cast<std::size_t>(input)], from);
      }
    }
  } else if (s.kind <= Kind::variance) {
    const Dims &x = in[0]->dims, kept = reduced_dims(x, s.axes, true);
    resize(reduced_dims(x, s.axes, s.flags & 1));
    std::vector<std::vector<S>> groups(y.v.size());
    for (std::int64_t i = 0; i < size_of(x); ++i) {
      groups[static_cast<std::size_t>(broadcast_index(x, i, kept))].push_back(at(*in[0], i));
    }
    for (std::size_t i = 0; i < y.v.size(); ++i) y.v[i] = reduce(s, groups[i]);
  } else if (s.kind <= Kind::weighted_deviation) {
    resize(in[0]->dims);
    const std::size_t columns = static_cast<std::size_t>(y.dims.back());
    for (std::size_t begin = 0; begin < y.v.size(); begin += columns) {
      const auto row = [&](std::size_t k) {
        const auto first = in[k]->v.begin() + static_cast<std::ptrdiff_t>(begin);
        return std::vector<S>(first, first + static_cast<std::ptrdiff_t>(columns));
      };
      const std::vector<S> a = row(0);
      if (s.kind <= Kind::log_softmax) {
        const std::vector<S> log_p = log_softmax_(a);
        for (std::size_t k = 0; k < columns; ++k) {
          y.v[begin + k] = s.kind == Kind::softmax ? exp_(log_p[k]) : log_p[k];
        }
        continue;
      }
      const std::vector<S> b = row(1);
      for (std::size_t k = 0; k < columns; ++k) {
        S sum(0);
        for (std::size_t j = 0; j < columns; ++j) {
          if (j == k) continue;
          sum =
              sum + (s.kind == Kind::wedge_sum ? a[k] * b[j] - a[j] * b[k] : b[j] * (a[k] - a[j]));
        }
        y.v[begin + k] = sum;
      }
    }
  } else if (s.kind <= Kind::linear) {
    // (..., k) x (k, n): leading axes of the first are rows.
    const bool ta = s.kind == Kind::matmul && (s.flags & 1),
               tb = s.kind == Kind::matmul && (s.flags & 2);
    Dims dims = in[0]->dims;
    const Dims& b = in[1]->dims;
    const std::int64_t k = ta ? dims[0] : dims.back(), m = size_of(dims) / k, n = tb ? b[0] : b[1];
    if (ta) dims[0] = dims[1];
    dims.back() = n;
    resize(dims);
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        S sum(0);
        for (std::int64_t l = 0; l < k; ++l) {
          sum =
              sum + at(*in[0], ta ? l * m + i : i * k + l) * at(*in[1], tb ? j * k + l : l * n + j);
        }
        if (s.kind == Kind::linear) sum = sum + at(*in[2], j);
        y.v[static_cast<std::size_t>(i * n + j)] = sum;
      }
    }
  } else {
    resize({});
    S sum(0);
    const Array<S>& x = *in[0];
    if (s.kind <= Kind::softmax_cross_entropy_with_indices) {
      const std::size_t columns = static_cast<std::size_t>(x.dims[1]);
      for (std::size_t begin = 0; begin < x.v.size(); begin += columns) {
        const auto first = x.v.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto log_p =
            log_softmax_(std::vector<S>(first, first + static_cast<std::ptrdiff_t>(columns)));
        for (std::size_t k = 0; k < columns; ++k) {
          const bool soft = s.kind == Kind::softmax_cross_entropy;
          const S target = soft ? in[1]->v[begin + k]
                                : S(s.indices[begin / columns] == static_cast<int>(k) ? 1 : 0);
          sum = sum - target * log_p[k];
        }
      }
      y.v[0] = sum / S(static_cast<double>(x.dims[0]));
      return y;
    }
    for (std::size_t i = 0; i < x.v.size(); ++i) {
      const S &z = x.v[i], &t = in[1]->v[i], d = z - t, delta(s.numbers[0]);
      if (s.kind == Kind::mse) sum = sum + d * d;
      if (s.kind == Kind::binary_cross_entropy_with_logits) {
        sum = sum + t * softplus_(S(0) - z) + (S(1) - t) * softplus_(z);
      }
      if (s.kind != Kind::huber) continue;
      const double side = primal(d);
      if (std::abs(side) <= s.numbers[0]) {
        sum = sum + d * d / S(2);
      } else {
        sum = sum + delta * ((side > 0 ? d : S(0) - d) - delta / S(2));
      }
    }
    y.v[0] = sum / S(static_cast<double>(x.v.size()));
  }
  return y;
}

/// A congruential generator: all that jitter needs.
struct Jitter {
  std::uint64_t state;
  double operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(static_cast<std::int64_t>(state)) * 0x1p-63;
  }
};

/// The values of all steps. `leaf(step, entry)` gives the numbers of a leaf. Where `jitter` is not
/// 0, every use of a value sees it with another rounding, drawn from that seed: what cancels only
/// because two uses of a value are equal to the last digit shows.
template <class S, class Leaf>
std::vector<Array<S>> run(const Program& program, Leaf leaf, std::uint64_t jitter = 0) {
  Jitter random{jitter};
  std::vector<Array<S>> values(program.size()), copies;
  std::vector<const Array<S>*> in;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const Step& s = program[i];
    if (s.kind == Kind::leaf) {
      values[i].dims = s.shape;
      for (std::size_t k = 0; k < s.values.size(); ++k) values[i].v.push_back(leaf(i, k));
      continue;
    }
    in.clear(), copies.clear();
    copies.reserve(s.inputs.size());
    for (const int k : s.inputs) {
      in.push_back(&values[static_cast<std::size_t>(k)]);
      if (jitter == 0) continue;
      copies.push_back(*in.back());
      for (S& x : copies.back().v) x = jittered(x, random);
      in.back() = &copies.back();
    }
    values[i] = evaluate<S>(s, in);
    if (jitter == 0) continue;
    for (S& x : values[i].v) x = jittered(x, random);  // copies of one entry differ, too
  }
  return values;
}

/// The derivative of the last step, a scalar, for each differentiated leaf: a pass an entry.
template <class S>
std::vector<std::vector<S>> gradient(const Program& program, std::uint64_t jitter = 0) {
  std::vector<std::vector<S>> result;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (!program[i].differentiated) continue;
    result.emplace_back();
    for (std::size_t k = 0; k < program[i].values.size(); ++k) {
      const auto values = run<Dual<S>>(
          program,
          [&](std::size_t step, std::size_t entry) {
            return Dual<S>(S(program[step].values[entry]), S(step == i && entry == k ? 1 : 0));
          },
          jitter);
      result.back().push_back(values.back().v[0].b);
    }
  }
  return result;
}
/// The derivative of that along `direction`, which has a list for each of these leaves: H v.
template <class S>
std::vector<std::vector<S>> hessian_product(const Program& program,
                                            const std::vector<std::vector<double>>& direction,
                                            std::uint64_t jitter = 0) {
  std::vector<std::vector<S>> result;
  std::vector<std::size_t> place(program.size());
  for (std::size_t i = 0, next = 0; i < program.size(); ++i) {
    if (program[i].differentiated) place[i] = next++;
  }
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (!program[i].differentiated) continue;
    result.emplace_back();
    for (std::size_t k = 0; k < program[i].values.size(); ++k) {
      const auto values = run<Dual<Dual<S>>>(
          program,
          [&](std::size_t step, std::size_t entry) {
            const Step& s = program[step];
            const S along(s.differentiated ? direction[place[step]][entry] : 0);
            return Dual<Dual<S>>(Dual<S>(S(s.values[entry]), along),
                                 Dual<S>(S(step == i && entry == k ? 1 : 0), S(0)));
          },
          jitter);
      result.back().push_back(values.back().v[0].b.b);
    }
  }
  return result;
}

}  // namespace witness
