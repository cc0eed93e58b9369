// gradients: closed forms, finite differences, every shape of graph, and derivatives of gradients.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

BOOST_AUTO_TEST_CASE(only_what_wrt_asks_for_is_recorded) {
  Tape<double> tape;
  const Var<double> x = tape.constant(1, {4, 3}), w = tape.constant(1, {3, 2});
  const Var<double> y = sum(matmul(x, w));
  const NodeId before = tape.size();
  gradients(y, {w});
  BOOST_TEST(tape.size() == before + 3u);  // the seed, its broadcast, and one matmul, not two
}

BOOST_AUTO_TEST_CASE_TEMPLATE(closed_forms, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> t({3}, {T(0.5), T(-2), T(3)});
  const Var<T> x = tape.input(t);
  const auto d = [&](Var<T> y) { return Tensor<T>(gradients(sum(y), {x})[0].value()); };
  for (std::int64_t i = 0; i < 3; ++i) {
    BOOST_TEST(d(x * x * x)[i] == 3 * t[i] * t[i]);
    BOOST_TEST(d(x + x)[i] == 2);
    BOOST_TEST(d(x - x)[i] == 0);
    BOOST_TEST(d(1 / x)[i] == -1 / t[i] / t[i], boost::test_tools::tolerance(T(1e-6)));
    const Var<T> square = x * x;  // a diamond: two ways from x to the end
    BOOST_TEST(d(square * square + square)[i] == 4 * t[i] * t[i] * t[i] + 2 * t[i]);
  }
}

