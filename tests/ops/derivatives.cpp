// Products with Jacobians and Hessians, and the matrices, against the 7-point stencil, closed
// forms, and the identities that hold between them.
#include <chainrule/ops/derivatives.hpp>
#include <chainrule/ops/ops.hpp>

#include <functional>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

using V = Var<double>;
using Tensors = std::vector<Tensor<double>>;
/// A function of some Vars of one tape.
using Function = std::function<V(const std::vector<V>&)>;

std::vector<V> leaves_of(Tape<double>& tape, const Tensors& at) {
  std::vector<V> leaves;
  for (const Tensor<double>& x : at) leaves.push_back(tape.input(x));
  return leaves;
}

Tensor<double> copy(V var) { return Tensor<double>(var.value()); }

/// at + step direction
Tensors moved(Tensors at, const Tensors& direction, double step) {
  for (std::size_t k = 0; k < at.size(); ++k) {
    for (std::int64_t i = 0; i < at[k].size(); ++i) at[k][i] += step * direction[k][i];
  }
  return at;
}

/// The derivative at 0 of a tensor-valued function of a number, of order h^6.
Tensor<double> seven_point(const std::function<Tensor<double>(double)>& f, double h = 5e-3) {
  constexpr std::array<double, 3> weight{45, -9, 1};
  Tensor<double> result(f(0).shape());
  for (std::size_t k = 0; k < 3; ++k) {
    const double step = static_cast<double>(k + 1) * h;
    const Tensor<double> above = f(step), below = f(-step);
    for (std::int64_t i = 0; i < result.size(); ++i) {
      result[i] += weight[k] * (above[i] - below[i]) / (60 * h);
    }
  }
  return result;
}

Tensor<double> value_at(const Function& f, const Tensors& at) {
  Tape<double> tape;
  return copy(f(leaves_of(tape, at)));
}

/// The derivative of f along a direction, and that of its gradient with respect to leaf k.
Tensor<double> numeric_jvp(const Function& f, const Tensors& at, const Tensors& v) {
  return seven_point([&](double step) { return value_at(f, moved(at, v, step)); });
}
Tensor<double> numeric_hvp(const Function& f, const Tensors& at, const Tensors& v, std::size_t k) {
  return numeric_jvp([&](const std::vector<V>& x) { return gradients(f(x), x)[k]; }, at, v);
}

double dot(TensorView<const double> a, TensorView<const double> b) {
  double result = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) result += a[i] * b[i];
  return result;
}

Tensors directions(const Tensors& at, Source& source) {
  Tensors result;
  for (const Tensor<double>& x : at) result.push_back(source.tensor(x.shape()));
  return result;
}

/// Two layers, with a tensor of rank 2 as the result, of X, W1, b1, W2.
V network(const std::vector<V>& p) {
  return log_softmax(matmul(tanh(linear(p[0], p[1], p[2])), p[3]));
}
V network_loss(const std::vector<V>& p) {
  const V y = network(p);
  return mean(y * y * sigmoid(y));
}
Tensors network_point(Source& source) {
  return {source.tensor({4, 3}), source.tensor({3, 5}), source.tensor({5}), source.tensor({5, 2})};
}

}  // namespace

BOOST_AUTO_TEST_CASE(value_and_gradients_of_a_variable_and_of_a_callable) {
  Source source(1);
  const Tensor<double> x = source.tensor({3}), w = source.tensor({3});
  Tape<double> tape;
  const V vx = named(tape.input(x), "x"), vw = named(tape.input(w), "w");
  const auto [y, d] = value_and_gradients([](V a, V b) { return sum(a * b * b); }, {vx, vw});
  double expected = 0;
  for (std::int64_t i = 0; i < 3; ++i) {
    expected += x[i] * w[i] * w[i];
    BOOST_TEST(d[0].value()[i] == w[i] * w[i], boost::test_tools::tolerance(1e-15));
    BOOST_TEST(d[1].value()[i] == 2 * x[i] * w[i], boost::test_tools::tolerance(1e-15));
  }
  BOOST_TEST(y.item() == expected, boost::test_tools::tolerance(1e-15));
  BOOST_TEST((tape.find("dw") == d[1]));
  const auto again = value_and_gradients(y, {vw, vx});
  BOOST_TEST((again.value == y));
  BOOST_TEST(same_bits(again.gradients[0].value(), d[1].value()));
  BOOST_TEST(same_bits(value_and_gradients(y, vx).gradients[0].value(), d[0].value()));
  check_error<ShapeError>([&] { value_and_gradients(vx * vw, {vx}); },
                          "[gradients] y has shape (3,): expected one element");
  check_error<ShapeError>([&] { value_and_gradients([](V a) { return a * a; }, {vx}); },
                          "[gradients] y has shape (3,): expected one element");
}

