#include <chainrule/optim/checks.hpp>

#include <fmt/format.h>

#include <cmath>

namespace chainrule::detail {

void expect_option(bool holds, std::string_view operation, std::string_view name, double value,
                   std::string_view expected, SourceLocation location) {
  if (holds) return;
  throw UsageError(operation, fmt::format("{} {}: expected {}", name, value, expected), location);
}

template <class T>
void expect_positive(std::string_view operation, std::string_view name, double value,
                     SourceLocation location) {
  expect_option(value > 0 && std::isfinite(value), operation, name, value, "a positive number",
                location);
  const T rounded = static_cast<T>(value);
  expect_option(rounded > 0 && std::isfinite(rounded), operation, name, value,
                rounded > 0 ? "a number that is not infinite in the model's precision"
                            : "a number that is not 0 in the model's precision",
                location);
}

template <class T>
void expect_not_negative(std::string_view operation, std::string_view name, double value,
                         SourceLocation location) {
  if (value > 0 && std::isfinite(value)) {
    expect_positive<T>(operation, name, value, location);
  } else {
    expect_option(value == 0, operation, name, value, "a number of at least 0", location);
  }
}

template <class T>
void expect_complete(std::string_view operation, std::string_view which, const Dataset<T>& data,
                     SourceLocation location) {
  const auto labels = static_cast<std::int64_t>(data.labels.size());
  if (data.x.shape().rank() == 2 && data.y.shape().rank() == 2 &&
      data.y.shape()[0] == data.size() && labels == data.size()) {
    return;
  }
  throw ShapeError(operation,
                   fmt::format("the {} set has inputs {}, targets {} and {} labels: expected (N, I), "
                               "(N, K) and N",
                               which, to_string(data.x.shape()), to_string(data.y.shape()), labels),
                   location);
}

#define CHAINRULE_INSTANTIATE(T)                                                                   \
  template void expect_positive<T>(std::string_view, std::string_view, double, SourceLocation);    \
  template void expect_not_negative<T>(std::string_view, std::string_view, double, SourceLocation); \
  template void expect_complete(std::string_view, std::string_view, const Dataset<T>&,             \
                                SourceLocation);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

double rate_of_step(std::string_view operation, double learning_rate, double rate_factor,
                    std::int64_t count, std::int64_t made_for) {
  if (count != made_for) {
    throw ShapeError(operation,
                     fmt::format("{} parameters: this optimizer was made for {}", count, made_for));
  }
  expect_option(rate_factor >= 0 && std::isfinite(rate_factor), operation, "rate factor",
                rate_factor, "a number of at least 0", {});
  return learning_rate * rate_factor;
}

}  // namespace chainrule::detail