BOOST_AUTO_TEST_CASE(a_scalar_that_fans_out_ten_thousand_times) {
  Tape<double> tape;
  const Var<double> s = tape.constant(2);
  Var<double> y = s;
  double expected = 1;
  for (int i = 1; i < 10'000; ++i) y = y + s * i, expected += i;
  BOOST_TEST(gradients(y, {s})[0].item() == expected);
}

BOOST_AUTO_TEST_CASE(wrt_may_name_any_node) {
  Tape<double> tape;
  const Var<double> x = named(tape.constant(3), "x"), y = named(x * x, "y");
  const Var<double> z = named(y * 5, "z"), later = z * 2, other = named(tape.constant(1, {2}), "o");
  const auto g = gradients(z, {x, y, z, later, other, x});
  BOOST_TEST(g.size() == 6u);
  BOOST_TEST(g[0].item() == 30);
  BOOST_TEST(g[1].item() == 5);
  BOOST_TEST(g[2].item() == 1);
  BOOST_TEST(g[3].item() == 0);  // recorded after z
  BOOST_TEST(same_bits(g[4].value(), Tensor<double>({2})));
  BOOST_TEST((g[5] == g[0]));
  for (const char* name : {"dx", "dy", "dz", "do"}) BOOST_TEST(tape.has_name(name));
  BOOST_TEST(gradients(z, std::vector<Var<double>>{}).empty());
  // No gradient flows through 0/1-valued operations.
  BOOST_TEST(gradients(greater(x, y) * sign(x), {x})[0].item() == 0);
}

namespace {

/// 2 x; its rule multiplies by a constant of its own.
constexpr Op<double> doubling_op{
    "doubling", detail::same_shape,
    [](const Evaluation<double>& e) { detail::map_unary(e, [](double x) { return 2 * x; }); },
    [](const Adjoint<double>& n, int) {
      return n.cotangent() * n.cotangent().tape().constant(2, n.cotangent().shape());
    }};

}  // namespace

BOOST_AUTO_TEST_CASE(what_a_rule_records_says_whose_backward_pass_it_is) {
  Tape<double> tape;
  const Var<double> x = tape.constant(1, {3}), y = tape.record(doubling_op, {x});
  const Var<double> cotangent = tape.constant(5, {3});
  const NodeId before = tape.size();
  const Var<double> dx = gradients(y, {x}, cotangent)[0];
  BOOST_TEST(dx.value()[2] == 10);
  BOOST_TEST(tape.size() == before + 2u);  // the constant and the product
  for (NodeId id = before; id < tape.size(); ++id) {
    BOOST_TEST(tape.node(id).adjoint_of == y.id(), tape.node(id).op->name);
  }
  BOOST_TEST(tape.node(cotangent.id()).adjoint_of == no_node);
}

BOOST_AUTO_TEST_CASE(what_y_does_not_depend_on_gets_exact_zeros) {
  Tape<float> tape;
  const Var<float> x = tape.constant(1, {2, 3}), y = tape.constant(2);
  for (const Var<float>& zero : gradients(y * y, {x})) {
    BOOST_TEST(same_bits(zero.value(), Tensor<float>({2, 3})));
  }
}

BOOST_AUTO_TEST_CASE(a_cotangent_is_needed_where_y_is_no_scalar) {
  Tape<double> tape;
  const Tensor<double> t({2, 2}, {1, 2, 3, 4}), c({2, 2}, {1, -1, 2, 0});
  const Var<double> x = tape.input(t), g = tape.input(c), y = x * x;
  check_error<ShapeError>([&] { gradients(y, {x}); },
                          "[gradients] y has shape (2, 2): expected one element, or a cotangent");
  check_error<ShapeError>([&] { gradients(y, {x}, sum(g)); },
                          "[gradients] y has shape (2, 2) and its cotangent (): expected equal");
  BOOST_TEST(same_bits(gradients(y, {x}, g)[0].value(), (g * x * 2).value()));
  // One element of any rank is a scalar.
  BOOST_TEST(same_bits(gradients(sum(y, {}, true), {x})[0].value(), (x * 2).value()));
}

BOOST_AUTO_TEST_CASE(a_parameter_that_changed_since_is_refused) {
  Tape<double> tape;
  OwnedParameter<double> w("W1", Tensor<double>({1}, {3})), v("W2", Tensor<double>({1}, {3}));
  const Var<double> a = tape.parameter(w.parameter), b = tape.parameter(v.parameter), y = a * a;
  const auto before = state_of(tape);
  w.parameter.mutable_value()[0] = 4;
  check_error<UsageError>([&] { gradients(y, {a}); },
                          "[gradients] parameter 'W1' was changed after it was recorded: the "
                          "values on the tape are of version 0, it is at version 1");
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  BOOST_TEST(gradients(b * b, {b})[0].item() == 6);  // W2 did not change
  tape.clear();
  const Var<double> again = tape.parameter(w.parameter);
  BOOST_TEST(gradients(again * again, {again})[0].item() == 8);
}

BOOST_AUTO_TEST_CASE(derivatives_of_a_quartic_polynomial_are_exact) {
  Tape<double> tape;
  const Var<double> x = tape.constant(3);
  // 2 x^4 - x^3 + 5 x^2 - 7 x + 4
  Var<double> d = 2 * (x * x * x * x) - x * x * x + 5 * (x * x) - 7 * x + 4;
  for (const double expected : {212., 208., 138., 48., 0., 0.}) {
    d = gradients(d, {x})[0];
    BOOST_TEST(d.item() == expected);
  }
}

BOOST_AUTO_TEST_CASE(third_derivatives_of_curves) {
  for (const double v : {-2.5, -0.3, 0.0, 0.4, 1.0, 3.0}) {
    Tape<double> tape;
    const Var<double> x = tape.constant(v);
    const auto third = [&](Var<double> y) {
      for (int n = 0; n < 3; ++n) y = gradients(y, {x})[0];
      return y.item();
    };
    const double t = std::tanh(v), s = 1 / (1 + std::exp(-v));
    const double of_tanh = -2 * (1 - t * t) * (1 - 3 * t * t);
    const double of_sigmoid = s * (1 - s) * (1 - 6 * s + 6 * s * s);
    BOOST_TEST(std::abs(third(tanh(x)) - of_tanh) < 1e-14);
    BOOST_TEST(std::abs(third(sigmoid(x)) - of_sigmoid) < 1e-15);
    BOOST_TEST(third(exp(x)) == std::exp(v), boost::test_tools::tolerance(1e-15));
    if (v > 0) BOOST_TEST(third(log(x)) == 2 / (v * v * v), boost::test_tools::tolerance(1e-15));
  }
}

namespace {

/// A network of two layers and its loss; `parameters` are W1, b1, W2, b2.
struct Network {
  Var<double> (*activation)(Var<double>, SourceLocation);
  Source source{7};
  Tensor<double> x = source.tensor({5, 4}), y = source.tensor({5, 3}, 0, 1);
  std::vector<Tensor<double>> parameters{source.tensor({4, 6}), source.tensor({6}),
                                         source.tensor({6, 3}), source.tensor({3})};

  Var<double> loss(Tape<double>& tape, std::vector<Var<double>>& leaves) const {
    leaves.clear();
    for (const Tensor<double>& p : parameters) leaves.push_back(tape.input(p));
    const Var<double> a = activation(linear(tape.input(x), leaves[0], leaves[1]), {});
    return softmax_cross_entropy(linear(a, leaves[2], leaves[3]), tape.input(y));
  }
  /// All gradients, one behind the other.
  std::vector<double> gradient() const {
    Tape<double> tape;
    std::vector<Var<double>> leaves;
    std::vector<double> all;
    const Var<double> y_ = loss(tape, leaves);
    for (const Var<double>& g : gradients(y_, leaves)) {
      all.insert(all.end(), g.value().begin(), g.value().end());
    }
    return all;
  }
  void move(const std::vector<Tensor<double>>& direction, double step) {
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      for (std::int64_t i = 0; i < parameters[p].size(); ++i) {
        parameters[p][i] += step * direction[p][i];
      }
    }
  }
  std::vector<Tensor<double>> direction() {
    std::vector<Tensor<double>> result;
    for (const Tensor<double>& p : parameters) result.push_back(source.tensor(p.shape()));
    return result;
  }
  /// H v by gradients of the dot product g . v.
  std::vector<double> hessian_times(const std::vector<Tensor<double>>& v) const {
    Tape<double> tape;
    std::vector<Var<double>> leaves;
    std::vector<double> all;
    const Var<double> y_ = loss(tape, leaves);
    const auto g = gradients(y_, leaves);
    Var<double> dot = sum(g[0] * tape.input(v[0]));
    for (std::size_t p = 1; p < v.size(); ++p) dot = dot + sum(g[p] * tape.input(v[p]));
    for (const Var<double>& h : gradients(dot, leaves)) {
      all.insert(all.end(), h.value().begin(), h.value().end());
    }
    return all;
  }
};

/// The derivative of f(step) at 0 by the 7-point stencil, of order h^6.
template <class F>
std::vector<double> seven_point(F f, double h) {
  constexpr std::array<double, 3> weight{45, -9, 1};
  std::vector<double> result(f(0).size());
  for (std::size_t k = 0; k < 3; ++k) {
    const double step = static_cast<double>(k + 1) * h;
    const std::vector<double> above = f(step), below = f(-step);
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] += weight[k] * (above[i] - below[i]) / (60 * h);
    }
  }
  return result;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(a[i] - b[i], 2), norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

