// Losses, each composed from operations.
#include <fmt/format.h>
#include <chainrule/ops/indices.hpp>
#include <chainrule/ops/ops.hpp>

namespace chainrule {

namespace {

/// The number of rows of logits (N, K). Throws ShapeError in the loss's name.
std::int64_t expect_rows(const Shape& logits, const char* operation, SourceLocation location) {
  if (logits.rank() != 2 || logits.size() == 0) {
    throw ShapeError(operation,
                     fmt::format("logits {}: expected (N, K) with at least one row and one class",
                                 to_string(logits)),
                     location);
  }
  return logits[0];
}

/// Throws ShapeError, in the loss's name, unless both have one shape with at least one entry. The
/// names are what the loss calls them.
template <class T>
void expect_pair(Var<T> a, const char* name_a, Var<T> b, const char* name_b, const char* operation,
                 SourceLocation location) {
  a.tape(location).expect_own(a, operation, location);
  a.tape().expect_own(b, operation, location);
  if (a.shape() == b.shape() && a.shape().size() > 0) return;
  throw ShapeError(operation,
                   fmt::format("{} {} and {} {}: expected equal shapes of at least one entry",
                               name_a, to_string(a.shape()), name_b, to_string(b.shape())),
                   location);
}

}  // namespace

template <class T>
Var<T> softmax_cross_entropy(Var<T> logits, Var<T> targets, SourceLocation location) {
  const char* operation = "softmax_cross_entropy";
  const std::int64_t rows = expect_rows(logits.shape(location), operation, location);
  if (targets.shape(location) != logits.shape()) {
    throw ShapeError(operation,
                     fmt::format("logits {} and targets {}: expected equal shapes",
                                 to_string(logits.shape()), to_string(targets.shape())),
                     location);
  }
  const Var<T> terms = mul0(targets, log_softmax(logits, location), location);
  return scale(sum(terms, {}, false, location), T(-1) / static_cast<T>(rows), location);
}

template <class T>
Var<T> softmax_cross_entropy_with_indices(Var<T> logits, std::span<const std::int32_t> labels,
                                          SourceLocation location) {
  const char* operation = "softmax_cross_entropy_with_indices";
  const std::int64_t rows = expect_rows(logits.shape(location), operation, location);
  // What pick would find out, found out before log_softmax is recorded.
  if (std::ssize(labels) != rows) {
    throw ShapeError(operation,
                     fmt::format("logits {} with {} labels: expected one label a row",
                                 to_string(logits.shape()), labels.size()),
                     location);
  }
  detail::check_indices(labels, logits.shape()[1], operation, location);
  const Var<T> terms = pick(log_softmax(logits, location), labels, location);
  return scale(sum(terms, {}, false, location), T(-1) / static_cast<T>(rows), location);
}

template <class T>
Var<T> mse(Var<T> prediction, Var<T> target, SourceLocation location) {
  expect_pair(prediction, "prediction", target, "target", "mse", location);
  return mean(square(sub(prediction, target, location), location), {}, false, location);
}

template <class T>
Var<T> binary_cross_entropy_with_logits(Var<T> logits, Var<T> targets, SourceLocation location) {
  expect_pair(logits, "logits", targets, "targets", "binary_cross_entropy_with_logits", location);
  const Var<T> others = shift(neg(targets, location), T(1), location);
  // mul0: a target of 0 or 1 leaves out the other term, infinite or not.
  const Var<T> terms = add(mul0(targets, softplus(neg(logits, location), location), location),
                           mul0(others, softplus(logits, location), location), location);
  return mean(terms, {}, false, location);
}

template <class T>
Var<T> huber(Var<T> prediction, Var<T> target, std::type_identity_t<T> delta,
             SourceLocation location) {
  expect_pair(prediction, "prediction", target, "target", "huber", location);
  if (!(delta > 0)) {
    throw UsageError("huber", fmt::format("a delta of {}: expected a positive number", delta),
                     location);
  }
  const Var<T> d = sub(prediction, target, location);
  const Var<T> c = clamp(d, -delta, delta, location);
  const Var<T> terms = mul(c, sub(d, scale(c, T(0.5), location), location), location);
  return mean(terms, {}, false, location);
}

#define CHAINRULE_INSTANTIATE(T)                                                            \
  template Var<T> softmax_cross_entropy(Var<T>, Var<T>, SourceLocation);                    \
  template Var<T> softmax_cross_entropy_with_indices(Var<T>, std::span<const std::int32_t>, \
                                                     SourceLocation);                       \
  template Var<T> mse(Var<T>, Var<T>, SourceLocation);                                      \
  template Var<T> binary_cross_entropy_with_logits(Var<T>, Var<T>, SourceLocation);         \
  template Var<T> huber(Var<T>, Var<T>, std::type_identity_t<T>, SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
