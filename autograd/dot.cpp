#include <chainrule/autograd/dot.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/basic_ops.hpp>

#include <iterator>

namespace chainrule {

namespace {

/// Text within one of Graphviz's HTML-like labels, which are XML.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else if (c == '\\') {
      result += R"(\\)";  // a single one and N would stand for the node's id
    } else if (c == '\n') {
      result += R"(\\n)";
    } else if (code < 0x20 || code == 0x7f) {
      result += fmt::format(R"(\\x{:02x})", code);  // XML has no form for most of these
    } else {
      result += c;
    }
  }
  return result;
}

/// What of a tape is drawn, and how.
template <class T>
class Drawing {
 public:
  explicit Drawing(const Tape<T>& tape) : tape_(tape), kinds_(tape.size()) {}

  void add_output(NodeId id) { kinds_[id].drawn = kinds_[id].output = true; }
  /// Adds what the outputs need, and tells forward from backward.
  void complete() {
    for (NodeId id = tape_.size(); id-- > 0;) {
      if (!kinds_[id].drawn) continue;
      Kind& kind = kinds_[id];
      const Node<T>& node = tape_.node(id);
      // The seed of a backward pass is recorded by no rule: a constant that only rules read.
      kind.backward = node.adjoint_of != no_node || (node.op == &detail::constant_op<T>() &&
                                                     kind.read_backward && !kind.read_forward);
      for (const NodeId in : node.inputs) {
        kinds_[in].drawn = true;
        (kind.backward ? kinds_[in].read_backward : kinds_[in].read_forward) = true;
      }
    }
  }

  std::string text(const DotOptions& options) const {
    std::string text =
        "digraph tape {\n"
        "  graph [newrank=true, nodesep=0.4, ranksep=0.5, fontname=\"Helvetica\", fontsize=13,\n"
        "         fontcolor=\"#475569\", bgcolor=\"white\", pad=0.2, labelloc=t";
    if (!options.title.empty())
      text += fmt::format(",\n         label=<{}>", escaped(options.title));
    text +=
        "];\n"
        "  node [fontname=\"Helvetica\", fontsize=12, fontcolor=\"#0f172a\", penwidth=1.2];\n"
        "  edge [fontname=\"Helvetica\", fontsize=9, fontcolor=\"#64748b\", color=\"#64748b\",\n"
        "        arrowsize=0.7];\n";
    cluster(text, "forward", "#eff6ff", "#bfdbfe", false);
    cluster(text, "backward", "#fff7ed", "#fed7aa", true);
    for (NodeId id = 0; id < tape_.size(); ++id) {
      if (!kinds_[id].drawn) continue;
      for (const NodeId in : tape_.node(id).inputs) edge(text, in, id);
    }
    text += "}\n";
    return text;
  }

 private:
  struct Kind {
    bool drawn = false, output = false, backward = false;
    bool read_forward = false, read_backward = false;  // by nodes of that pass
  };

  void cluster(std::string& text, const char* name, const char* fill, const char* line,
               bool backward) const {
    std::string nodes;
    for (NodeId id = 0; id < tape_.size(); ++id) {
      if (kinds_[id].drawn && kinds_[id].backward == backward) node(nodes, id);
    }
    if (nodes.empty()) return;
    text += fmt::format(
        "  subgraph cluster_{0} {{\n"
        "    graph [label=\"{0}\", style=\"rounded,filled\", fillcolor=\"{1}\", color=\"{2}\",\n"
        "           margin=14];\n{3}  }}\n",
        name, fill, line, nodes);
  }

  void node(std::string& text, NodeId id) const {
    const Node<T>& node = tape_.node(id);
    const Kind& kind = kinds_[id];
    std::string label = escaped(node.op->name);
    if (node.op == &detail::constant_op<T>() && node.shape.size() == 1) {
      label += fmt::format(" {:.4g}", node.data[0]);
    }
    if (!node.name.empty()) {
      label =
          fmt::format("<B>{}</B><BR/><FONT POINT-SIZE=\"10\">{}</FONT>", escaped(node.name), label);
    }
    const char* style =
        kind.backward
            ? R"(shape=box, style="rounded,filled", fillcolor="#fdba74", color="#c2410c")"
            : R"(shape=box, style="rounded,filled", fillcolor="#93c5fd", color="#1d4ed8")";
    if (node.op == &detail::parameter_op<T>()) {
      style = R"(shape=ellipse, style=filled, fillcolor="#bbf7d0", color="#15803d")";
    } else if (node.op == &detail::input_op<T>()) {
      style = R"(shape=box, style=filled, fillcolor="#ffffff", color="#334155")";
    } else if (!node.op->forward) {
      style = R"(shape=box, style="rounded,dashed,filled", fillcolor="#ffffff", color="#64748b")";
    }
    text += fmt::format("    n{} [label=<{}>, {}{}];\n", id, label, style,
                        kind.output ? ", peripheries=2" : "");
  }

  void edge(std::string& text, NodeId from, NodeId to) const {
    const bool a = kinds_[from].backward, b = kinds_[to].backward;
    const std::string shape = to_string(tape_.node(from).shape);
    std::string attributes = fmt::format("tooltip=\"{}\"", shape);
    // The space keeps the label off the line. Said once, beside the pass that made the value, the
    // shape need not be said on the long way across too, where labels would lie on each other.
    if (a == b || !(a ? kinds_[from].read_backward : kinds_[from].read_forward)) {
      attributes += fmt::format(", label=\"  {}\"", shape);
    }
    if (a && b) {
      std::swap(from, to);
      attributes += ", dir=back, color=\"#c2410c\"";
    } else if (a != b) {
      attributes += ", style=dashed, constraint=false, color=\"#94a3b8\"";
    }
    text += fmt::format("  n{} -> n{} [{}];\n", from, to, attributes);
  }

  const Tape<T>& tape_;
  std::vector<Kind> kinds_;
};

}  // namespace

template <class T>
std::string to_dot(std::span<const Var<T>> outputs, const DotOptions& options,
                   SourceLocation location) {
  if (outputs.empty())
    throw UsageError("to_dot", "no outputs: expected at least one Var", location);
  const Tape<T>& tape = outputs.front().tape(location);
  Drawing<T> drawing(tape);
  for (const Var<T>& output : outputs) {
    tape.expect_own(output, "to_dot", location);
    drawing.add_output(output.id());
  }
  drawing.complete();
  return drawing.text(options);
}

template <class T>
std::string to_dot(const Tape<T>& tape, const DotOptions& options) {
  std::vector<bool> read(tape.size());
  for (NodeId id = 0; id < tape.size(); ++id) {
    for (const NodeId in : tape.node(id).inputs) read[in] = true;
  }
  Drawing<T> drawing(tape);
  for (NodeId id = 0; id < tape.size(); ++id) {
    if (!read[id]) drawing.add_output(id);
  }
  drawing.complete();
  return drawing.text(options);
}

#define CHAINRULE_INSTANTIATE(T)                                                           \
  template std::string to_dot(std::span<const Var<T>>, const DotOptions&, SourceLocation); \
  template std::string to_dot(const Tape<T>&, const DotOptions&);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