double dot(const std::vector<double>& a, const std::vector<Tensor<double>>& b) {
  double sum = 0;
  std::size_t k = 0;
  for (const Tensor<double>& part : b) {
    for (const double x : part) sum += a[k++] * x;
  }
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_CASE(gradients_and_hessians_of_a_network) {
  for (const auto activation : {tanh<double>, sigmoid<double>, improved_sigmoid<double>}) {
    Network network{activation};
    const auto v = network.direction(), w = network.direction();
    const auto along_v = [&](double step, auto f) {
      Network moved = network;
      moved.move(v, step);
      return f(moved);
    };
    const auto loss = [](const Network& n) {
      Tape<double> tape;
      std::vector<Var<double>> leaves;
      return std::vector<double>{n.loss(tape, leaves).item()};
    };
    const double slope = seven_point([&](double s) { return along_v(s, loss); }, 5e-3)[0];
    BOOST_TEST(dot(network.gradient(), v) == slope, boost::test_tools::tolerance(1e-10));

    const auto gradient = [](const Network& n) { return n.gradient(); };
    const std::vector<double> hv = network.hessian_times(v);
    const auto numeric = seven_point([&](double s) { return along_v(s, gradient); }, 5e-3);
    BOOST_TEST(distance(hv, numeric) < 1e-9);
    BOOST_TEST(dot(hv, w) == dot(network.hessian_times(w), v), boost::test_tools::tolerance(1e-12));
  }
}

BOOST_AUTO_TEST_CASE(forward_mode_by_two_vjps) {
  Source source(11);
  const Tensor<double> x = source.tensor({3, 4}), v = source.tensor({3, 4}),
                       w = source.tensor({4, 2}), u({3, 2});
  const auto f = [&](Tape<double>& tape, Var<double> at) {
    return tanh(matmul(at, tape.input(w))) * sigmoid(sum(at, {1}, true));
  };
  Tape<double> tape;
  const Var<double> leaf = tape.input(x), cotangent = tape.input(u);
  const Var<double> g = gradients(f(tape, leaf), {leaf}, cotangent)[0];  // J^T u, linear in u
  const Var<double> jv = gradients(sum(g * tape.input(v)), {cotangent})[0];
  const auto numeric = seven_point(
      [&](double step) {
        Tensor<double> moved = x;
        for (std::int64_t i = 0; i < x.size(); ++i) moved[i] += step * v[i];
        Tape<double> fresh;
        const TensorView<const double> y = f(fresh, fresh.input(moved)).value();
        return std::vector<double>(y.begin(), y.end());
      },
      5e-3);
  BOOST_TEST((jv.shape() == Shape{3, 2}));
  BOOST_TEST(distance({jv.value().begin(), jv.value().end()}, numeric) < 1e-10);
}
