// Operations of a user's own: one with a kernel and a rule, one that is a composition, and one
// whose rule is wrong, which gradcheck catches. docs/adding-an-op.md explains them.
//
// Exit status: 0 when the right ones pass and the wrong one fails, else 1.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/check/gradcheck.hpp>
#include <chainrule/ops/ops.hpp>
#include <cmath>
#include <iostream>
using namespace chainrule;
using namespace chainrule::kernels;

/// arctan x.  dx = g / (1 + x^2).
template <class T>
constexpr Op<T> arctan_op{
    "arctan", same_shape,
    [](const Evaluation<T>& e) { map_unary(e, [](T x) { return std::atan(x); }); },
    [](const Adjoint<T>& n, int) { return n.cotangent() / (1 + n.input(0) * n.input(0)); }};

template <class T>
Var<T> arctan(Var<T> x, SourceLocation location = SourceLocation::current()) {
  return x.tape(location).record(arctan_op<T>, {x}, {}, location);
}

/// sqrt(a^2 + b^2), broadcasting.  da = g a / y, db = g b / y, summed to their shapes.
template <class T>
constexpr Op<T> hypot_op{
    "hypot", broadcast_shapes,
    [](const Evaluation<T>& e) { map_binary(e, [](T a, T b) { return std::hypot(a, b); }); },
    [](const Adjoint<T>& n, int i) {
      return sum_to(n.cotangent() * n.input(i) / n.output(), n.input(i).shape());
    }};

template <class T>
Var<T> hypot(Var<T> a, Var<T> b, SourceLocation location = SourceLocation::current()) {
  return a.tape(location).record(hypot_op<T>, {a, b}, {}, location);
}

/// exp(-|x - c|^2), radial basis functions: (N, I), (I,) -> (N,). A composition needs no rule.
template <class T>
Var<T> radial(Var<T> x, Var<T> centre) {
  const Var<T> d = x - centre;
  return exp(-sum(d * d, {-1}));
}

/// arctan, whose author has forgotten the square.
template <class T>
constexpr Op<T> wrong_arctan_op{
    "wrong_arctan", same_shape, arctan_op<T>.forward,
    [](const Adjoint<T>& n, int) { return n.cotangent() / (1 + n.input(0)); }};

int main() {
  const Tensor<double> x({2, 3}, {0.5, 1.5, 2, 0.25, 1, 3}), c({3}, {1, 1.25, 2.5});
  const auto one = [](auto v) { return arctan(v); };
  const auto two = [](auto v, auto w) { return hypot(v, w); };
  const auto composed = [](auto v, auto w) { return radial(v, w); };
  const auto wrong = [](auto v) { return v.tape().record(wrong_arctan_op<double>, {v}); };

  bool right = true;
  for (const int order : {1, 2, 3}) {
    const GradcheckOptions options{.order = order};
    right = gradcheck(options, one, x) && right;
    right = gradcheck(options, two, x, c) && right;
    right = gradcheck(options, composed, x, c) && right;
  }
  std::cout << "arctan, hypot and radial to order 3: " << (right ? "pass" : "FAIL") << "\n\n";

  const GradcheckReport report = gradcheck(wrong, x);
  std::cout << to_string(report);
  return right && !report ? 0 : 1;
}
