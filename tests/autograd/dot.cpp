// Drawings: each node and each operand once, forward and backward told apart, nothing that a name
// could break. The text is taken apart by a small parser of Graphviz's language.
#include <fmt/format.h>
#include <chainrule/autograd/dot.hpp>
#include <chainrule/ops/ops.hpp>

#include <cctype>
#include <map>
#include <set>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

using AttributeMap = std::map<std::string, std::string>;
struct Edge {
  std::string from, to;
  AttributeMap attributes;
};
struct Graph {
  std::map<std::string, AttributeMap> nodes;
  std::map<std::string, std::string> cluster;  // of each node
  std::vector<Edge> edges;                     // as they point
  std::string title;
};

/// Reads exactly the statements that a drawing may have; anything else is an error.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Graph graph() {
    expect("digraph"), expect("tape"), expect("{");
    statements("");
    BOOST_TEST_REQUIRE(at_end());
    return graph_;
  }

 private:
  void statements(const std::string& cluster) {
    for (std::string word = token(); word != "}"; word = token()) {
      if (word == "subgraph") {
        const std::string name = token();
        expect("{");
        statements(name);
      } else if (word == "graph" || word == "node" || word == "edge") {
        const AttributeMap attributes = list();
        if (word == "graph" && cluster.empty() && attributes.count("label")) {
          graph_.title = attributes.at("label");
        }
        expect(";");
      } else if (peek() == '-') {
        expect("->");
        Edge edge{word, token(), list()};
        expect(";");
        if (edge.attributes.count("dir")) std::swap(edge.from, edge.to);
        graph_.edges.push_back(edge);
      } else {
        BOOST_TEST_REQUIRE(graph_.nodes.emplace(word, list()).second);  // each node once
        graph_.cluster[word] = cluster;
        expect(";");
      }
    }
  }

  AttributeMap list() {
    AttributeMap result;
    expect("[");
    for (std::string key = token(); key != "]"; key = token()) {
      if (key == ",") continue;
      expect("=");
      BOOST_TEST_REQUIRE(result.emplace(key, token()).second);
    }
    return result;
  }

  void skip() {
    while (!at_end_raw() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool at_end_raw() const { return at_ == text_.size(); }
  bool at_end() { return skip(), at_end_raw(); }
  char peek() { return skip(), text_[at_]; }
  void expect(std::string_view wanted) { BOOST_TEST_REQUIRE(token() == wanted); }

  /// A word, a quoted or an HTML-like string (with its quotes or brackets), or one sign.
  std::string token() {
    skip();
    BOOST_TEST_REQUIRE(!at_end_raw());
    const std::size_t begin = at_;
    const char first = text_[at_++];
    if (first == '"') {
      while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      ++at_;
    } else if (first == '<') {
      for (int depth = 1; depth > 0; ++at_) {
        BOOST_TEST_REQUIRE(!at_end_raw());
        depth += (text_[at_] == '<') - (text_[at_] == '>');
      }
    } else if (first == '-' && text_[at_] == '>') {
      ++at_;
    } else if (is_word(first)) {
      while (is_word(text_[at_])) ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }
  static bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Graph graph_;
};

std::string id(NodeId node) { return fmt::format("n{}", node); }

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(each_node_and_operand_once_on_its_side, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> x({3, 2}), w({2, 4});
  OwnedParameter<T> p("W", w);
  const Var<T> a = named(tape.input(x), "X"), b = tape.parameter(p.parameter);
  const Var<T> z = named(matmul(a, b), "Z"), r = relu(z), loss = sum(r * r);
  exp(a);  // which the outputs do not need
  const Var<T> g = gradients(loss, {b})[0];
  const std::string text = to_dot({loss, g}, {.title = "a <title> & \"more\""});
  const Graph graph = Parser(text).graph();
  BOOST_TEST(graph.title == "<a &lt;title&gt; &amp; &quot;more&quot;>");

  // The witness: what a plan needs, and the tape's own operands.
  const Plan<T> needed = plan({loss, g});
  BOOST_TEST(graph.nodes.size() == needed.size());
  std::multiset<std::pair<std::string, std::string>> operands, drawn;
  for (NodeId node = 0; node < tape.size(); ++node) {
    const auto found = graph.nodes.find(id(node));
    if (found == graph.nodes.end()) continue;
    const Node<T>& n = tape.node(node);
    for (const NodeId in : n.inputs) operands.emplace(id(in), id(node));
    const std::string& label = found->second.at("label");
    BOOST_TEST(label.find(n.op->name) != std::string::npos);
    if (!n.name.empty()) {
      BOOST_TEST(label.find(fmt::format("<B>{}</B>", n.name)) != std::string::npos);
    }
    const bool backward = node > loss.id() + 1;  // after the exp
    BOOST_TEST(graph.cluster.at(id(node)) == (backward ? "cluster_backward" : "cluster_forward"));
    BOOST_TEST(found->second.count("peripheries") ==
               (node == loss.id() || node == g.id() ? 1u : 0u));
  }
  std::set<std::pair<std::string, std::string>> shown;  // sources with the shape beside them
  for (const Edge& edge : graph.edges) {
    drawn.emplace(edge.from, edge.to);
    const auto source = static_cast<NodeId>(std::stoul(edge.from.substr(1)));
    const std::string shape = to_string(tape.node(source).shape);
    BOOST_TEST(edge.attributes.at("tooltip") == '"' + shape + '"');
    const bool across = graph.cluster.at(edge.from) != graph.cluster.at(edge.to);
    BOOST_TEST(edge.attributes.count("style") == (across ? 1u : 0u));
    if (!across) BOOST_TEST(edge.attributes.at("label") == "\"  " + shape + '"');
  }
  BOOST_TEST(drawn == operands);
  BOOST_TEST(drawn.count({id(r.id()), id(loss.id() - 1)}) == 2u);  // r * r: two operands

  const auto look = [&](Var<T> v) { return graph.nodes.at(id(v.id())).at("shape"); };
  BOOST_TEST(look(b) == "ellipse");
  BOOST_TEST(graph.nodes.at(id(a.id())) != graph.nodes.at(id(z.id())));
  const std::set<std::string> fills{
      graph.nodes.at(id(a.id())).at("fillcolor"), graph.nodes.at(id(b.id())).at("fillcolor"),
      graph.nodes.at(id(z.id())).at("fillcolor"), graph.nodes.at(id(g.id())).at("fillcolor")};
  BOOST_TEST(fills.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_value_that_only_crosses_shows_its_shape_there) {
  Tape<double> tape;
  const Tensor<double> x({3});
  const Var<double> leaf = tape.input(x), weight = tape.input(x);
  const Var<double> g = gradients(leaf * 2, {leaf}, weight)[0];
  const Graph graph = Parser(to_dot({g})).graph();
  BOOST_TEST_REQUIRE(graph.edges.size() == 1u);
  BOOST_TEST(graph.edges[0].attributes.at("label") == "\"  (3,)\"");
  BOOST_TEST(graph.edges[0].attributes.count("style") == 1u);
}

BOOST_AUTO_TEST_CASE(any_name_is_escaped) {
  Tape<double> tape;
  const std::string name = "a<B>\"&\\N{}[]->;\n\x01 π";
  const Var<double> x = named(tape.constant(0.5), name), y = named(-x, "</B>");
  const Graph graph = Parser(to_dot(tape)).graph();
  BOOST_TEST(graph.nodes.at("n0").at("label") ==
             "<<B>a&lt;B&gt;&quot;&amp;\\\\N{}[]-&gt;;\\\\n\\\\x01 π</B><BR/><FONT "
             "POINT-SIZE=\"10\">constant 0.5</FONT>>");
  BOOST_TEST(graph.nodes.at("n1").at("label") ==
             "<<B>&lt;/B&gt;</B><BR/><FONT POINT-SIZE=\"10\">neg</FONT>>");
  BOOST_TEST(graph.nodes.at("n1").count("peripheries") == 1u);  // nobody reads it
  BOOST_TEST(graph.nodes.at("n0").count("peripheries") == 0u);
  BOOST_TEST(y.id() == 1u);
}

BOOST_AUTO_TEST_CASE(second_derivatives_and_empty_tapes_are_drawn) {
  Tape<double> tape;
  BOOST_TEST(Parser(to_dot(tape)).graph().nodes.empty());
  const Tensor<double> x({2}, {1, 2});
  const Var<double> leaf = tape.input(x);
  const Var<double> g = gradients(sum(exp(leaf) * leaf), {leaf})[0];
  gradients(sum(g), {leaf});
  const Graph graph = Parser(to_dot(tape)).graph();
  BOOST_TEST(graph.nodes.size() == tape.size());
}

BOOST_AUTO_TEST_CASE(misuse_is_refused) {
  Tape<double> tape, other;
  const Var<double> x = tape.constant(1), foreign = other.constant(1);
  check_error<UsageError>([&] { to_dot(std::vector<Var<double>>{}); }, "no outputs");
  check_error<UsageError>([&] { to_dot({x, foreign}); }, "a Var of another tape is used");
  tape.clear();
  check_error<UsageError>([&] { to_dot({x}); }, "a stale Var is used");
}
