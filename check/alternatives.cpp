// One rule altered at one node of any graph: the backward pass is tape, so that each rule can be
// run on other values, left out, or run twice.
#include <chainrule/check/candidates.hpp>
#include <chainrule/check/formulas.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/ops/ops.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace chainrule::detail {

namespace {

using At = Edit::At;

/// Elementwise functions whose derivatives are taken for each other's.
struct Function {
  std::string_view name;
  V (*value)(V x);
};
const std::array<Function, 9> functions{{
    {"sigmoid", [](V x) { return sigmoid(x); }},
    {"tanh", [](V x) { return tanh(x); }},
    {"improved_sigmoid", [](V x) { return improved_sigmoid(x); }},
    {"relu", [](V x) { return relu(x); }},
    {"gelu", [](V x) { return gelu(x); }},
    {"silu", [](V x) { return silu(x); }},
    {"softplus", [](V x) { return softplus(x); }},
    {"elu", [](V x) { return elu(x); }},
    {"normal_cdf", [](V x) { return normal_cdf(x); }},
}};

bool is_function(std::string_view name) {
  return std::ranges::find(functions, name, &Function::name) != functions.end();
}

/// The rule of `op` for input `input` on other inputs than the node has.
V rule_on(const Site& s, const Op<double>& op, std::span<const V> inputs, V cotangent) {
  const V node = cotangent.tape().record(op, inputs, s.attributes());
  return op.adjoint(Adjoint<double>(node.tape(), node.id(), cotangent), s.input);
}

class Alternatives {
 public:
  Alternatives(const Graph& graph, std::span<const NodeId> wrong)
      : graph_(graph), wrong_(wrong), below_(graph.size()) {
    // Which of the wrong nodes each node's adjoint reaches.
    for (NodeId id = 0; id < graph.size(); ++id) {
      below_[id].assign(wrong.size(), false);
      for (std::size_t k = 0; k < wrong.size(); ++k) below_[id][k] = wrong[k] == id;
      if (graph.step(id).op->zero_derivative) continue;
      for (const NodeId in : graph.step(id).inputs) {
        for (std::size_t k = 0; k < wrong.size(); ++k) {
          if (below_[in][k]) below_[id][k] = true;
        }
      }
    }
    for (NodeId id = 0; id < graph.size(); ++id) {
      if (!graph.step(id).name.empty() || graph.step(id).is_leaf()) nameable_.push_back(id);
    }
  }

  std::vector<Candidate> write() {
    for (NodeId id = graph_.size(); id-- > 0;) {
      const Graph::Step& step = graph_.step(id);
      if (step.is_leaf() || step.op->zero_derivative || !step.op->adjoint) continue;
      for (std::size_t i = 0; i < step.inputs.size(); ++i) {
        const NodeId in = step.inputs[i];
        if (!std::ranges::all_of(below_[in], [](bool reaches) { return reaches; })) continue;
        alter(id, static_cast<int>(i), in);
      }
    }
    add_decay();
    return std::move(found_);
  }

 private:
  /// lambda x added to the gradient of every wrong leaf x, with one lambda for all.
  void add_decay() {
    std::int64_t numbers = 0;
    for (const NodeId id : wrong_) {
      if (!graph_.step(id).is_leaf()) return;
      numbers += graph_.step(id).shape.size();
    }
    if (numbers < 3) return;  // one lambda fits one number always
    Candidate c;
    c.id = "weight-decay-extra";
    c.group = Group::steps;
    c.family = [nodes = std::vector<NodeId>(wrong_.begin(), wrong_.end())](double lambda) {
      std::vector<Edit> edits;
      edits.reserve(nodes.size());
      for (const NodeId x : nodes) {
        edits.push_back({At::leaf, x, 0, [lambda](const Site& s) {
                           return s.cotangent + scale(s.value(s.node), lambda);
                         }});
      }
      return edits;
    };
    c.low = 1e-12, c.high = 1e6, c.parameter = std::string("lambda");
    const std::string first = graph_.name(wrong_.front());
    c.have = fmt::format("d{0} = g + lambda {0}{1}", first,
                         wrong_.size() > 1 ? ", and so for the others that are wrong" : "");
    c.should = fmt::format("d{} = g", first);
    found_.push_back(std::move(c));
  }

