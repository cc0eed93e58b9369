// Forward values against <cmath> and plain loops, broadcasting against a plain indexer, and what
// NaN, infinities and zeros give.
#include <chainrule/ops/ops.hpp>

#include <functional>
#include <limits>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// |a - b| <= ulps eps |b|; NaN equals NaN.
template <class T>
bool near(T a, double b, double ulps) {
  if (std::isnan(b)) return std::isnan(a);
  if (std::isinf(b)) return static_cast<double>(a) == b;
  return std::abs(static_cast<double>(a) - b) <=
         ulps * std::numeric_limits<T>::epsilon() * std::abs(b);
}

/// The offset of the entry at `index` of a shape in a tensor that is broadcast to it.
std::int64_t broadcast_offset(const std::vector<std::int64_t>& index, const Shape& shape) {
  std::int64_t offset = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t at =
        index[index.size() - static_cast<std::size_t>(shape.rank()) + std::size_t(axis)];
    offset = offset * shape[axis] + (shape[axis] == 1 ? 0 : at);
  }
  return offset;
}

/// Calls f(index) for each entry, in row-major order.
void for_each_entry(const Shape& shape, const std::function<void(std::vector<std::int64_t>)>& f) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()));
  for (std::int64_t flat = 0; flat < shape.size(); ++flat) {
    std::int64_t rest = flat;
    for (int axis = shape.rank(); axis-- > 0;) {
      index[static_cast<std::size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    f(index);
  }
}

/// Two shapes that broadcast, with dimensions from 0 to 4, ones and missing axes.
std::pair<Shape, Shape> shapes_that_broadcast(Source& source) {
  const std::int64_t rank = source.below(5);
  std::vector<std::int64_t> a, b;
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    const std::int64_t n = source.below(5), way = source.below(4);
    a.push_back(way == 1 ? 1 : n), b.push_back(way == 2 ? 1 : n);
  }
  auto& shorter = source.below(2) ? a : b;
  shorter.erase(shorter.begin(), shorter.begin() + source.below(rank + 1));
  return {Shape(std::span<const std::int64_t>(a)), Shape(std::span<const std::int64_t>(b))};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(one_input, T, Precisions) {
  struct Case {
    const char* name;
    Var<T> (*op)(Var<T>, SourceLocation);
    std::function<double(double)> f;
    double low, high, ulps;
  };
  const std::vector<Case> cases{
      {"neg", neg, [](double x) { return -x; }, -9, 9, 0},
      {"exp", exp, [](double x) { return std::exp(x); }, -80, 80, 4},
      {"log", log, [](double x) { return std::log(x); }, 1e-6, 1e6, 4},
      {"sign", sign, [](double x) { return x > 0 ? 1. : -1.; }, -2, 2, 0},
      {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 80, 6},
      {"tanh", tanh, [](double x) { return std::tanh(x); }, -12, 12, 6},
      {"improved_sigmoid", improved_sigmoid, [](double x) { return 1.7159 * std::tanh(2 * x / 3); },
       -9, 9, 8},
      {"relu", relu, [](double x) { return x > 0 ? x : 0.; }, -2, 2, 0}};
  Source source(31);
  for (const Case& c : cases) {
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{1001}, Shape{3, 1, 5}, Shape{2, 3, 4, 5}}) {
      const Tensor<T> x = source.tensor<T>(shape, c.low, c.high);
      Tape<T> tape;
      const Var<T> y = c.op(tape.input(x), {});
      BOOST_TEST((y.shape() == shape));
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const double expected = c.f(static_cast<double>(x[i]));
        BOOST_TEST(near(y.value()[i], expected, c.ulps), c.name << " of " << x[i]);
      }
    }
  }
  const Tensor<T> x = source.tensor<T>({50}, -8, 8);
  Tape<T> tape;
  const Var<T> v = tape.input(x), s = scale(v, T(1.7)), t = shift(v, T(1.7)),
               d = sech_squared(v, T(3), T(0.5));
  for (std::int64_t i = 0; i < 50; ++i) {
    BOOST_TEST(s.value()[i] == T(1.7) * x[i]);
    BOOST_TEST(t.value()[i] == x[i] + T(1.7));
    BOOST_TEST(near(d.value()[i], 3 / std::pow(std::cosh(0.5 * double(x[i])), 2), 8));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(two_inputs_broadcast, T, Precisions) {
  struct Case {
    Var<T> (*op)(Var<T>, Var<T>, SourceLocation);
    T (*f)(T, T);
  };
  const std::vector<Case> cases{{add, [](T a, T b) { return a + b; }},
                                {sub, [](T a, T b) { return a - b; }},
                                {mul, [](T a, T b) { return a * b; }},
                                {mul0, [](T a, T b) { return a * b; }},
                                {div, [](T a, T b) { return a / b; }},
                                {greater, [](T a, T b) { return a > b ? T(1) : T(0); }},
                                {equal, [](T a, T b) { return a == b ? T(1) : T(0); }}};
  Source source(32);
  int empty = 0;
  for (int round = 0; round < 300; ++round) {
    const auto [sa, sb] = shapes_that_broadcast(source);
    const Tensor<T> a = source.tensor<T>(sa), b = source.tensor<T>(sb);
    for (const Case& c : cases) {
      Tape<T> tape;
      const Var<T> y = c.op(tape.input(a), tape.input(b), {});
      BOOST_TEST((y.shape() == broadcast_shape(sa, sb, "test")));
      std::int64_t k = 0;
      bool all = true;
      for_each_entry(y.shape(), [&](const std::vector<std::int64_t>& index) {
        const T expected = c.f(a[broadcast_offset(index, sa)], b[broadcast_offset(index, sb)]);
        all = all && y.value()[k++] == expected;
      });
      BOOST_TEST(all, to_string(sa) << " and " << to_string(sb));
    }
    // Broadcasting alone, and its adjoint.
    Tape<T> tape;
    const Shape to = broadcast_shape(sa, sb, "test");
    empty += to.size() == 0;
    const Tensor<T> ones = Tensor<T>::filled(to, T(1));
    const Var<T> wide = broadcast_to(tape.input(a), to), back = sum_to(tape.input(ones), sa);
    std::int64_t k = 0;
    bool all = true;
    for_each_entry(to, [&](const std::vector<std::int64_t>& index) {
      all = all && wide.value()[k++] == a[broadcast_offset(index, sa)];
    });
    BOOST_TEST(all);
    for (const T count : back.value()) {
      BOOST_TEST(count ==
                 static_cast<T>(to.size()) / static_cast<T>(std::max<std::int64_t>(1, sa.size())));
    }
  }
  BOOST_TEST(empty > 30);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(matrix_products, T, Precisions) {
  Source source(33);
  for (const auto [m, k, n] : {std::array{3, 4, 5}, std::array{1, 1, 1}, std::array{17, 33, 9},
                               std::array{0, 3, 2}, std::array{2, 0, 3}, std::array{2, 3, 0}}) {
    const Tensor<T> a = source.tensor<T>({m, k}), b = source.tensor<T>({k, n}),
                    bias = source.tensor<T>({n});
    Tensor<T> at({k, m}), bt({n, k});
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < k; ++j) at(j, i) = a(i, j);
    }
    for (int i = 0; i < k; ++i) {
      for (int j = 0; j < n; ++j) bt(j, i) = b(i, j);
    }
    Tape<T> tape;
    const Var<T> va = tape.input(a), vb = tape.input(b), vat = tape.input(at), vbt = tape.input(bt);
    const Var<T> products[] = {matmul(va, vb), matmul(vat, vb, Transpose::a),
                               matmul(va, vbt, Transpose::b), matmul(vat, vbt, Transpose::both)};
    const Var<T> layer = linear(va, vb, tape.input(bias)), sum = products[0] + tape.input(bias);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        double expected = 0, magnitude = 0;
        for (int l = 0; l < k; ++l) {
          expected += double(a(i, l)) * double(b(l, j));
          magnitude += std::abs(double(a(i, l)) * double(b(l, j)));
        }
        const double tolerance = (magnitude + 1) * k * std::numeric_limits<T>::epsilon();
        for (const Var<T>& p : products) {
          BOOST_TEST(std::abs(double(p.value()(i, j)) - expected) <= tolerance);
        }
        BOOST_TEST(std::abs(double(layer.value()(i, j)) - double(sum.value()(i, j))) <=
                   tolerance + 2 * std::numeric_limits<T>::epsilon());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reductions, T, Precisions) {
  Source source(34);
  const Tensor<T> x = source.tensor<T>({3, 4, 5});
  Tape<T> tape;
  const Var<T> v = tape.input(x);
  const Var<T> middle = sum(v, {1}), outer = mean(v, {0, 2}, true), all = sum(v), one = mean(v);
  BOOST_TEST((middle.shape() == Shape{3, 5}));
  BOOST_TEST((outer.shape() == Shape{1, 4, 1}));
  double total = 0, eps = std::numeric_limits<T>::epsilon();
  std::vector<double> sum_middle(15), sum_outer(4);
  for (std::int64_t i = 0; i < 60; ++i) {
    sum_middle[std::size_t(i / 20 * 5 + i % 5)] += double(x[i]);
    sum_outer[std::size_t(i / 5 % 4)] += double(x[i]);
    total += double(x[i]);
  }
  for (std::int64_t i = 0; i < 15; ++i) {
    BOOST_TEST(std::abs(double(middle.value()[i]) - sum_middle[std::size_t(i)]) < 8 * eps);
  }
  for (std::int64_t i = 0; i < 4; ++i) {
    BOOST_TEST(std::abs(double(outer.value()[i]) - sum_outer[std::size_t(i)] / 15) < 8 * eps);
  }
  BOOST_TEST(std::abs(double(all.item()) - total) < 60 * eps);
  BOOST_TEST(std::abs(double(one.item()) - total / 60) < 4 * eps);
  BOOST_TEST(same_bits(reshape(v, {12, 5}).value(), x.reshaped({12, 5})));
}

BOOST_AUTO_TEST_CASE(picking_and_placing) {
  Tape<double> tape;
  const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6});
  std::vector<std::int32_t> labels{2, 0};
  const Var<double> picked = pick(tape.input(x), labels), placed = place(picked, labels, 3);
  BOOST_TEST(same_bits(picked.value(), Tensor<double>({2}, {3, 4})));
  BOOST_TEST(same_bits(placed.value(), Tensor<double>({2, 3}, {0, 0, 3, 4, 0, 0})));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(nan_and_infinity_and_zero, T, Precisions) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  Tape<T> tape;
  const auto c = [&](T v) { return tape.constant(v); };
  BOOST_TEST(std::isnan(relu(c(nan)).item()));
  BOOST_TEST(relu(c(-inf)).item() == 0);
  BOOST_TEST(relu(c(inf)).item() == inf);
  BOOST_TEST(mul0(c(0), c(inf)).item() == 0);
  BOOST_TEST(mul0(c(-inf), c(0)).item() == 0);
  BOOST_TEST(mul0(c(nan), c(0)).item() == 0);
  BOOST_TEST(std::isnan(mul0(c(nan), c(1)).item()));
  BOOST_TEST(std::isnan(mul(c(0), c(inf)).item()));
  BOOST_TEST(log(c(0)).item() == -inf);
  BOOST_TEST(std::isnan(log(c(-1)).item()));
  BOOST_TEST(exp(c(-inf)).item() == 0);
  BOOST_TEST(exp(c(inf)).item() == inf);
  BOOST_TEST(sign(c(0)).item() == 0);
  BOOST_TEST(sign(c(-inf)).item() == -1);
  BOOST_TEST(std::isnan(sign(c(nan)).item()));
  BOOST_TEST(greater(c(1), c(1)).item() == 0);
  BOOST_TEST(greater(c(nan), c(0)).item() == 0);
  BOOST_TEST(equal(c(nan), c(nan)).item() == 0);
  BOOST_TEST(equal(c(0), c(-T(0))).item() == 1);
  BOOST_TEST(sigmoid(c(-inf)).item() == 0);
  BOOST_TEST(sigmoid(c(inf)).item() == 1);
  BOOST_TEST(tanh(c(-inf)).item() == -1);
  for (const auto op : {exp<T>, log<T>, sigmoid<T>, tanh<T>, improved_sigmoid<T>, neg<T>}) {
    BOOST_TEST(std::isnan(op(c(nan), {}).item()));
  }
  // The pinned value at the kink.
  const Var<T> zero = c(0);
  BOOST_TEST(gradients(relu(zero), {zero})[0].item() == 0);
  BOOST_TEST(gradients(mul0(zero, c(inf)), {zero})[0].item() == inf);
}
