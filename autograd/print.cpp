// Vars and tapes as text.
#include <chainrule/autograd/tape.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <ostream>

namespace chainrule {

namespace {

/// A name on one line: control characters as \n, \t or \x07.
std::string one_line(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (code < 0x20 || code == 0x7f) {
      result += fmt::format("\\x{:02x}", code);
    } else {
      result += c;
    }
  }
  return result;
}

/// What other lines call a node.
template <class T>
std::string reference(const Tape<T>& tape, NodeId id) {
  const std::string_view name = tape.node(id).name;
  return name.empty() ? fmt::format("%{}", id) : one_line(name);
}

/// Characters, not bytes, of a UTF-8 text.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

template <class T>
std::string to_string(Var<T> var) {
  const TensorView<const T> value = var.value();
  const Node<T>& node = var.tape().node(var.id());
  return fmt::format("{}{}{} {}{}{}", one_line(node.name), node.name.empty() ? "" : " = ",
                     node.op->name, to_string(node.shape), node.shape.rank() == 0 ? " " : "\n",
                     to_string(value));
}

template <class T>
std::ostream& operator<<(std::ostream& out, Var<T> var) {
  return out << to_string(var);
}

template <class T>
std::string to_string(const Tape<T>& tape) {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows;
  rows.reserve(std::size_t{tape.size()} + 1);
  rows.push_back({"id", "name", "operation", "shape", "recorded by the rule of"});
  for (NodeId id = 0; id < tape.size(); ++id) {
    const Node<T>& node = tape.node(id);
    std::string call(node.op->name);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      call += (i == 0 ? "(" : ", ") + reference(tape, node.inputs[i]);
    }
    if (!node.inputs.empty()) call += ')';
    std::string of;
    if (node.adjoint_of != no_node) {
      of = fmt::format("{} ({})", reference(tape, node.adjoint_of),
                       tape.node(node.adjoint_of).op->name);
    }
    rows.push_back({fmt::format("%{}", id), one_line(node.name), std::move(call),
                    to_string(node.shape), std::move(of)});
  }

  // One node of a thousand inputs should not make every line as long as its own.
  constexpr std::size_t widest = 60;
  std::array<std::size_t, 5> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::min(widest, std::max(widths[i], width_of(row[i])));
    }
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t gap = widths[i] - std::min(widths[i], width_of(row[i]));
      if (i == 0) text.append(gap, ' ');  // ids end in one column, the others start in one
      text += row[i];
      if (i > 0) text.append(gap, ' ');
      text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Tape<T>& tape) {
  return out << to_string(tape);
}

#define CHAINRULE_INSTANTIATE(T)                            \
  template std::string to_string(Var<T>);                   \
  template std::ostream& operator<<(std::ostream&, Var<T>); \
  template std::string to_string(const Tape<T>&);           \
  template std::ostream& operator<<(std::ostream&, const Tape<T>&);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
