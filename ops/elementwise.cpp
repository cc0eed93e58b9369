// Arithmetic, exponential, logarithm, and the 0/1-valued helpers of the rules.
#include <bit>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <chainrule/ops/ops.hpp>

namespace chainrule {

namespace {

template <class T>
constexpr Op<T> sub_op{
    "sub", detail::broadcast_shapes,
    [](const Evaluation<T>& e) { detail::map_binary(e, [](T a, T b) { return a - b; }); },
    [](const Adjoint<T>& n, int i) {
      const Var<T> part = sum_to(n.cotangent(), n.input(i).shape());
      return i == 0 ? part : neg(part);
    }};

template <class T>
constexpr Op<T> mul_op{
    "mul", detail::broadcast_shapes,
    [](const Evaluation<T>& e) { detail::map_binary(e, [](T a, T b) { return a * b; }); },
    [](const Adjoint<T>& n, int i) {
      return sum_to(mul(n.cotangent(), n.input(1 - i)), n.input(i).shape());
    }};

template <class T>
constexpr Op<T> mul0_op{"mul0", detail::broadcast_shapes,
                        [](const Evaluation<T>& e) {
                          // Chosen by a mask: a loop with a branch would not be vectorised.
                          using Bits =
                              std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
                          detail::map_binary(e, [](T a, T b) {
                            const Bits keep = Bits{0} - static_cast<Bits>((a != 0) & (b != 0));
                            return std::bit_cast<T>(std::bit_cast<Bits>(a * b) & keep);
                          });
                        },
                        [](const Adjoint<T>& n, int i) {
                          return sum_to(mul0(n.cotangent(), n.input(1 - i)), n.input(i).shape());
                        }};

template <class T>
constexpr Op<T> div_op{
    "div", detail::broadcast_shapes,
    [](const Evaluation<T>& e) { detail::map_binary(e, [](T a, T b) { return a / b; }); },
    [](const Adjoint<T>& n, int i) {
      const Var<T> part = div(n.cotangent(), n.input(1));
      return sum_to(i == 0 ? part : neg(mul(part, n.output())), n.input(i).shape());
    }};

template <class T>
constexpr Op<T> neg_op{"neg", detail::same_shape,
                       [](const Evaluation<T>& e) { detail::map_unary(e, [](T x) { return -x; }); },
                       [](const Adjoint<T>& n, int) { return neg(n.cotangent()); }};

template <class T>
constexpr Op<T> scale_op{"scale", detail::same_shape,
                         [](const Evaluation<T>& e) {
                           const T factor = static_cast<T>(e.attributes().numbers[0]);
                           detail::map_unary(e, [factor](T x) { return factor * x; });
                         },
                         [](const Adjoint<T>& n, int) {
                           return scale(n.cotangent(), static_cast<T>(n.attributes().numbers[0]));
                         }};

template <class T>
constexpr Op<T> shift_op{"shift", detail::same_shape,
                         [](const Evaluation<T>& e) {
                           const T term = static_cast<T>(e.attributes().numbers[0]);
                           detail::map_unary(e, [term](T x) { return x + term; });
                         },
                         [](const Adjoint<T>& n, int) { return n.cotangent(); }};

template <class T>
constexpr Op<T> exp_op{"exp", detail::same_shape,
                       [](const Evaluation<T>& e) {
                         vector_math::exp(e.output().size(), e.input(0).data(), e.output().data());
                       },
                       [](const Adjoint<T>& n, int) { return mul(n.cotangent(), n.output()); }};

template <class T>
constexpr Op<T> log_op{"log", detail::same_shape,
                       [](const Evaluation<T>& e) {
                         vector_math::log(e.output().size(), e.input(0).data(), e.output().data());
                       },
                       [](const Adjoint<T>& n, int) { return div(n.cotangent(), n.input(0)); }};

template <class T>
void sides_of_difference(const Evaluation<T>& e, KinkSides& sides) {
  // Sides are needed entry by entry of the result, so the comparison is made as greater makes it.
  const TensorView<const T> y{e.output().data(), e.output().shape()};
  for (const T side : y) sides.add(side > 0);
}

template <class T>
constexpr Op<T> greater_op{.name = "greater",
                           .shape = detail::broadcast_shapes,
                           .forward =
                               [](const Evaluation<T>& e) {
                                 detail::map_binary(e,
                                                    [](T a, T b) { return a > b ? T(1) : T(0); });
                               },
                           .sides = sides_of_difference<T>,
                           .zero_derivative = true};

template <class T>
constexpr Op<T> equal_op{.name = "equal",
                         .shape = detail::broadcast_shapes,
                         .forward =
                             [](const Evaluation<T>& e) {
                               detail::map_binary(e, [](T a, T b) { return a == b ? T(1) : T(0); });
                             },
                         .sides = sides_of_difference<T>,
                         .zero_derivative = true};

template <class T>
constexpr Op<T> sign_op{
    .name = "sign",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<T>& e) {
          detail::map_unary(e, [](T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : x; });
        },
    .sides = sides_of_difference<T>,
    .zero_derivative = true};

}  // namespace

template <class T>
Var<T> sub(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(sub_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> mul(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(mul_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> mul0(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(mul0_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> div(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(div_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> neg(Var<T> x, SourceLocation location) {
  return x.tape(location).record(neg_op<T>, {x}, {}, location);
}
template <class T>
Var<T> scale(Var<T> x, std::type_identity_t<T> factor, SourceLocation location) {
  return x.tape(location).record(scale_op<T>, {x}, {.numbers = {factor, 0}}, location);
}
template <class T>
Var<T> shift(Var<T> x, std::type_identity_t<T> term, SourceLocation location) {
  return x.tape(location).record(shift_op<T>, {x}, {.numbers = {term, 0}}, location);
}
template <class T>
Var<T> exp(Var<T> x, SourceLocation location) {
  return x.tape(location).record(exp_op<T>, {x}, {}, location);
}
template <class T>
Var<T> log(Var<T> x, SourceLocation location) {
  return x.tape(location).record(log_op<T>, {x}, {}, location);
}
template <class T>
Var<T> greater(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(greater_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> equal(Var<T> a, Var<T> b, SourceLocation location) {
  return a.tape(location).record(equal_op<T>, {a, b}, {}, location);
}
template <class T>
Var<T> sign(Var<T> x, SourceLocation location) {
  return x.tape(location).record(sign_op<T>, {x}, {}, location);
}

#define CHAINRULE_INSTANTIATE(T)                                          \
  template Var<T> sub(Var<T>, Var<T>, SourceLocation);                    \
  template Var<T> mul(Var<T>, Var<T>, SourceLocation);                    \
  template Var<T> mul0(Var<T>, Var<T>, SourceLocation);                   \
  template Var<T> div(Var<T>, Var<T>, SourceLocation);                    \
  template Var<T> neg(Var<T>, SourceLocation);                            \
  template Var<T> scale(Var<T>, std::type_identity_t<T>, SourceLocation); \
  template Var<T> shift(Var<T>, std::type_identity_t<T>, SourceLocation); \
  template Var<T> exp(Var<T>, SourceLocation);                            \
  template Var<T> log(Var<T>, SourceLocation);                            \
  template Var<T> greater(Var<T>, Var<T>, SourceLocation);                \
  template Var<T> equal(Var<T>, Var<T>, SourceLocation);                  \
  template Var<T> sign(Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
