// Random samples of the registry's operations, by name.
#pragma once

#include <chainrule/ops/registry.hpp>
#include <string_view>

namespace chainrule::detail {

/// What draws random samples of the operation of that name; null where there is nothing.
OpSample (*random_sample_of(std::string_view operation))(Choices& choices);

}  // namespace chainrule::detail
