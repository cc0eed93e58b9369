// The check of integer leaves that operations share. For the .cpp files of this folder.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <span>
#include <string_view>

namespace chainrule::detail {

/// Throws LabelError, in the name of `operation`, for an index outside [0, count). Integer leaves
/// are checked at recording and before the first node is evaluated, at every run.
void check_indices(std::span<const std::int32_t> indices, std::int64_t count,
                   std::string_view operation, SourceLocation location);

}  // namespace chainrule::detail