BOOST_AUTO_TEST_CASE(jvp_and_vjp_of_a_network) {
  Source source(2);
  const Tensors at = network_point(source), v = directions(at, source);
  Tape<double> tape;
  const auto leaves = leaves_of(tape, at), tangents = leaves_of(tape, v);
  const V y = network(leaves);
  const V jv = jvp(y, leaves, tangents);
  BOOST_TEST((jv.shape() == Shape{4, 2}));
  BOOST_TEST(relative_error(copy(jv), numeric_jvp(network, at, v)) < 1e-10);
  // One variable at a time: the sum is the whole.
  Tensor<double> parts(jv.shape());
  for (std::size_t k = 0; k < at.size(); ++k) {
    const V part = jvp(y, leaves[k], tangents[k]);
    for (std::int64_t i = 0; i < parts.size(); ++i) parts[i] += part.value()[i];
  }
  BOOST_TEST(relative_error(parts, jv.value()) < 1e-14);
  // <u, J v> = <J^T u, v>
  const Tensor<double> u = source.tensor({4, 2});
  const auto ju = vjp(y, leaves, tape.input(u));
  double transposed = 0;
  for (std::size_t k = 0; k < at.size(); ++k) {
    BOOST_TEST((ju[k].shape() == at[k].shape()));
    transposed += dot(ju[k].value(), v[k]);
  }
  BOOST_TEST(dot(u, jv.value()) == transposed, boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(jvp_of_simple_maps_is_exact) {
  Source source(3);
  const Tensor<double> a = source.tensor({5, 4}), x = source.tensor({4, 1}),
                       v = source.tensor({4, 1});
  Tape<double> tape;
  const V va = tape.input(a), vx = tape.input(x), vv = tape.input(v);
  BOOST_TEST(relative_error(jvp(matmul(va, vx), vx, vv).value(), matmul(va, vv).value()) < 1e-15);
  BOOST_TEST(same_bits(jvp(vx, vx, vv).value(), v));  // y is x
  BOOST_TEST(same_bits(jvp(va, vx, vv).value(), Tensor<double>({5, 4})));
  BOOST_TEST(same_bits(jvp(greater(vx, vv), vx, vv).value(), Tensor<double>({4, 1})));
  BOOST_TEST(
      same_bits(jvp(vx, std::vector<V>{}, std::vector<V>{}).value(), Tensor<double>({4, 1})));
  // The derivative along the derivative: (x^3)'' along v, w is 6 x v w.
  const V second = jvp(jvp(vx * vx * vx, vx, vv), vx, vv);
  for (std::int64_t i = 0; i < 4; ++i) {
    BOOST_TEST(second.value()[i] == 6 * x[i] * v[i] * v[i], boost::test_tools::tolerance(1e-14));
  }
}

BOOST_AUTO_TEST_CASE(hvp_of_a_network) {
  Source source(4);
  const Tensors at = network_point(source), v = directions(at, source), w = directions(at, source);
  Tape<double> tape;
  const auto leaves = leaves_of(tape, at), vs = leaves_of(tape, v), ws = leaves_of(tape, w);
  const V y = network_loss(leaves);
  const auto hv = hvp(y, leaves, vs), hw = hvp(y, leaves, ws);
  double vhw = 0, whv = 0;
  for (std::size_t k = 0; k < at.size(); ++k) {
    BOOST_TEST(relative_error(copy(hv[k]), numeric_hvp(network_loss, at, v, k)) < 1e-9);
    vhw += dot(v[k], hw[k].value()), whv += dot(w[k], hv[k].value());
  }
  BOOST_TEST(vhw == whv, boost::test_tools::tolerance(1e-12));
  // The second derivative along v, by the other way: forward over forward.
  BOOST_TEST(
      jvp(jvp(y, leaves, vs), leaves, vs).item() ==
          [&] {
            double sum = 0;
            for (std::size_t k = 0; k < at.size(); ++k) sum += dot(v[k], hv[k].value());
            return sum;
          }(),
      boost::test_tools::tolerance(1e-12));
  // Of one variable alone it is the block of the Hessian.
  const V block = hvp(y, leaves[1], vs[1])[0];
  const auto numeric = numeric_jvp(
      [&](const std::vector<V>& x) {
        auto p = leaves_of(x[0].tape(), at);
        p[1] = x[0];
        return gradients(network_loss(p), {p[1]})[0];
      },
      {at[1]}, {v[1]});
  BOOST_TEST(relative_error(copy(block), numeric) < 1e-9);
}

BOOST_AUTO_TEST_CASE(jacobians_have_a_row_for_each_y_and_a_column_for_each_x) {
  Source source(5);
  // Wide, square and tall, so that both modes are tried; ranks that together pass 4.
  const auto outer = [](const std::vector<V>& x) {
    return exp(sum(x[0], {2})) * sum(x[0], {0, 1});
  };
  const auto tall = [](const std::vector<V>& x) {
    const V row = reshape(x[0], {1, x[0].shape().size()});
    return sigmoid(matmul(row, row, Transpose::a)) * row;
  };
  const auto wide = [](const std::vector<V>& x) { return sum(tanh(x[0]) * x[0], {1}); };
  struct Case {
    Function f;
    Shape x;
  };
  for (const Case& c : {Case{outer, {2, 3, 3}}, Case{tall, {5}}, Case{wide, {3, 4}},
                        Case{[](const std::vector<V>& x) { return softmax(x[0]); }, {2, 3}},
                        Case{[](const std::vector<V>& x) { return sum(exp(x[0])); }, {2, 2, 1, 2}},
                        Case{[](const std::vector<V>& x) { return exp(x[0]); }, {}}}) {
    const Tensors at{source.tensor(c.x)};
    Tape<double> tape;
    const V x = tape.input(at[0]), y = c.f({x}), j = jacobian(y, x);
    const std::int64_t m = y.shape().size(), n = c.x.size();
    BOOST_TEST_REQUIRE((j.shape() == Shape{m, n}));
    for (std::int64_t column = 0; column < n; ++column) {
      Tensor<double> unit(c.x);
      unit[column] = 1;
      const Tensor<double> numeric = numeric_jvp(c.f, at, {unit});
      for (std::int64_t row = 0; row < m; ++row) {
        BOOST_TEST(std::abs(j.value()(row, column) - numeric[row]) <
                   1e-10 * (1 + std::abs(numeric[row])));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(jacobians_in_closed_form) {
  Source source(6);
  Tape<double> tape;
  const Tensor<double> x = source.tensor({4}), a = source.tensor({7, 4});
  const V vx = tape.input(x), p = softmax(vx), jp = jacobian(p, vx);
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t k = 0; k < 4; ++k) {
      const double expected = p.value()[i] * ((i == k) - p.value()[k]);
      BOOST_TEST(std::abs(jp.value()(i, k) - expected) < 1e-16);
    }
  }
  const V va = tape.input(a), column = reshape(vx, {4, 1});
  BOOST_TEST(same_bits(jacobian(matmul(va, column), vx).value(), a));  // tall: by columns
  const V flat = reshape(va, {4, 7}), row = tape.constant(1, {1, 4});
  BOOST_TEST((jacobian(matmul(row, flat), va).shape() == Shape{7, 28}));  // wide: by rows
  BOOST_TEST(same_bits(jacobian(va, vx).value(), Tensor<double>({28, 4})));
  BOOST_TEST(same_bits(jacobian(vx, va).value(), Tensor<double>({4, 28})));
  const V empty = tape.constant(0, {0, 3});
  BOOST_TEST((jacobian(empty, vx).shape() == Shape{0, 4}));
  BOOST_TEST((jacobian(vx, empty).shape() == Shape{4, 0}));
}

BOOST_AUTO_TEST_CASE(hessians) {
  Source source(7);
  Tape<double> tape;
  // x^T A x: A + A^T
  const Tensor<double> a = source.tensor({4, 4}), x = source.tensor({4});
  const V va = tape.input(a), vx = tape.input(x), row = reshape(vx, {1, 4});
  const V quadratic = hessian(sum(matmul(matmul(row, va), row, Transpose::b)), vx);
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t k = 0; k < 4; ++k) {
      BOOST_TEST(quadratic.value()(i, k) == a(i, k) + a(k, i), boost::test_tools::tolerance(1e-15));
    }
  }
  // Rosenbrock's valley, sum (1 - u)^2 + 100 (v - u^2)^2, with X = (u, v)
  const Tensor<double> point({2}, {-1.2, 1});
  const V at = tape.input(point), u = sum(at * tape.constant(Tensor<double>({2}, {1, 0}))),
          v = sum(at * tape.constant(Tensor<double>({2}, {0, 1})));
  const V valley = hessian((1 - u) * (1 - u) + 100 * ((v - u * u) * (v - u * u)), at);
  for (const auto& [i, expected] : {std::pair{0, 1330.0}, {1, 480.0}, {2, 480.0}, {3, 200.0}}) {
    BOOST_TEST(valley.value()[i] == expected, boost::test_tools::tolerance(1e-14));
  }
  // A network's, with respect to a matrix: symmetric, and by columns what the stencil says.
  const Tensors p = network_point(source);
  const auto leaves = leaves_of(tape, p);
  const V h = hessian(network_loss(leaves), leaves[1]);
  BOOST_TEST_REQUIRE((h.shape() == Shape{15, 15}));
  for (std::int64_t i = 0; i < 15; ++i) {
    Tensors direction{Tensor<double>(p[0].shape()), Tensor<double>(p[1].shape()),
                      Tensor<double>(p[2].shape()), Tensor<double>(p[3].shape())};
    direction[1][i] = 1;
    const Tensor<double> column = numeric_hvp(network_loss, p, direction, 1);
    for (std::int64_t k = 0; k < 15; ++k) {
      BOOST_TEST(std::abs(h.value()(k, i) - column[k]) < 1e-10);
      BOOST_TEST(std::abs(h.value()(k, i) - h.value()(i, k)) < 1e-15);
    }
  }
}

BOOST_AUTO_TEST_CASE(results_are_planned_and_differentiated_again) {
  Source source(8);
  Tensors at = network_point(source), v = directions(at, source);
  const auto all = [](const std::vector<V>& p, const std::vector<V>& t) {
    const V y = network(p), loss = network_loss(p);
    std::vector<V> results{jvp(y, p, t), jacobian(y, p[1]), jacobian(y, p[2]), hessian(loss, p[3])};
    for (const V h : hvp(loss, p, t)) results.push_back(h);
    return results;
  };
  Tape<double> tape;
  const auto results = all(leaves_of(tape, at), leaves_of(tape, v));
  Plan<double> replay = plan(results);
  for (Tensor<double>& x : at) x = source.tensor(x.shape());
  for (Tensor<double>& x : v) x = source.tensor(x.shape());
  replay.run();
  Tape<double> fresh;
  const auto anew = all(leaves_of(fresh, at), leaves_of(fresh, v));
  for (std::size_t i = 0; i < anew.size(); ++i) {
    BOOST_TEST(same_bits(replay.value(results[i]), anew[i].value()), "result " << i);
  }
  // The gradients of functions of the matrices, which go through their rows and their columns.
  for (const Function& f :
       {Function([](const std::vector<V>& p) {
          const V j = jacobian(softmax(matmul(p[0], p[1])), p[1]);  // 12 x 6: columns
          return sum(j * j);
        }),
        Function([](const std::vector<V>& p) {
          const V h = hessian(sum(tanh(matmul(p[0], p[1]))), p[1]);  // rows
          return sum(exp(h));
        }),
        Function([](const std::vector<V>& p) {
          const V j = jacobian(sum(jvp(exp(matmul(p[0], p[1])), p[0], p[0]), {0}), p[0]);  // rows
          return sum(j * j);
        })}) {
    const Tensors point{source.tensor({4, 3}), source.tensor({3, 2})},
        along = directions(point, source);
    Tape<double> t;
    const auto leaves = leaves_of(t, point);
    const auto d = gradients(f(leaves), leaves);
    const double slope = dot(d[0].value(), along[0]) + dot(d[1].value(), along[1]);
    BOOST_TEST(slope == numeric_jvp(f, point, along)[0], boost::test_tools::tolerance(1e-9));
    const auto second = gradients(gradients(f(leaves), leaves)[1], leaves, t.input(along[1]));
    BOOST_TEST(relative_error(copy(second[1]),
                              copy(hvp(f(leaves), leaves[1], t.input(along[1]))[0])) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(costs_are_what_the_header_says) {
  const auto products = [](const std::vector<V>& outputs) {
    const Plan<double> p = plan(outputs);
    return std::count_if(p.nodes().begin(), p.nodes().end(),
                         [](const Node<double>& node) { return node.op->name == "matmul"; });
  };
  const auto vector = [](std::span<const V> vars) {
    return std::vector<V>(vars.begin(), vars.end());
  };
  for (const int layers : {2, 3, 6}) {
    Tape<double> tape;
    const V x = tape.constant(1, {1, 3}), one = tape.constant(1, {1, 3});
    std::vector<V> w, v;
    V y = x;
    for (int layer = 0; layer < layers; ++layer) {
      w.push_back(tape.constant(0.1, {3, 3})), v.push_back(tape.constant(0.2, {3, 3}));
      y = tanh(matmul(y, w.back()));
    }
    const V loss = sum(y);
    BOOST_TEST(products({loss}) == layers);
    BOOST_TEST(products(vector(value_and_gradients(loss, w).gradients)) == 3 * layers - 1);
    BOOST_TEST(products(vector(vjp(y, w, one))) == 3 * layers - 1);
    BOOST_TEST(products({jvp(y, w, v)}) == 3 * layers - 1);
    BOOST_TEST(products({jvp(y, x, one)}) == 2 * layers);
    BOOST_TEST(products(vector(hvp(loss, w, v))) == 8 * layers - 5);
    // Rows and columns share what does not depend on them: 3 rows of reverse mode, and 3 columns
    // of forward mode.
    BOOST_TEST(products({jacobian(y, x)}) == layers + 3 * layers);
    BOOST_TEST(products({jacobian(concat({y, y}, 1), x)}) == layers + 3 * layers);
    BOOST_TEST(products({hessian(loss, w[0])}) <= 3 * layers - 1 + 9 * (5 * layers));
  }
}

BOOST_AUTO_TEST_CASE(names_are_left_free_for_gradients) {
  Tape<double> tape;
  const V x = named(tape.constant(2, {3}), "x"), y = named(exp(x), "y"), v = tape.constant(1, {3});
  jvp(y, x, v), hvp(sum(y), x, v), jacobian(y, x), hessian(sum(y), x), jacobian(sum(y), x);
  BOOST_TEST(tape.names().size() == 2u);
  const V d = vjp(y, x, v)[0];
  BOOST_TEST((tape.find("dx") == d));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(wrong_arguments_record_nothing, T, Precisions) {
  Tape<T> tape, other;
  const Var<T> x = tape.constant(1, {3}), w = tape.constant(1, {2, 3}), y = x * w, s = sum(y);
  const Var<T> foreign = other.constant(1, {3});
  const auto before = state_of(tape);
  check_error<ShapeError>(
      [&] {
        jvp(y, {x, w}, {x});
      },
      "[jvp] 1 vectors for 2 variables: expected one for each");
  check_error<ShapeError>(
      [&] {
        jvp(y, {x, w}, {x, x});
      },
      "[jvp] vector 1 has shape (3,): expected that of its variable, (2, 3)");
  check_error<ShapeError>([&] { hvp(s, w, x); }, "[hvp] vector 0 has shape (3,): expected that of");
  check_error<ShapeError>([&] { hvp(y, x, x); }, "[hvp] y has shape (2, 3): expected one element");
  check_error<ShapeError>([&] { hessian(y, x); },
                          "[hessian] y has shape (2, 3): expected one element");
  check_error<ShapeError>([&] { vjp(y, {x}, x); }, "y has shape (2, 3) and its cotangent (3,)");
  check_error<UsageError>([&] { vjp(s, {x}, Var<T>{}); }, "[vjp] a Var that was never assigned");
  check_error<UsageError>([&] { jvp(y, x, foreign); }, "[jvp] a Var of another tape is used");
  check_error<UsageError>([&] { hvp(s, foreign, x); }, "[hvp] a Var of another tape is used");
  check_error<UsageError>([&] { jacobian(y, foreign); }, "[jacobian] a Var of another tape");
  check_error<UsageError>([&] { hessian(s, foreign); }, "[hessian] a Var of another tape");
  check_error<UsageError>([&] { jacobian(Var<T>{}, x); }, "a Var that was never assigned is used");
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  // In either precision: d(x w)/dx is w.
  BOOST_TEST((jacobian(y, x).shape() == Shape{6, 3}));
  BOOST_TEST(same_bits(jvp(y, x, x).value(), y.value()));
}
