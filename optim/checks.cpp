#include <chainrule/optim/checks.hpp>

#include <fmt/format.h>

#include <cmath>

namespace chainrule::detail {

void expect_option(bool holds, std::string_view operation, std::string_view name, double value,
                   std::string_view expected, SourceLocation location) {
  if (holds) return;
  throw UsageError(operation, fmt::format("{} {}: expected {}", name, value, expected), location);
}

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
