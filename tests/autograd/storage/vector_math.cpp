// Vector math against <cmath> in a wider type: errors in ulp, special values, and independence of
// place, on every instruction set that this processor has.
#include <fmt/format.h>
#include <hwy/targets.h>

#include <algorithm>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace vm = chainrule::vector_math;
using chainrule::Purpose;
using chainrule::Random;
using Quad = boost::multiprecision::cpp_bin_float_quad;
using Scalars = std::tuple<float, double>;

namespace {

// double where T is float. Where it is double, the x87 type has 11 bits more on x86 and 60
// elsewhere.
template <class T>
using Wider = std::conditional_t<std::is_same_v<T, float>, double, long double>;
template <class T>
using Bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;

template <class T>
T from_bits(Bits<T> bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T>
Bits<T> to_bits(T value) {
  Bits<T> bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// Calls f once for every instruction set that is compiled in and that the processor has.
template <class F>
void on_every_target(F f) {
  std::vector<std::string> seen;
  const auto use = [](std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  };
  for (std::int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1) {
    use(rest & -rest);
    const std::string name(vm::target());
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    BOOST_TEST_CONTEXT("target " << name) f(name);
  }
  use(0);
}

/// The error of `value` in units of the spacing of T's numbers at `exact`, subnormal ones included.
/// Infinity counts as the number that would follow the largest one.
template <class T, class W>
double ulp_error(T value, const W& exact) {
  using std::abs, std::ilogb, std::ldexp;
  using Limits = std::numeric_limits<T>;
  const W end = ldexp(W(1), Limits::max_exponent);
  const auto clip = [&](const W& x) { return x > end ? end : x < -end ? W(-end) : x; };
  if (std::isnan(value)) return std::numeric_limits<double>::infinity();
  const W wanted = clip(exact);
  int exponent = wanted == 0 ? Limits::min_exponent : static_cast<int>(ilogb(wanted));
  exponent = std::clamp(exponent, Limits::min_exponent - 1, Limits::max_exponent - 1);
  const W spacing = ldexp(W(1), exponent - Limits::digits + 1);
  return static_cast<double>(abs(clip(W(value)) - wanted) / spacing);
}

/// Every magnitude (bit patterns, evenly), and densely the range where the functions do not
/// saturate.
template <class T>
std::vector<T> samples(std::int64_t patterns, std::int64_t dense) {
  std::vector<T> x;
  const Bits<T> step = ~Bits<T>{0} / static_cast<Bits<T>>(patterns) | 1;
  for (std::int64_t i = 0; i < patterns; ++i) {
    const T value = from_bits<T>(static_cast<Bits<T>>(i) * step);
    if (!std::isnan(value)) x.push_back(value);
  }
  const Random random(1, Purpose::test);
  const double range = std::is_same_v<T, float> ? 110 : 750;
  for (std::int64_t i = 0; i < dense; ++i) {
    const std::uint64_t place = static_cast<std::uint64_t>(i);
    const double width = i % 3 == 0 ? range : i % 3 == 1 ? 20 : 2;
    x.push_back(static_cast<T>(random.uniform(place, -width, width)));
  }
  return x;
}

/// Measures `compute` on every target against `exact` and requires at most 4 ulp.
template <class T, class Compute, class Exact>
void check_accuracy(const std::string& name, std::vector<T> x, Compute compute, Exact exact) {
  using W = decltype(exact(T(0)));
  std::vector<W> wanted(x.size());
  std::transform(x.begin(), x.end(), wanted.begin(), exact);
  on_every_target([&](const std::string& target) {
    std::vector<T> y(x.size());
    compute(static_cast<std::int64_t>(x.size()), x.data(), y.data());
    double largest = 0;
    T worst{};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulp_error(y[i], wanted[i]);
      if (error > largest) largest = error, worst = x[i];
    }
    const std::string measured =
        fmt::format("{}<{}> on {}: at most {:.2f} ulp, at {:a}, in {} samples", name,
                    sizeof(T) == 4 ? "float" : "double", target, largest, worst, x.size());
    BOOST_TEST_MESSAGE(measured);
    BOOST_TEST(largest <= 4, measured);
  });
}

// Millions, but fewer without optimisation, where the sanitizers run.
#ifdef __OPTIMIZE__
constexpr std::int64_t many = 1'000'000;
#else
constexpr std::int64_t many = 30'000;
#endif

template <class T>
std::vector<T> many_samples() {
  return std::is_same_v<T, float> ? samples<T>(many, many) : samples<T>(many / 5, many / 4);
}

template <class W>
W exact_sech_squared(const W& u) {
  using std::abs, std::exp;
  const W e = exp(W(-2 * abs(u)));
  return 4 * e / ((1 + e) * (1 + e));
}

/// f(x) as one call with n = 1.
template <class T, class F>
T one(F f, T x) {
  T y{};
  f(1, &x, &y);
  return y;
}

/// The same bits, where all NaN count as the same.
template <class T>
void check_same(T value, T wanted, const std::string& what) {
  const bool same =
      std::isnan(wanted) ? std::isnan(value) : to_bits<T>(value) == to_bits<T>(wanted);
  BOOST_TEST(same, fmt::format("{}: {} instead of {}", what, value, wanted));
}

template <class T>
using Function = std::function<void(std::int64_t, const T*, T*)>;

/// All functions, with a name each.
template <class T>
std::vector<std::pair<std::string, Function<T>>> functions() {
  return {{"exp", vm::exp<T>},
          {"log", vm::log<T>},
          {"sigmoid", vm::sigmoid<T>},
          {"scaled_tanh",
           [](auto n, auto x, auto y) { vm::scaled_tanh(n, T(1.7159), T(2) / 3, x, y); }},
          {"scaled_sech_squared",
           [](auto n, auto x, auto y) { vm::scaled_sech_squared(n, T(0.25), T(0.5), x, y); }}};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(exp_is_accurate, T, Scalars) {
  using W = Wider<T>;
  check_accuracy("exp", many_samples<T>(), vm::exp<T>, [](T x) { return std::exp(W(x)); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(log_is_accurate, T, Scalars) {
  using W = Wider<T>;
  std::vector<T> x = many_samples<T>();
  for (T& value : x) value = value == 0 ? T(1) : std::abs(value);
  // Near 1 the logarithm is near 0, and it is there that an error would be large.
  for (int i = -20'000; i < 20'000; ++i) x.push_back(1 + T(i) * std::numeric_limits<T>::epsilon());
  check_accuracy("log", x, vm::log<T>, [](T value) { return std::log(W(value)); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(sigmoid_is_accurate_in_both_tails, T, Scalars) {
  using W = Wider<T>;
  check_accuracy("sigmoid", many_samples<T>(), vm::sigmoid<T>,
                 [](T x) { return 1 / (1 + std::exp(-W(x))); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(scaled_tanh_is_accurate, T, Scalars) {
  using W = Wider<T>;
  const std::pair<double, double> scales[] = {{1, 1}, {1.7159, 2.0 / 3}, {-3, 0.3}, {0.77, 5}};
  for (const auto& [o, i] : scales) {
    const T outer = static_cast<T>(o), inner = static_cast<T>(i);
    check_accuracy(
        fmt::format("{} tanh {} x", outer, inner), many_samples<T>(),
        [=](auto n, auto x, auto y) { vm::scaled_tanh(n, outer, inner, x, y); },
        [=](T x) { return W(outer) * std::tanh(W(inner) * W(x)); });
  }
}

// In quad precision, because exp(-2 |u|) makes hundreds of times as much of u's rounding error: too
// much for the few bits that long double has over double.
BOOST_AUTO_TEST_CASE_TEMPLATE(scaled_sech_squared_keeps_its_accuracy_until_it_underflows, T,
                              Scalars) {
  using W = std::conditional_t<std::is_same_v<T, float>, double, Quad>;
  const std::vector<T> x =
      std::is_same_v<T, float> ? many_samples<T>() : samples<T>(many / 300, many / 60);
  const std::pair<double, double> scales[] = {{1, 1},      {0.25, 0.5}, {1.7159 * 2 / 3, 2.0 / 3},
                                              {-1e6, 0.3}, {1e-6, 3},   {3e38, 1},
                                              {-1e30, 2}};
  for (const auto& [o, i] : scales) {
    const T outer = static_cast<T>(o), inner = static_cast<T>(i);
    check_accuracy(
        fmt::format("{} sech^2 {} x", outer, inner), x,
        [=](auto n, auto from, auto to) { vm::scaled_sech_squared(n, outer, inner, from, to); },
        [=](T value) { return W(W(outer) * exact_sech_squared(W(W(inner) * W(value)))); });
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(special_values_are_those_of_cmath, T, Scalars) {
  using Limits = std::numeric_limits<T>;
  const T infinity = Limits::infinity();
  const std::vector<T> specials = {
      T(0),     T(-0.0), infinity, -infinity, Limits::quiet_NaN(), -Limits::quiet_NaN(),
      T(-1e30), T(1e30)};
  const auto sech_squared = [](T u) {
    return std::isnan(u) ? u : static_cast<T>(exact_sech_squared(Wider<T>(u)));
  };
  on_every_target([&](const std::string&) {
    for (const T x : specials) {
      check_same(one(vm::exp<T>, x), std::exp(x), fmt::format("exp({})", x));
      check_same(one(vm::log<T>, x == T(1e30) ? T(1) : x), std::log(x == T(1e30) ? T(1) : x),
                 fmt::format("log({})", x));
      check_same(one(vm::sigmoid<T>, x), 1 / (1 + std::exp(-x)), fmt::format("sigmoid({})", x));
      for (const T inner : {T(1), T(-0.5), T(1e10)}) {
        const auto tanh = [=](auto n, auto from, auto to) {
          vm::scaled_tanh(n, T(2), inner, from, to);
        };
        check_same(one(tanh, x), 2 * std::tanh(inner * x), fmt::format("2 tanh({} {})", inner, x));
        const auto sech = [=](auto n, auto from, auto to) {
          vm::scaled_sech_squared(n, T(2), inner, from, to);
        };
        check_same(one(sech, x), 2 * sech_squared(inner * x),
                   fmt::format("2 sech^2({} {})", inner, x));
      }
    }
    check_same(one(vm::log<T>, -Limits::denorm_min()), Limits::quiet_NaN(), "log(-denorm_min)");
    check_same(one(vm::exp<T>, Limits::max()), infinity, "exp(max)");
    check_same(one(vm::exp<T>, Limits::lowest()), T(0), "exp(lowest)");
    check_same(one(vm::exp<T>, Limits::denorm_min()), T(1), "exp(denorm_min)");
    check_same(one(vm::sigmoid<T>, T(0)), T(0.5), "sigmoid(0)");
    check_same(one(vm::sigmoid<T>, Limits::lowest()), T(0), "sigmoid(lowest)");
  });
}

BOOST_AUTO_TEST_CASE(sigmoid_does_not_saturate_before_its_result_does) {
  on_every_target([](const std::string&) {
    BOOST_TEST(one(vm::sigmoid<double>, -1000.0) == 0);
    BOOST_TEST(one(vm::sigmoid<float>, -100.0f) > 0);
    BOOST_TEST(ulp_error(one(vm::sigmoid<float>, -100.0f), std::exp(-100.0)) <= 1);
    BOOST_TEST(ulp_error(one(vm::sigmoid<double>, -740.0), std::exp(-740.0L)) <= 1);
  });
}

// Vectors and the rest behind them, whatever the alignment, must give the same bits; so must y = x,
// and nothing beyond the n entries may be read (the sanitizer sees the exact allocation) or
// written.
BOOST_AUTO_TEST_CASE_TEMPLATE(results_depend_neither_on_place_nor_on_alignment, T, Scalars) {
  const std::vector<T> x = samples<T>(70, 70);
  const auto count = static_cast<std::int64_t>(x.size());
  on_every_target([&](const std::string&) {
    for (const auto& [name, function] : functions<T>()) {
      std::vector<T> alone(x.size());
      for (std::int64_t i = 0; i < count; ++i) {
        const auto place = static_cast<std::size_t>(i);
        alone[place] = one(function, x[place]);
      }
      for (std::int64_t begin = 0; begin < 20; ++begin) {
        for (std::int64_t n = 0; n <= count - begin; n += 1 + n / 40) {
          const std::vector<T> part(x.begin() + begin, x.begin() + begin + n);
          std::vector<T> y(part.size() + 1, T(42));
          function(n, part.data(), y.data());
          const auto bytes = static_cast<std::size_t>(n) * sizeof(T);
          // NaN (log of a negative number) compares by its bits too: the same instructions made it.
          BOOST_TEST_REQUIRE((n == 0 || std::memcmp(y.data(), alone.data() + begin, bytes) == 0),
                             name << " of entries " << begin << " ... " << begin + n);
          BOOST_TEST_REQUIRE(y.back() == T(42));
          std::vector<T> shifted(x.begin(), x.begin() + begin + n);
          function(n, shifted.data() + begin, shifted.data() + begin);
          BOOST_TEST_REQUIRE(
              (n == 0 || std::memcmp(shifted.data() + begin, alone.data() + begin, bytes) == 0),
              name << " in place, entries " << begin << " ... " << begin + n);
        }
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(an_empty_array_may_be_null) {
  for (const auto& [name, function] : functions<float>()) function(0, nullptr, nullptr);
  BOOST_TEST(!vm::target().empty());
}
