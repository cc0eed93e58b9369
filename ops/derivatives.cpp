#include <chainrule/ops/derivatives.hpp>

#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

namespace chainrule {

namespace {

/// One for each of `wrt`, of its shape, on its tape.
template <class T>
void expect_vectors(std::span<const Var<T>> wrt, std::span<const Var<T>> vectors,
                    std::string_view operation, SourceLocation location) {
  if (wrt.size() != vectors.size()) {
    throw ShapeError(operation,
                     fmt::format("{} vectors for {} variables: expected one for each",
                                 vectors.size(), wrt.size()),
                     location);
  }
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    const Shape shape = wrt[i].shape(location), given = vectors[i].shape(location);
    if (given != shape) {
      throw ShapeError(operation,
                       fmt::format("vector {} has shape {}: expected that of its variable, {}", i,
                                   to_string(given), to_string(shape)),
                       location);
    }
  }
}

template <class T>
void expect_scalar(Var<T> y, std::string_view operation, SourceLocation location) {
  if (y.shape(location).size() != 1) {
    throw ShapeError(operation,
                     fmt::format("y has shape {}: expected one element", to_string(y.shape())),
                     location);
  }
}

/// gradients() of sum_i <v_i, y_i>, without names.
template <class T>
std::span<const Var<T>> pull_back(std::span<const Var<T>> ys, std::span<const Var<T>> vs,
                                  std::span<const Var<T>> wrt, SourceLocation location) {
  Tape<T>& tape = wrt[0].tape(location);
  if (ys.size() == 1) return tape.gradients(ys[0], wrt, vs[0], location, false);
  Var<T> product = sum(mul(ys[0], vs[0], location), {}, false, location);
  for (std::size_t i = 1; i < ys.size(); ++i) {
    product = add(product, sum(mul(ys[i], vs[i], location), {}, false, location), location);
  }
  return tape.gradients(product, wrt, {}, location, false);
}

/// dy/dx_i^T u for each x_i, as something that can be differentiated with respect to u, and u. Its
/// own value does not matter.
template <class T>
struct LinearInCotangent {
  Var<T> u;
  std::span<const Var<T>> products;

  LinearInCotangent(Var<T> y, std::span<const Var<T>> wrt, SourceLocation location)
      : u(y.tape(location).constant(T(0), y.shape(location), location)),
        products(u.tape().gradients(y, wrt, u, location, false)) {}
};

}  // namespace

template <class T>
std::span<const Var<T>> vjp(Var<T> y, VarList<std::type_identity_t<T>> wrt,
                            std::type_identity_t<Var<T>> u, SourceLocation location) {
  Tape<T>& tape = y.tape(location);
  tape.expect_own(y, "vjp", location);
  tape.expect_own(u, "vjp", location);  // gradients() takes none for a cotangent of one
  return tape.gradients(y, wrt, u, location);
}

template <class T>
Var<T> jvp(Var<T> y, VarList<std::type_identity_t<T>> wrt,
           VarList<std::type_identity_t<T>> tangents, SourceLocation location) {
  Tape<T>& tape = y.tape(location);
  const std::span<const Var<T>> xs = wrt, vs = tangents;
  tape.expect_own(y, "jvp", location);
  for (const auto& list : {xs, vs}) {
    for (const Var<T>& var : list) tape.expect_own(var, "jvp", location);
  }
  expect_vectors(xs, vs, "jvp", location);
  if (xs.empty()) return tape.constant(T(0), y.shape(), location);
  const LinearInCotangent<T> back(y, xs, location);
  return pull_back<T>(back.products, vs, {&back.u, 1}, location)[0];
}

template <class T>
std::span<const Var<T>> hvp(Var<T> y, VarList<std::type_identity_t<T>> wrt,
                            VarList<std::type_identity_t<T>> vectors, SourceLocation location) {
  Tape<T>& tape = y.tape(location);
  const std::span<const Var<T>> xs = wrt, vs = vectors;
  tape.expect_own(y, "hvp", location);
  for (const auto& list : {xs, vs}) {
    for (const Var<T>& var : list) tape.expect_own(var, "hvp", location);
  }
  expect_scalar(y, "hvp", location);
  expect_vectors(xs, vs, "hvp", location);
  if (xs.empty()) return {};
  return pull_back<T>(tape.gradients(y, xs, {}, location, false), vs, xs, location);
}

template <class T>
Var<T> jacobian(Var<T> y, Var<T> x, SourceLocation location) {
  Tape<T>& tape = y.tape(location);
  tape.expect_own(y, "jacobian", location);
  tape.expect_own(x, "jacobian", location);
  const Shape y_shape = y.shape(), x_shape = x.shape();
  const std::int64_t m = y_shape.size(), n = x_shape.size();
  if (m == 0 || n == 0) return tape.constant(T(0), {m, n}, location);

  // A row or a column of the matrix is the product with a unit vector.
  const bool forward = n < m;
  std::vector<Var<T>> lines;
  const auto add_line = [&](Var<T> of, Var<T> wrt, const Shape& unit_shape, std::int64_t i) {
    Tensor<T> unit(unit_shape);
    unit[i] = 1;
    const Var<T> line =
        tape.gradients(of, {&wrt, 1}, tape.constant(unit, location), location, false)[0];
    lines.push_back(reshape(line, forward ? Shape{m, 1} : Shape{1, n}, location));
  };
  if (forward) {
    const LinearInCotangent<T> back(y, {&x, 1}, location);
    for (std::int64_t j = 0; j < n; ++j) add_line(back.products[0], back.u, x_shape, j);
  } else {
    for (std::int64_t i = 0; i < m; ++i) add_line(y, x, y_shape, i);
  }
  return concat(lines, forward ? 1 : 0, location);
}

template <class T>
Var<T> hessian(Var<T> y, Var<T> x, SourceLocation location) {
  Tape<T>& tape = y.tape(location);
  tape.expect_own(y, "hessian", location);
  tape.expect_own(x, "hessian", location);
  expect_scalar(y, "hessian", location);
  return jacobian(tape.gradients(y, {&x, 1}, {}, location, false)[0], x, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                        \
  template std::span<const Var<T>> vjp(Var<T>, VarList<T>, Var<T>, SourceLocation);     \
  template Var<T> jvp(Var<T>, VarList<T>, VarList<T>, SourceLocation);                  \
  template std::span<const Var<T>> hvp(Var<T>, VarList<T>, VarList<T>, SourceLocation); \
  template Var<T> jacobian(Var<T>, Var<T>, SourceLocation);                             \
  template Var<T> hessian(Var<T>, Var<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
