#include <chainrule/data/npy.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace chainrule::detail {

static_assert(std::endian::native == std::endian::little);

namespace {

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw std::runtime_error(fmt::format(format, std::forward<Args>(args)...));
}

/// The dictionary of an .npy header, a Python literal:
/// {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
class Header {
 public:
  explicit Header(std::string_view text) : rest_(text) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        set(descr_, key, quoted());
      } else if (key == "fortran_order") {
        set(fortran_, key, boolean());
      } else if (key == "shape") {
        set(shape_, key, tuple());
      } else {
        fail("header: unknown key '{}', expected descr, fortran_order and shape", key);
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!rest_.empty()) fail("header: '{}' after the dictionary", rest_.substr(0, 20));
    if (!descr_ || !fortran_ || !shape_) {
      fail("header: '{}' is missing", !descr_ ? "descr" : !fortran_ ? "fortran_order" : "shape");
    }
  }
  std::string_view descr() const { return *descr_; }
  bool fortran_order() const { return *fortran_; }
  const std::vector<std::int64_t>& shape() const { return *shape_; }

 private:
  template <class T>
  static void set(std::optional<T>& value, std::string_view key, T found) {
    if (value) fail("header: the key '{}' stands twice", key);
    value = std::move(found);
  }
  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
  }
  bool accept(char c) {
    skip_spaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("header: expected '{}' at '{}'", c, rest_.substr(0, 20));
  }
  std::string_view quoted() {
    skip_spaces();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    const std::size_t end = rest_.find(quote, 1);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos) {
      if (quote == '[') fail("a structured array, expected uint8, float32 or float64");
      fail("header: expected a quoted text at '{}'", rest_.substr(0, 20));
    }
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool boolean() {
    skip_spaces();
    for (const auto& [text, value] :
         {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!rest_.starts_with(text)) continue;
      rest_.remove_prefix(text.size());
      return value;
    }
    fail("header: expected True or False at '{}'", rest_.substr(0, 20));
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> result;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      std::int64_t value = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (error != std::errc() || value < 0) {
        fail("header: expected a dimension at '{}'", rest_.substr(0, 20));
      }
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      result.push_back(value);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return result;
  }

  std::string_view rest_;
  std::optional<std::string_view> descr_;
  std::optional<bool> fortran_;
  std::optional<std::vector<std::int64_t>> shape_;
};

/// Throws for a rank above 4, and for more bytes than there are.
Shape shape_of(const Header& header, std::size_t number_size, std::size_t available) {
  const auto& dimensions = header.shape();
  const std::string text = fmt::format("({})", fmt::join(dimensions, ", "));
  if (dimensions.size() > Shape::max_rank) {
    fail("shape {} of rank {}, expected at most {}", text, dimensions.size(), Shape::max_rank);
  }
  std::uint64_t product = number_size;
  bool empty = false;
  for (const std::int64_t dimension : dimensions) {
    empty = empty || dimension == 0;
    if (dimension > 0 &&
        (__builtin_mul_overflow(product, static_cast<std::uint64_t>(dimension), &product) ||
         product > std::uint64_t{std::numeric_limits<std::int64_t>::max()} >> 6)) {
      fail("shape {} has more elements than can be addressed", text);
    }
  }
  const std::uint64_t expected = empty ? 0 : product;
  if (available != expected) {
    fail("{} bytes of numbers, expected {} for {} of shape {}", available, expected, header.descr(),
         text);
  }
  return Shape(std::span<const std::int64_t>(dimensions));
}

/// The numbers, row-major. In Fortran order the first index runs fastest.
template <class Number, class T>
Tensor<T> read_numbers(const Header& header, std::span<const std::uint8_t> bytes) {
  Tensor<T> tensor(shape_of(header, sizeof(Number), bytes.size()));
  const Shape& shape = tensor.shape();
  const auto number = [&](std::int64_t i) {
    Number value;
    std::memcpy(&value, bytes.data() + static_cast<std::size_t>(i) * sizeof(Number), sizeof value);
    return static_cast<T>(value);
  };
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    std::int64_t source = i;
    if (header.fortran_order()) {
      // Horner's rule, from the last index of i to the first
      std::int64_t rest = i, stride = tensor.size();
      source = 0;
      for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        stride /= shape[axis];
        source += rest % shape[axis] * stride;
        rest /= shape[axis];
      }
    }
    tensor[i] = number(source);
  }
  return tensor;
}

}  // namespace

NamedTensor parse_npy(std::span<const std::uint8_t> bytes, std::string name) {
  constexpr std::string_view magic = "\x93NUMPY";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(magic)) fail("it does not begin as an .npy file does");
  if (bytes.size() < 12) fail("truncated: {} bytes", bytes.size());
  const int version = bytes[6];
  if (version < 1 || version > 3 || bytes[7] != 0) {
    fail("version {}.{} of the format, expected 1.0, 2.0 or 3.0", version, int{bytes[7]});
  }
  const std::size_t begin = version == 1 ? 10 : 12;
  std::size_t length = 0;
  for (std::size_t i = begin; i-- > 8;) length = length << 8 | bytes[i];
  if (length > bytes.size() - begin) {
    fail("truncated: {} bytes after the header's length, expected {}", bytes.size() - begin,
         length);
  }
  const Header header(text.substr(begin, length));
  const auto numbers = bytes.subspan(begin + length);
  if (header.descr() == "<f4")
    return {std::move(name), read_numbers<float, float>(header, numbers)};
  if (header.descr() == "<f8")
    return {std::move(name), read_numbers<double, double>(header, numbers)};
  if (header.descr() == "|u1")
    return {std::move(name), read_numbers<std::uint8_t, float>(header, numbers)};
  fail("dtype '{}', expected uint8 (|u1), float32 (<f4) or float64 (<f8)", header.descr());
}

}  // namespace chainrule::detail