  void add(std::string_view id, NodeId node, int input, std::function<V(const Site&)> make,
           const std::string& what) {
    Candidate c;
    c.id = id;
    c.node = node;
    c.edits = {{At::contribution, node, input, std::move(make)}};
    c.detail = what;
    const Graph::Step& step = graph_.step(node);
    const NodeId in = step.inputs[static_cast<std::size_t>(input)];
    const std::string at = step.location.to_string();
    const std::string where = at.empty() ? "" : " (" + at + ")";
    c.have = id == "contribution-lost"
                 ? what + where
                 : fmt::format("{} in the rule of {}{}",
                               what.empty() ? find_mistake(id).text : std::string_view(what),
                               node_formula(graph_, node, Unnamed::spelled), where);
    c.should = fmt::format("{}{} {} {}", contributions(in) > 1 ? "in " : "",
                           adjoint_name(graph_, in, Unnamed::spelled),
                           contributions(in) > 1 ? "there is" : "=",
                           rule_formula(graph_, node, input, Unnamed::spelled));
    found_.push_back(std::move(c));
  }
  void alter(NodeId id, int input, NodeId in) {
    const Graph::Step& step = graph_.step(id);
    const Shape &from = step.shape, &to = graph_.step(in).shape;
    const std::string_view op = step.op->name;
    add(
        "sign", id, input, [](const Site& s) { return neg(s.right()); }, "");
    if (contributions(in) > 1) {
      add(
          "contribution-lost", id, input, [](const Site&) { return V(); },
          fmt::format("what {} gets through {} is lost", adjoint_name(graph_, in, Unnamed::spelled),
                      spelled(id)));
      add(
          "contribution-doubled", id, input, [](const Site& s) { return scale(s.right(), 2.0); },
          "");
    } else {
      add(
          "factor-two", id, input, [](const Site& s) { return scale(s.right(), 2.0); }, "");
    }
    add(
        "factor-half", id, input, [](const Site& s) { return scale(s.right(), 0.5); }, "");
    if (op == "scale") {
      const bool mean = graph_.step(in).op->name == "sum";
      add(
          mean ? "mean-as-sum" : "factor-missing", id, input,
          [](const Site& s) { return s.cotangent; }, "");
    }
    if (op == "sum") add_sum_as_mean(id, input, in);
    if (from == to && step.inputs.size() == 1 && op != "scale" && op != "neg" && op != "shift") {
      add_elementwise(id, input);
    }
    if (op == "mul" || op == "div" || op == "mul0") {
      add(
          "factor-missing", id, input, [to](const Site& s) { return sum_to(s.cotangent, to); },
          fmt::format("{} is missing", spelled(other_input(id, input))));
    }
    if (op == "matmul" && step.attributes.flags == 0 && input == 0) {
      const Shape& w = graph_.step(step.inputs[1]).shape;
      if (w[0] == w[1]) {
        add(
            "weights-not-transposed", id, input,
            [](const Site& s) { return matmul(s.cotangent, s.input_value(1)); }, "");
      }
    }
    add_other_factors(id, input);
  }

  std::string spelled(NodeId id) const { return name_of(graph_, id, Unnamed::spelled); }
  NodeId other_input(NodeId id, int input) const {
    return graph_.step(id).inputs[static_cast<std::size_t>(1 - input)];
  }
  int contributions(NodeId in) const {
    int count = 0;
    for (const NodeId reader : graph_.readers(in)) {
      if (!graph_.step(reader).op->zero_derivative) ++count;
    }
    return count;
  }

  void add_sum_as_mean(NodeId id, int input, NodeId in) {
    const double count =
        static_cast<double>(graph_.step(in).shape.size()) /
        static_cast<double>(std::max<std::int64_t>(1, graph_.step(id).shape.size()));
    // A sum that is scaled to a mean has its 1/n there.
    for (const NodeId reader : graph_.readers(id)) {
      if (graph_.step(reader).op->name == "scale") return;
    }
    add(
        "sum-as-mean", id, input, [count](const Site& s) { return scale(s.right(), 1 / count); },
        "");
  }

