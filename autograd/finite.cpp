#include <chainrule/autograd/finite.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace chainrule::detail {

namespace {

/// The index of an entry, "(1, 2)": it prints as a shape does.
std::string entry_text(const Shape& shape, std::int64_t index) {
  std::array<std::int64_t, Shape::max_rank> at{};
  for (int axis = shape.rank(); axis-- > 0;) {
    at[static_cast<std::size_t>(axis)] = index % shape[axis];
    index /= shape[axis];
  }
  return to_string(Shape(std::span(at.data(), static_cast<std::size_t>(shape.rank()))));
}

/// "inputs (2, 3) and (3,), all finite", or which of them was not.
template <class T>
std::string inputs_text(const Node<T>* nodes, const Node<T>& node) {
  std::vector<std::string> shapes;
  std::string guilty;
  for (const NodeId id : node.inputs) {
    const Node<T>& in = nodes[id];
    shapes.push_back(to_string(in.shape));
    if (guilty.empty() && first_not_finite<T>({in.data, in.shape}) >= 0) {
      guilty = fmt::format(", of which input {} ({}) was not finite before", shapes.size() - 1,
                           describe(in, in.name));
    }
  }
  return fmt::format("input{} {}{}", shapes.size() == 1 ? "" : "s", fmt::join(shapes, " and "),
                     !guilty.empty()      ? guilty
                     : shapes.size() == 1 ? ", finite"
                                          : ", all finite");
}

}  // namespace

template <class T>
std::int64_t first_not_finite(TensorView<const T> values) {
  // First whether there is any, without a branch, so that the loop is vectorised.
  int any = 0;
  for (const T x : values) any |= !(std::abs(x) <= std::numeric_limits<T>::max());
  if (any == 0) return -1;
  const auto found =
      std::find_if(values.begin(), values.end(), [](T x) { return !std::isfinite(x); });
  return found - values.begin();
}

template <class T>
std::string describe(const Node<T>& node, std::string_view name) {
  return name.empty() ? std::string(node.op->name) : fmt::format("{} '{}'", node.op->name, name);
}

template <class T>
void throw_not_finite(const Node<T>* nodes, const Node<T>& node, std::string_view name,
                      std::int64_t index, std::string_view of, std::string_view when) {
  const bool leaf = node.op->forward == nullptr;
  std::string text = leaf ? "the leaf " : "";
  if (!name.empty()) text += fmt::format("'{}' ", name);
  const T value = node.data[index];  // a NaN has a sign, which says nothing
  text += fmt::format("{} is {}", to_string(node.shape),
                      std::isnan(value) ? "nan"
                      : value < 0       ? "-inf"
                                        : "inf");
  if (node.shape.rank() > 0) text += " at entry " + entry_text(node.shape, index);
  if (!of.empty()) text += fmt::format(", in the backward pass of {}", of);
  if (!leaf) text += "; " + inputs_text(nodes, node);
  if (!when.empty()) text += fmt::format("; {}", when);
  throw NumericError(node.op->name, text, node.location);
}

#define CHAINRULE_INSTANTIATE(T)                                                                 \
  template std::int64_t first_not_finite(TensorView<const T>);                                   \
  template std::string describe(const Node<T>&, std::string_view);                               \
  template void throw_not_finite(const Node<T>*, const Node<T>&, std::string_view, std::int64_t, \
                                 std::string_view, std::string_view);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule::detail
