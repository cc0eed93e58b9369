#include <chainrule/check/explain.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/dot.hpp>
#include <chainrule/check/formulas.hpp>
#include <chainrule/check/network.hpp>
#include <chainrule/check/precision.hpp>
#include <chainrule/ops/ops.hpp>

#include <algorithm>
#include <vector>

namespace chainrule {

using detail::Graph;
using detail::V;

namespace {

/// Calls f with a Var's twin in double: itself, or on a recording of its tape in double.
template <class T, class F>
auto in_double(Var<T> loss, SourceLocation location, F f) {
  if constexpr (std::is_same_v<T, double>) {
    return f([](V v) { return v; });
  } else {
    DoubleRecording recording(loss.tape(location));
    return f([&](Var<float> v) {
      if (const auto twin = recording.find(v.id())) return *twin;
      throw UsageError("explain",
                       fmt::format("it depends on '{}', an operation of your own that is not known "
                                   "in double: record the step on a Tape<double>",
                                   recording.without_twin().front()),
                       location);
    });
  }
}

std::string explain_in_double(V loss, V of, SourceLocation location) {
  Tape<double> tape;
  const Graph graph(tape, loss, std::span(&of, 1));
  const NodeId goal = graph.find(of.id());
  std::vector<std::uint8_t> varies(graph.size()), reached(graph.size());
  varies[goal] = 1;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.step(id).op->zero_derivative) continue;
    for (const NodeId in : graph.step(id).inputs) varies[id] |= varies[in];
  }
  if (!varies[graph.loss()]) {
    throw UsageError(
        "explain",
        fmt::format("the loss does not depend on '{}': its gradient is zero", graph.name(goal)),
        location);
  }
  struct Line {
    std::string left, formula, from;
  };
  const auto left = [&](NodeId id) {
    return fmt::format("{} {}", detail::adjoint_name(graph, id), to_string(graph.step(id).shape));
  };
  std::vector<Line> lines{{left(graph.loss()), "= 1", ""}};
  std::vector<int> contributions(graph.size());
  reached[graph.loss()] = 1;
  // A softmax classifier's chain begins at the logits, as people write it.
  std::vector<std::uint8_t> above(graph.size());
  if (const auto network = detail::recognise_network(graph); network && varies[network->logits()]) {
    const NodeId logits = network->logits();
    above[logits] = 1;
    for (NodeId id = logits + 1; id < graph.size(); ++id) {
      for (const NodeId in : graph.step(id).inputs) above[id] |= above[in];
    }
    above[logits] = 0;
    lines.push_back(
        {left(logits), "= (m o Yhat - Y) / N",
         fmt::format("Yhat = softmax({}), m the mass of Y's rows", graph.name(logits))});
    contributions[logits] = reached[logits] = 1;
  }
  for (NodeId id = graph.loss() + 1; id-- > 0;) {
    const Graph::Step& step = graph.step(id);
    if (!reached[id] || !varies[id] || id == goal || step.op->zero_derivative) continue;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const NodeId in = step.inputs[i];
      if (!varies[in]) continue;
      reached[in] = 1;
      if (above[id] && (above[in] || contributions[in])) continue;
      lines.push_back({left(in),
                       (contributions[in]++ ? "+= " : "= ") +
                           detail::rule_formula(graph, id, static_cast<int>(i)),
                       detail::node_formula(graph, id)});
    }
  }
  std::size_t first = 0, second = 0;
  for (const Line& line : lines) {
    first = std::max(first, line.left.size()), second = std::max(second, line.formula.size());
  }
  std::string text;
  for (const Line& line : lines) {
    std::string row = fmt::format("{:<{}} {:<{}}   {}", line.left, first, line.formula,
                                  line.from.empty() ? 0 : second, line.from);
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

std::string draw_in_double(V loss, const Diagnosis& diagnosis) {
  Tape<double> tape;
  std::vector<V> wanted;
  const auto node_of = [&](std::string_view name) -> V {
    if (!name.starts_with('d') || !loss.tape().has_name(name.substr(1))) return {};
    return loss.tape().find(name.substr(1));
  };
  for (const Finding& finding : diagnosis.findings) {
    if (const V node = node_of(finding.tensor)) wanted.push_back(node);
  }
  const Graph graph(tape, loss, wanted);
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!graph.step(id).name.empty()) tape.set_automatic_name(graph.var(id), graph.step(id).name);
  }
  std::vector<V> nodes, outputs{graph.var(graph.loss())};
  for (const V v : wanted) nodes.push_back(graph.var(graph.find(v.id())));
  for (const V gradient : gradients(outputs[0], nodes)) outputs.push_back(gradient);
  std::string text = to_dot(outputs);
  if (diagnosis.tensor.empty()) return text;

  std::vector<NodeId> red;
  if (tape.has_name(diagnosis.tensor)) red.push_back(tape.find(diagnosis.tensor).id());
  NodeId rule = no_node;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.name(id) == diagnosis.faulty_node) rule = graph.var(id).id();
  }
  const auto is_right = [&](NodeId id) {
    const auto found = std::ranges::find(diagnosis.findings, tape.node(id).name, &Finding::tensor);
    return found != diagnosis.findings.end() && found->verdict == DiagnosisVerdict::right;
  };
  for (NodeId id = 0; rule != no_node && id < tape.size(); ++id) {
    if (tape.node(id).adjoint_of == rule && !is_right(id)) red.push_back(id);
  }
  std::ranges::sort(red);
  red.erase(std::unique(red.begin(), red.end()), red.end());
  // A later statement about a node adds to what was said of it.
  std::string marks;
  for (const NodeId id : red) {
    if (text.find(fmt::format("n{} [", id)) == std::string::npos) continue;
    marks += fmt::format("  n{} [color=red, fontcolor=red, penwidth=2]\n", id);
  }
  text.insert(text.rfind('}'), marks);
  return text;
}

}  // namespace

template <class T>
std::string explain(Var<T> loss, Var<T> of, SourceLocation location) {
  loss.tape(location).expect_own(loss, "explain", location);
  loss.tape().expect_own(of, "explain", location);
  return in_double(loss, location,
                   [&](auto twin) { return explain_in_double(twin(loss), twin(of), location); });
}

template <class T>
std::string to_dot(Var<T> loss, const Diagnosis& diagnosis, SourceLocation location) {
  loss.tape(location).expect_own(loss, "to_dot", location);
  return in_double(loss, location,
                   [&](auto twin) { return draw_in_double(twin(loss), diagnosis); });
}

template std::string explain(Var<float>, Var<float>, SourceLocation);
template std::string explain(Var<double>, Var<double>, SourceLocation);
template std::string to_dot(Var<float>, const Diagnosis&, SourceLocation);
template std::string to_dot(Var<double>, const Diagnosis&, SourceLocation);

}  // namespace chainrule
