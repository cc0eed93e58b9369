// Rules as people write them. Internal.
#pragma once

#include <chainrule/check/altered.hpp>
#include <string>

namespace chainrule::detail {

/// "Z1 = matmul(X, W1)".
std::string node_formula(const Graph& graph, NodeId node);
/// What `node` gives to its input: "dZ1 W1^T" for matmul's first. o is the product entry by entry.
std::string rule_formula(const Graph& graph, NodeId node, int input);
/// "dX" for a node named X.
std::string adjoint_name(const Graph& graph, NodeId node);

}  // namespace chainrule::detail
