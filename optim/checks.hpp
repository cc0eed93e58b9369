// What optimizers and training check alike: options, the arguments of a step, and data. Internal.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/data/dataset.hpp>
#include <cstdint>
#include <string_view>

namespace chainrule::detail {

/// Throws UsageError "[operation] name value: expected ..." unless `holds`.
void expect_option(bool holds, std::string_view operation, std::string_view name, double value,
                   std::string_view expected, SourceLocation location);

/// Throws UsageError unless `value` is positive and finite, in double and when rounded to T.
template <class T>
void expect_positive(std::string_view operation, std::string_view name, double value,
                     SourceLocation location);
/// The same for a number that may be zero, unless it merely rounds to it.
template <class T>
void expect_not_negative(std::string_view operation, std::string_view name, double value,
                         SourceLocation location);

/// Throws ShapeError unless each row of inputs has its targets (N, K) and its label.
template <class T>
void expect_complete(std::string_view operation, std::string_view which, const Dataset<T>& data,
                     SourceLocation location);

/// learning_rate rate_factor, the rate of this step. Throws ShapeError unless `count` parameters
/// are those that the optimizer was made for, and UsageError for a factor that is negative or not
/// finite; both before anything has changed.
double rate_of_step(std::string_view operation, double learning_rate, double rate_factor,
                    std::int64_t count, std::int64_t made_for);

}  // namespace chainrule::detail
