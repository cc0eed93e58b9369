// What the optimizers check alike: their options, and the arguments of a step. Internal.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <string_view>

namespace chainrule::detail {

/// Throws UsageError "[operation] name value: expected ..." unless `holds`.
void expect_option(bool holds, std::string_view operation, std::string_view name, double value,
                   std::string_view expected, SourceLocation location);

/// learning_rate rate_factor, the rate of this step. Throws ShapeError unless `count` parameters
/// are those that the optimizer was made for, and UsageError for a factor that is negative or not
/// finite; both before anything has changed.
double rate_of_step(std::string_view operation, double learning_rate, double rate_factor,
                    std::int64_t count, std::int64_t made_for);

}  // namespace chainrule::detail
