// Sigmoid, tanh, the improved sigmoid and their common derivative sech^2; relu and its relatives.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>

namespace chainrule {

namespace {

// Derivatives are computed from x by sech^2, never from y by 1 - y^2 or y (1 - y): where a unit is
// saturated those cancel, and in trained networks the errors pass 100 %.
template <class T>
constexpr Op<T> sigmoid_op{"sigmoid", detail::same_shape,
                           [](const Evaluation<T>& e) {
                             vector_math::sigmoid(e.output().size(), e.input(0).data(),
                                                  e.output().data());
                           },
                           [](const Adjoint<T>& n, int) {
                             return mul(n.cotangent(), sech_squared(n.input(0), T(0.25), T(0.5)));
                           }};

// numbers = (outer, inner): outer tanh(inner x)
template <class T>
void scaled_tanh_kernel(const Evaluation<T>& e) {
  const auto [outer, inner] = e.attributes().numbers;
  vector_math::scaled_tanh(e.output().size(), static_cast<T>(outer), static_cast<T>(inner),
                           e.input(0).data(), e.output().data());
}
template <class T>
Var<T> scaled_tanh_adjoint(const Adjoint<T>& n, int) {
  const auto [outer, inner] = n.attributes().numbers;
  return mul(n.cotangent(),
             sech_squared(n.input(0), static_cast<T>(outer * inner), static_cast<T>(inner)));
}
template <class T>
constexpr Op<T> tanh_op{"tanh", detail::same_shape, scaled_tanh_kernel<T>, scaled_tanh_adjoint<T>};
template <class T>
constexpr Op<T> improved_sigmoid_op{"improved_sigmoid", detail::same_shape, scaled_tanh_kernel<T>,
                                    scaled_tanh_adjoint<T>};

// numbers = (outer, inner): outer sech^2(inner x), whose derivative is
// -2 inner tanh(inner x) times itself
template <class T>
constexpr Op<T> sech_squared_op{
    "sech_squared", detail::same_shape,
    [](const Evaluation<T>& e) {
      const auto [outer, inner] = e.attributes().numbers;
      vector_math::scaled_sech_squared(e.output().size(), static_cast<T>(outer),
                                       static_cast<T>(inner), e.input(0).data(), e.output().data());
    },
    [](const Adjoint<T>& n, int) {
      const double inner = n.attributes().numbers[1];
      const Var<T> x = n.input(0);
      const Var<T> slope = x.tape().record(tanh_op<T>, {x}, {.numbers = {-2 * inner, inner}});
      return mul(n.cotangent(), mul(slope, n.output()));
    }};

template <class T>
void sides_of_zero(const Evaluation<T>& e, KinkSides& sides) {
  for (const T x : e.input(0)) sides.add(x > 0);
}

/// 1 where x > 0, else 0.
template <class T>
Var<T> positive(Var<T> x) {
  return greater(x, x.tape().constant(T(0)));
}

template <class T>
constexpr Op<T> relu_op{
    .name = "relu",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return x <= 0 ? T(0) : x; }); },
    .adjoint = [](const Adjoint<T>& n, int) { return mul(n.cotangent(), positive(n.input(0))); },
    .sides = sides_of_zero<T>};

// numbers = (slope, -)
template <class T>
constexpr Op<T> leaky_relu_op{.name = "leaky_relu",
                              .shape = detail::same_shape,
                              .forward =
                                  [](const Evaluation<T>& e) {
                                    const T slope = static_cast<T>(e.attributes().numbers[0]);
                                    detail::map_unary(
                                        e, [slope](T x) { return x > 0 ? x : slope * x; });
                                  },
                              .adjoint =
                                  [](const Adjoint<T>& n, int) {
                                    const Var<T> g = n.cotangent();
                                    const T slope = static_cast<T>(n.attributes().numbers[0]);
                                    return where(positive(n.input(0)), g, scale(g, slope));
                                  },
                              .sides = sides_of_zero<T>};

