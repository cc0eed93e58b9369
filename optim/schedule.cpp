#include <chainrule/optim/checks.hpp>
#include <chainrule/optim/schedule.hpp>

#include <cmath>
#include <numbers>

namespace chainrule {

namespace {

void expect_steps(const char* operation, const char* name, std::int64_t value, std::int64_t least,
                  SourceLocation location) {
  detail::expect_option(value >= least, operation, name, static_cast<double>(value),
                        least == 0 ? "at least 0" : "at least 1", location);
}

}  // namespace

Schedule constant_rate() {
  return [](std::int64_t) { return 1.0; };
}

Schedule step_decay(std::int64_t every, double factor, SourceLocation location) {
  expect_steps("step_decay", "every", every, 1, location);
  detail::expect_option(factor > 0 && factor <= 1, "step_decay", "factor", factor,
                        "0 < factor <= 1", location);
  return [=](std::int64_t step) {
    const std::int64_t drops = step / every;
    return std::pow(factor, static_cast<double>(drops));
  };
}

Schedule cosine_decay(std::int64_t steps, double final, SourceLocation location) {
  expect_steps("cosine_decay", "steps", steps, 1, location);
  detail::expect_option(final >= 0 && final <= 1, "cosine_decay", "final", final, "0 <= final <= 1",
                        location);
  return [=](std::int64_t step) {
    if (step >= steps) return final;
    const double done = static_cast<double>(step) / static_cast<double>(steps);
    return final + (1 - final) * (1 + std::cos(std::numbers::pi * done)) / 2;
  };
}

Schedule warm_up(std::int64_t steps, Schedule then, SourceLocation location) {
  expect_steps("warm_up", "steps", steps, 0, location);
  if (!then) then = constant_rate();
  return [steps, then = std::move(then)](std::int64_t step) {
    if (step >= steps) return then(step - steps);
    return static_cast<double>(step + 1) / static_cast<double>(steps + 1) * then(0);
  };
}

}  // namespace chainrule
