#include <chainrule/check/formulas.hpp>

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace chainrule::detail {

namespace {

/// $g: the cotangent, $y: the node, $x: the input that is meant, $a and $b: inputs 0 and 1,
/// $c: the first number of the attributes.
struct Formula {
  std::string_view op;
  int input;  // -1: any
  std::string_view text;
};
constexpr std::array formulas{
    Formula{"add", -1, "$g"},
    Formula{"sub", 0, "$g"},
    Formula{"sub", 1, "-$g"},
    Formula{"mul", 0, "$g o $b"},
    Formula{"mul", 1, "$g o $a"},
    Formula{"mul0", 0, "$g o $b"},
    Formula{"mul0", 1, "$g o $a"},
    Formula{"div", 0, "$g / $b"},
    Formula{"div", 1, "-$g o $y / $b"},
    Formula{"neg", -1, "-$g"},
    Formula{"scale", -1, "$c $g"},
    Formula{"shift", -1, "$g"},
    Formula{"exp", -1, "$g o $y"},
    Formula{"log", -1, "$g / $x"},
    Formula{"square", -1, "2 $g o $x"},
    Formula{"sqrt", -1, "$g / (2 $y)"},
    Formula{"reciprocal", -1, "-$g o $y^2"},
    Formula{"abs", -1, "$g o sign($x)"},
    Formula{"sin", -1, "$g o cos($x)"},
    Formula{"cos", -1, "-$g o sin($x)"},
    Formula{"sigmoid", -1, "$g o $y o (1 - $y)"},
    Formula{"tanh", -1, "$g o (1 - $y^2)"},
    Formula{"improved_sigmoid", -1, "$g o 1.7159 * 2/3 * sech^2(2 $x/3)"},
    Formula{"relu", -1, "$g o [$x > 0]"},
    Formula{"leaky_relu", -1, "$g o (1 where $x > 0, else $c)"},
    Formula{"gelu", -1, "$g o (Phi($x) + $x o phi($x))"},
    Formula{"silu", -1, "$g o (sigmoid($x) + $x o sigmoid'($x))"},
    Formula{"softplus", -1, "$g o sigmoid($x)"},
    Formula{"softmax", -1, "$y o ($g - sum($g o $y))"},
    Formula{"log_softmax", -1, "$g - softmax($x) o sum($g)"},
    Formula{"logsumexp", -1, "$g o softmax($x)"},
    Formula{"linear", 0, "$g $b^T"},
    Formula{"linear", 1, "$a^T $g"},
    Formula{"linear", 2, "the sum of $g over its rows"},
    Formula{"sum", -1, "$g, on every entry that was summed"},
    Formula{"reshape", -1, "$g, reshaped"},
    Formula{"transpose", -1, "$g, transposed back"},
    Formula{"broadcast_to", -1, "$g, summed back"},
    Formula{"sum_to", -1, "$g, broadcast back"},
    Formula{"pick", -1, "$g at the labels, else 0"},
    Formula{"gather_rows", -1, "$g, added up by row"},
    Formula{"variance", -1, "2 $g o ($x - mean $x) / n"},
    Formula{"pow", 0, "$g o $c $x^($c - 1)"},
};

constexpr std::array<std::array<std::string_view, 2>, 4> products{{{"$g $b^T", "$a^T $g"},
                                                                   {"$b $g^T", "$a $g"},
                                                                   {"$g $b", "$g^T $a"},
                                                                   {"$b^T $g^T", "$g^T $a^T"}}};

}  // namespace

namespace {

/// "scale(X, 0.5)", with what `name` says of the inputs.
template <class Name>
std::string call(const Graph& graph, NodeId node, Name name) {
  const Graph::Step& step = graph.step(node);
  std::string operands;
  for (const NodeId in : step.inputs) operands += (operands.empty() ? "" : ", ") + name(in);
  if (step.op->name == "scale" || step.op->name == "shift" || step.op->name == "pow") {
    operands += fmt::format(", {:.6g}", step.attributes.numbers[0]);
  }
  return fmt::format("{}({})", step.op->name, operands);
}

std::string spell(const Graph& graph, NodeId node, int depth) {
  const Graph::Step& step = graph.step(node);
  if (!step.name.empty() || step.is_leaf() || depth == 0) return graph.name(node);
  return call(graph, node, [&](NodeId in) { return spell(graph, in, depth - 1); });
}

}  // namespace

std::string name_of(const Graph& graph, NodeId node, Unnamed unnamed) {
  if (unnamed == Unnamed::numbered) return graph.name(node);
  for (int depth = 4; depth > 0; --depth) {
    std::string text = spell(graph, node, depth);
    if (text.size() <= 60) return text;
  }
  return graph.name(node);
}

std::string adjoint_name(const Graph& graph, NodeId node, Unnamed unnamed) {
  const std::string name = name_of(graph, node, unnamed);
  return name.ends_with(')') && name != graph.step(node).name ? "d(" + name + ")" : "d" + name;
}

std::string node_formula(const Graph& graph, NodeId node, Unnamed unnamed) {
  std::string right = call(graph, node, [&](NodeId in) { return name_of(graph, in, unnamed); });
  if (unnamed == Unnamed::spelled && graph.step(node).name.empty()) return right;
  return fmt::format("{} = {}", graph.name(node), right);
}

std::string rule_formula(const Graph& graph, NodeId node, int input, Unnamed unnamed) {
  const Graph::Step& step = graph.step(node);
  std::string_view pattern;
  if (step.op->name == "matmul") {
    pattern = products[step.attributes.flags & 3u][static_cast<std::size_t>(input)];
  }
  for (const Formula& formula : formulas) {
    if (formula.op == step.op->name && (formula.input < 0 || formula.input == input)) {
      pattern = formula.text;
    }
  }
  if (pattern.empty())
    return fmt::format("the rule of {} on {}", step.op->name, adjoint_name(graph, node, unnamed));
  const auto operand = [&](std::size_t i) {
    return i < step.inputs.size() ? name_of(graph, step.inputs[i], unnamed) : std::string();
  };
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '$') {
      text += pattern[i];
      continue;
    }
    switch (pattern[++i]) {
      case 'g':
        text += adjoint_name(graph, node, unnamed);
        break;
      case 'y':
        text += name_of(graph, node, unnamed);
        break;
      case 'a':
        text += operand(0);
        break;
      case 'b':
        text += operand(1);
        break;
      case 'c':
        text += fmt::format("{:.6g}", step.attributes.numbers[0]);
        break;
      default:
        text += operand(static_cast<std::size_t>(input));
        break;
    }
  }
  const Shape& to = graph.step(step.inputs[static_cast<std::size_t>(input)]).shape;
  const std::string_view op = step.op->name;
  const bool broadcasts = op == "add" || op == "sub" || op == "mul" || op == "div" || op == "mul0";
  if (broadcasts && to != step.shape) text += fmt::format(", summed to {}", to_string(to));
  return text;
}

}  // namespace chainrule::detail
