#include <chainrule/reference/network.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace chainrule::reference {

void Network::validate() const {
  if (widths.size() < 2) {
    throw UsageError(
        "reference::Network",
        fmt::format("{} widths: expected at least 2, the input's and the classes'", widths.size()));
  }
  for (std::size_t l = 0; l < widths.size(); ++l) {
    if (widths[l] < 1) {
      throw UsageError("reference::Network",
                       fmt::format("width {} of layer {}: expected at least 1", widths[l], l));
    }
  }
}

std::int64_t Network::parameter_count() const {
  validate();
  std::int64_t count = 0;
  for (int l = 1; l <= layers(); ++l) {
    count += weight_shape(l).size() + (biases ? bias_shape(l).size() : 0);
  }
  return count;
}

Shape Network::unit_shape(int l, std::int64_t samples) const {
  const std::int64_t width = widths.at(static_cast<std::size_t>(l));
  return layout == Layout::rows ? Shape{samples, width} : Shape{width, samples};
}

Shape Network::weight_shape(int l) const {
  const std::int64_t in = widths.at(static_cast<std::size_t>(l) - 1);
  const std::int64_t out = widths.at(static_cast<std::size_t>(l));
  return layout == Layout::rows ? Shape{in, out} : Shape{out, in};
}

Shape Network::bias_shape(int l) const { return Shape{widths.at(static_cast<std::size_t>(l))}; }

namespace detail {

std::string label(const char* symbol, int layer) {
  return layer == 0 ? symbol : fmt::format("{}{}", symbol, layer);
}

void expect_shape(const char* operation, const char* symbol, int layer, const Shape& has,
                  const Shape& expected) {
  if (has == expected) return;
  throw ShapeError(operation, fmt::format("{} is {}: expected {}", label(symbol, layer),
                                          to_string(has), to_string(expected)));
}

void expect_size(const char* operation, const char* symbol, int layer, std::size_t has,
                 const Shape& expected) {
  if (has == static_cast<std::size_t>(expected.size())) return;
  throw ShapeError(operation,
                   fmt::format("{} has {} entries: expected {} for {}", label(symbol, layer), has,
                               expected.size(), to_string(expected)));
}

void expect_count(const char* operation, const char* symbol, std::size_t has, int expected) {
  if (has == static_cast<std::size_t>(expected)) return;
  throw ShapeError(operation, fmt::format("{} tensors {}: expected {}", has, symbol, expected));
}

void expect_samples(const char* operation, std::int64_t samples) {
  if (samples >= 1) return;
  throw UsageError(operation, fmt::format("{} samples: expected at least 1", samples));
}

void unknown_name(std::string_view name, const std::vector<std::string>& names) {
  throw NameError("reference::Values", fmt::format("no value is called '{}': expected one of {}",
                                                   name, fmt::join(names, ", ")));
}

}  // namespace detail

}  // namespace chainrule::reference