// numbers = (alpha, -)
template <class T>
constexpr Op<T> elu_op{
    .name = "elu",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<T>& e) {
          const T alpha = static_cast<T>(e.attributes().numbers[0]);
          detail::map_unary(e, [alpha](T x) { return x > 0 ? x : alpha * std::expm1(x); });
        },
    .adjoint =
        [](const Adjoint<T>& n, int) {
          const Var<T> x = n.input(0);
          const T alpha = static_cast<T>(n.attributes().numbers[0]);
          // e^min(x, 0): the exponential of a large x, though not chosen, would be infinite, and
          // its derivative 0 times that.
          const Var<T> below = scale(exp(neg(relu(neg(x)))), alpha);
          return mul(n.cotangent(), where(positive(x), x.tape().constant(T(1)), below));
        },
    .sides = sides_of_zero<T>};

template <class T>
constexpr Op<T> silu_op{"silu", detail::same_shape,
                        [](const Evaluation<T>& e) {
                          const T* x = e.input(0).data();
                          T* y = e.output().data();
                          const std::int64_t n = e.output().size();
                          vector_math::sigmoid(n, x, y);
                          for (std::int64_t i = 0; i < n; ++i)
                            y[i] = y[i] == 0 ? T(0) : x[i] * y[i];  // 0 at -inf
                        },
                        [](const Adjoint<T>& n, int) {
                          const Var<T> x = n.input(0);
                          const Var<T> slope = mul0(x, sech_squared(x, T(0.25), T(0.5)));
                          return mul(n.cotangent(), add(sigmoid(x), slope));
                        }};

template <class T>
constexpr Op<T> softplus_op{
    "softplus", detail::same_shape,
    [](const Evaluation<T>& e) {
      detail::map_unary(
          e, [](T x) { return (x <= 0 ? T(0) : x) + std::log1p(std::exp(-std::abs(x))); });
    },
    [](const Adjoint<T>& n, int) { return mul(n.cotangent(), sigmoid(n.input(0))); }};

}  // namespace

template <class T>
Var<T> sigmoid(Var<T> x, SourceLocation location) {
  return x.tape(location).record(sigmoid_op<T>, {x}, {}, location);
}
template <class T>
Var<T> tanh(Var<T> x, SourceLocation location) {
  return x.tape(location).record(tanh_op<T>, {x}, {.numbers = {1, 1}}, location);
}
template <class T>
Var<T> improved_sigmoid(Var<T> x, SourceLocation location) {
  return x.tape(location).record(improved_sigmoid_op<T>, {x}, {.numbers = {1.7159, 2.0 / 3.0}},
                                 location);
}
template <class T>
Var<T> sech_squared(Var<T> x, std::type_identity_t<T> outer, std::type_identity_t<T> inner,
                    SourceLocation location) {
  return x.tape(location).record(sech_squared_op<T>, {x}, {.numbers = {outer, inner}}, location);
}
template <class T>
Var<T> relu(Var<T> x, SourceLocation location) {
  return x.tape(location).record(relu_op<T>, {x}, {}, location);
}
template <class T>
Var<T> leaky_relu(Var<T> x, std::type_identity_t<T> slope, SourceLocation location) {
  return x.tape(location).record(leaky_relu_op<T>, {x}, {.numbers = {slope, 0}}, location);
}
template <class T>
Var<T> elu(Var<T> x, std::type_identity_t<T> alpha, SourceLocation location) {
  return x.tape(location).record(elu_op<T>, {x}, {.numbers = {alpha, 0}}, location);
}
template <class T>
Var<T> silu(Var<T> x, SourceLocation location) {
  return x.tape(location).record(silu_op<T>, {x}, {}, location);
}
template <class T>
Var<T> softplus(Var<T> x, SourceLocation location) {
  return x.tape(location).record(softplus_op<T>, {x}, {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                         \
  template Var<T> sigmoid(Var<T>, SourceLocation);                                       \
  template Var<T> tanh(Var<T>, SourceLocation);                                          \
  template Var<T> improved_sigmoid(Var<T>, SourceLocation);                              \
  template Var<T> sech_squared(Var<T>, std::type_identity_t<T>, std::type_identity_t<T>, \
                               SourceLocation);                                          \
  template Var<T> relu(Var<T>, SourceLocation);                                          \
  template Var<T> leaky_relu(Var<T>, std::type_identity_t<T>, SourceLocation);           \
  template Var<T> elu(Var<T>, std::type_identity_t<T>, SourceLocation);                  \
  template Var<T> silu(Var<T>, SourceLocation);                                          \
  template Var<T> softplus(Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
