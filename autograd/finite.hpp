// The check for values that are not finite, as tape and plan make it where it is switched on.
// Internal.
#pragma once

#include <chainrule/autograd/op.hpp>

namespace chainrule::detail {

/// Row-major index of the first infinity or NaN; -1 where there is none.
template <class T>
std::int64_t first_not_finite(TensorView<const T> values);

/// "log 'L'", or "log" for a node without a name.
template <class T>
std::string describe(const Node<T>& node, std::string_view name);

/// Throws the NumericError for entry `index` of `node`: names the operation, all shapes, which
/// inputs were finite, and the user's line. `of` describes the node whose rule recorded this one
/// ("" for a forward node), `when` says at which run ("" on a tape).
template <class T>
[[noreturn]] void throw_not_finite(const Node<T>* nodes, const Node<T>& node, std::string_view name,
                                   std::int64_t index, std::string_view of, std::string_view when);

}  // namespace chainrule::detail