  void add_elementwise(NodeId id, int input) {
    add(
        "derivative-missing", id, input, [](const Site& s) { return s.cotangent; }, "");
    add(
        "jacobian-twice", id, input, [](const Site& s) { return s.rule(s.right()); }, "");
    add(
        "derivative-at-output", id, input,
        [](const Site& s) {
          const V y = s.output();
          return rule_on(s, *s.walk.graph().step(s.node).op, std::span(&y, 1), s.cotangent);
        },
        "");
    if (graph_.step(id).op->name == "tanh") {
      add(
          "square-forgotten", id, input,
          [](const Site& s) { return s.cotangent - s.cotangent * s.output(); }, "1 - tanh");
    }
    if (!is_function(graph_.step(id).op->name)) return;
    for (const Function& g : functions) {
      if (g.name == graph_.step(id).op->name) continue;
      add(
          "other-activation-derivative", id, input,
          [&g](const Site& s) {
            const V other = g.value(s.input_value(0));
            const Node<double>& node = other.tape().node(other.id());
            return node.op->adjoint(Adjoint<double>(other.tape(), other.id(), s.cotangent), 0);
          },
          fmt::format("the derivative of {}", g.name));
    }
    if (graph_.step(id).op->name == "gelu") {
      add(
          "other-activation-derivative", id, input,
          [](const Site& s) {
            // y = x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3)
            const V x = s.input_value(0);
            const double c = std::sqrt(2 / 3.14159265358979323846);
            const V u = scale(x + scale(x * square(x), 0.044715), c);
            const V du = scale(shift(scale(square(x), 3 * 0.044715), 1), c);
            const V slope = scale(shift(tanh(u), 1), 0.5) + scale(x * sech_squared(u) * du, 0.5);
            return s.cotangent * slope;
          },
          "the derivative of gelu's form by tanh");
      add(
          "other-activation-derivative", id, input,
          [](const Site& s) { return s.cotangent * normal_cdf(s.input_value(0)); },
          "Phi(x), without x phi(x)");
    }
    if (graph_.step(id).op->name == "silu") {
      add(
          "other-activation-derivative", id, input,
          [](const Site& s) { return s.cotangent * sigmoid(s.input_value(0)); },
          "sigmoid(x), without x sigmoid'(x)");
    }
  }

  /// Another named node of the same shape stands for one of the rule's inputs.
  void add_other_factors(NodeId id, int input) {
    const Graph::Step& step = graph_.step(id);
    const bool one = step.inputs.size() == 1;
    const std::string_view op = step.op->name;
    const bool linear = op == "add" || op == "sub" || op == "scale" || op == "shift" ||
                        op == "neg" || op == "sum" || op == "reshape" || op == "transpose";
    if (linear || step.attributes.indices.size() > 0) return;
    for (std::size_t j = 0; j < step.inputs.size(); ++j) {
      if (!one && static_cast<int>(j) == input && (op == "mul" || op == "matmul")) continue;
      const NodeId own = step.inputs[j];
      for (const NodeId other : nameable_) {
        if (other == own || other == id || graph_.step(other).shape != graph_.step(own).shape) {
          continue;
        }
        add(
            "other-factor", id, input,
            [j, other](const Site& s) {
              const Graph::Step& at = s.walk.graph().step(s.node);
              std::vector<V> inputs;
              for (std::size_t k = 0; k < at.inputs.size(); ++k) {
                inputs.push_back(s.value(k == j ? other : at.inputs[k]));
              }
              return rule_on(s, *at.op, inputs, s.cotangent);
            },
            fmt::format("{} in place of {}", spelled(other), spelled(own)));
      }
    }
  }

  const Graph& graph_;
  std::span<const NodeId> wrong_;
  std::vector<std::vector<bool>> below_;
  std::vector<NodeId> nameable_;
  std::vector<Candidate> found_;
};

}  // namespace

std::vector<Candidate> graph_candidates(const Graph& graph, std::span<const NodeId> wrong) {
  return Alternatives(graph, wrong).write();
}

}  // namespace chainrule::detail
