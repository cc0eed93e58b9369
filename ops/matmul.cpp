// Matrix products: matmul with transposition flags, and the linear layer.
#include <fmt/format.h>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>

namespace chainrule {

namespace {

bool transposes_a(std::uint32_t flags) { return (flags & 1u) != 0; }
bool transposes_b(std::uint32_t flags) { return (flags & 2u) != 0; }

/// op(A)'s or op(B)'s dimensions, leading axes folded.
std::pair<std::int64_t, std::int64_t> dimensions(const Shape& shape, bool transposed) {
  return transposed ? std::pair(shape[1], shape[0]) : std::pair(shape.rows(), shape.last());
}

/// The same entries as a matrix.
template <class T>
Var<T> folded(Var<T> x) {
  return reshape(x, {x.shape().rows(), x.shape().last()});
}

std::string with_flag(const Shape& shape, bool transposed) {
  return to_string(shape) + (transposed ? "^T" : "");
}

/// Which flags would make the two conform: " (they conform with Transpose::b)", or "".
std::string conforming_flags(const Shape& a, const Shape& b) {
  constexpr const char* names[] = {"none", "a", "b", "both"};
  std::string found;
  for (std::uint32_t flags = 0; flags < 4; ++flags) {
    if (a.rank() > 2 && transposes_a(flags)) continue;
    if (dimensions(a, transposes_a(flags)).second != dimensions(b, transposes_b(flags)).first) {
      continue;
    }
    found += fmt::format("{}Transpose::{}", found.empty() ? "" : " or ", names[flags]);
  }
  return found.empty() ? "" : fmt::format("; they conform with {}", found);
}

Shape product_shape(const Call& call, std::uint32_t flags) {
  if (flags > static_cast<std::uint32_t>(Transpose::both)) {
    throw UsageError(call.op, fmt::format("unknown transposition flags {}: expected 0 to 3", flags),
                     call.location);
  }
  const Shape &a = call.input(0), &b = call.input(1);
  const bool ta = transposes_a(flags), tb = transposes_b(flags);
  const bool folds = call.op == "matmul" && !ta && a.rank() > 2;
  if ((a.rank() != 2 && !folds) || b.rank() != 2) {
    throw ShapeError(call.op,
                     fmt::format("{} x {}: ranks are {} and {}, expected {} and 2",
                                 with_flag(a, ta), with_flag(b, tb), a.rank(), b.rank(),
                                 call.op == "matmul" && !ta ? "2 to 4" : "2"),
                     call.location);
  }
  const auto [m, k] = dimensions(a, ta);
  const auto [k_b, n] = dimensions(b, tb);
  if (k != k_b) {
    throw ShapeError(
        call.op,
        fmt::format("{} x {}: inner dimensions {} and {} differ{}", with_flag(a, ta),
                    with_flag(b, tb), k, k_b, call.op == "matmul" ? conforming_flags(a, b) : ""),
        call.location);
  }
  switch (a.rank()) {
    case 3:
      return {a[0], a[1], n};
    case 4:
      return {a[0], a[1], a[2], n};
    default:
      return {m, n};
  }
}

template <class T>
constexpr Op<T> matmul_op{
    "matmul",
    [](const Call& call) {
      call.expect_inputs(2);
      return product_shape(call, call.attributes.flags);
    },
    [](const Evaluation<T>& e) {
      const std::uint32_t flags = e.attributes().flags;
      const TensorView<const T> a = e.input(0), b = e.input(1);
      const auto [m, k] = dimensions(a.shape(), transposes_a(flags));
      blas::gemm(transposes_a(flags), transposes_b(flags), m, e.output().shape().last(), k,
                 a.data(), b.data(), e.output().data());
    },
    [](const Adjoint<T>& n, int i) {
      const Var<T> g = n.cotangent(), a = n.input(0), b = n.input(1);
      switch (static_cast<Transpose>(n.attributes().flags)) {
        case Transpose::a:  // C = A^T B
          return i == 0 ? matmul(b, g, Transpose::b) : matmul(a, g);
        case Transpose::b:  // C = A B^T
          return i == 0 ? matmul(g, b) : matmul(folded(g), folded(a), Transpose::a);
        case Transpose::both:  // C = A^T B^T
          return i == 0 ? matmul(b, g, Transpose::both) : matmul(g, a, Transpose::both);
        case Transpose::none:
        default:
          return i == 0 ? matmul(g, b, Transpose::b) : matmul(folded(a), folded(g), Transpose::a);
      }
    }};

template <class T>
constexpr Op<T> linear_op{
    "linear",
    [](const Call& call) {
      call.expect_inputs(3);
      const Shape shape = product_shape(call, 0);
      if (call.input(2) != Shape{shape[1]}) {
        throw ShapeError(call.op,
                         fmt::format("{} x {} + {}: expected a bias of shape {}",
                                     to_string(call.input(0)), to_string(call.input(1)),
                                     to_string(call.input(2)), to_string(Shape{shape[1]})),
                         call.location);
      }
      return shape;
    },
    [](const Evaluation<T>& e) {
      const TensorView<const T> x = e.input(0), w = e.input(1), b = e.input(2);
      const TensorView<T> y = e.output();
      // The product is added to rows that hold the bias already: one pass over y saved.
      for (std::int64_t row = 0; row < y.shape()[0]; ++row) {
        std::copy_n(b.data(), b.size(), y.data() + row * b.size());
      }
      blas::gemm(false, false, y.shape()[0], y.shape()[1], x.shape()[1], x.data(), w.data(),
                 y.data(), true);
    },
    [](const Adjoint<T>& n, int i) {
      const Var<T> g = n.cotangent();
      if (i == 0) return matmul(g, n.input(1), Transpose::b);
      if (i == 1) return matmul(n.input(0), g, Transpose::a);
      return sum(g, {0});
    }};

}  // namespace

template <class T>
Var<T> matmul(Var<T> a, Var<T> b, Transpose transpose, SourceLocation location) {
  return a.tape(location).record(matmul_op<T>, {a, b},
                                 {.flags = static_cast<std::uint32_t>(transpose)}, location);
}

template <class T>
Var<T> linear(Var<T> x, Var<T> w, Var<T> b, SourceLocation location) {
  return x.tape(location).record(linear_op<T>, {x, w, b}, {}, location);
}

template Var<float> matmul(Var<float>, Var<float>, Transpose, SourceLocation);
template Var<double> matmul(Var<double>, Var<double>, Transpose, SourceLocation);
template Var<float> linear(Var<float>, Var<float>, Var<float>, SourceLocation);
template Var<double> linear(Var<double>, Var<double>, Var<double>, SourceLocation);

}  // namespace chainrule
