// Dropout, whose mask is a function of the seed, the step and the entry's place.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/ops/ops.hpp>

#include <bit>
#include <cmath>

namespace chainrule {

namespace {

// numbers = (rate, the seed's bits); indices: the step. Linear, and its own adjoint.
template <class T>
constexpr Op<T> dropout_op{
    .name = "dropout",
    .shape = detail::same_shape,
    .forward =
        [](const Evaluation<T>& e) {
          const Attributes& a = e.attributes();
          const Random random(std::bit_cast<std::uint64_t>(a.numbers[1]), Purpose::dropout,
                              static_cast<std::uint32_t>(a.indices[0]));
          const T factor = static_cast<T>(1 / (1 - a.numbers[0]));
          // Words below it, a share `rate` of all, are dropped.
          const auto bound = static_cast<std::uint64_t>(std::ldexp(a.numbers[0], 32));
          const T* x = e.input(0).data();
          T* y = e.output().data();
          const std::int64_t n = e.output().size();
          for (std::int64_t i = 0; i < n; i += 4) {
            const auto words = random.block(static_cast<std::uint64_t>(i / 4));
            const std::int64_t count = std::min<std::int64_t>(4, n - i);
            for (std::int64_t j = 0; j < count; ++j) {
              const bool keep = words[static_cast<std::size_t>(j)] >= bound;
              y[i + j] = x[i + j] * (keep ? factor : T(0));  // a NaN passes
            }
          }
        },
    .adjoint =
        [](const Adjoint<T>& n, int) {
          return n.cotangent().tape().record(dropout_op<T>, {n.cotangent()}, n.attributes());
        },
    .check =
        [](const Evaluation<T>& e) {
          if (e.attributes().indices[0] < 0) {
            throw LabelError(
                "dropout",
                fmt::format("step {}: expected a number >= 0", e.attributes().indices[0]),
                e.node().location);
          }
        }};

}  // namespace

template <class T>
Var<T> dropout(Var<T> x, double rate, std::uint64_t seed, const std::int32_t& step,
               SourceLocation location) {
  if (!(rate >= 0 && rate < 1)) {
    throw UsageError("dropout", fmt::format("a rate of {}: expected 0 <= rate < 1", rate),
                     location);
  }
  return x.tape(location).record(
      dropout_op<T>, {x},
      {.numbers = {rate, std::bit_cast<double>(seed)}, .indices = std::span(&step, 1)}, location);
}

template Var<float> dropout(Var<float>, double, std::uint64_t, const std::int32_t&, SourceLocation);
template Var<double> dropout(Var<double>, double, std::uint64_t, const std::int32_t&,
                             SourceLocation);

}  // namespace chainrule
