// Rules as people write them. Internal.
#pragma once

#include <chainrule/check/altered.hpp>
#include <string>

namespace chainrule::detail {

/// How a node without a name is called.
enum class Unnamed {
  numbered,  ///< "%7", where a line of its own says what that is
  spelled,   ///< "matmul(X, square(W1))"; numbered where that is long
};
/// The name, where the node has one.
std::string name_of(const Graph& graph, NodeId node, Unnamed unnamed);
/// "Z1 = matmul(X, W1)"; of a node that is spelled the right side alone.
std::string node_formula(const Graph& graph, NodeId node, Unnamed unnamed = Unnamed::numbered);
/// What `node` gives to its input: "dZ1 W1^T" for matmul's first. o is the product entry by entry.
std::string rule_formula(const Graph& graph, NodeId node, int input,
                         Unnamed unnamed = Unnamed::numbered);
/// "dX" for a node named X, "d(matmul(X, W1))" for one that is spelled.
std::string adjoint_name(const Graph& graph, NodeId node, Unnamed unnamed = Unnamed::numbered);

}  // namespace chainrule::detail
