#include <chainrule/data/file.hpp>
#include <chainrule/data/safetensors.hpp>
#include <chainrule/data/safetensors_header.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace chainrule {

namespace fs = std::filesystem;

// The numbers in the file are little-endian, and are copied as they are.
static_assert(std::endian::native == std::endian::little);
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

namespace {

using detail::SafetensorsEntry;

constexpr std::uint64_t length_size = 8;               // bytes of the header's length
constexpr std::uint64_t largest_header = 100'000'000;  // the limit of the reference implementation

[[noreturn]] void fail(const fs::path& path, std::string_view message) {
  throw FileError("read_safetensors", fmt::format("{}: {}", path.string(), message));
}

/// Reads exactly as many bytes as fit.
void read_exactly(detail::InputFile& file, std::span<std::uint8_t> bytes, std::string_view what) {
  const std::size_t got = file.read(bytes);
  if (got < bytes.size()) {
    fail(file.path(), fmt::format("truncated: {} of the {} bytes of {}", got, bytes.size(), what));
  }
}

std::uint64_t size_of_file(const fs::path& path) {
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  if (error) fail(path, fmt::format("its size cannot be found: {}", error.message()));
  return size;
}

std::string read_header(detail::InputFile& file, std::uint64_t file_size) {
  if (file_size < length_size) {
    fail(file.path(),
         fmt::format("truncated: {} bytes, expected at least the {} of the header's length",
                     file_size, length_size));
  }
  std::array<std::uint8_t, length_size> bytes{};
  read_exactly(file, bytes, "the header's length");
  const auto length = std::bit_cast<std::uint64_t>(bytes);
  if (length > largest_header) {
    fail(file.path(),
         fmt::format("a header of {} bytes, expected at most {}: not a safetensors file", length,
                     largest_header));
  }
  if (length > file_size - length_size) {
    fail(file.path(), fmt::format("truncated: {} bytes after the header's length, expected {}",
                                  file_size - length_size, length));
  }
  std::string text(length, '\0');
  read_exactly(file, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}, "the header");
  if (!text.starts_with('{')) fail(file.path(), "the header does not begin with '{'");
  return text;
}

/// What an entry says of its tensor, once that has been checked.
struct Layout {
  Shape shape;
  std::size_t number_size;  // 4 for F32, 8 for F64, 1 for U8
};

Layout layout_of(const fs::path& path, const SafetensorsEntry& entry, Bytes bytes) {
  const auto reject = [&](std::string_view message) {
    fail(path, fmt::format("tensor '{}': {}", entry.name, message));
  };
  const bool take_bytes = bytes == Bytes::as_float;
  const std::size_t number_size = entry.dtype == "F32"                ? sizeof(float)
                                  : entry.dtype == "F64"              ? sizeof(double)
                                  : entry.dtype == "U8" && take_bytes ? 1
                                                                      : 0;
  if (number_size == 0) {
    reject(fmt::format("dtype {}, expected F32{} F64{}", entry.dtype, take_bytes ? "," : " or",
                       take_bytes ? " or U8" : ""));
  }
  const auto [begin, end] = entry.offsets;
  const std::string shape_text = fmt::format("[{}]", fmt::join(entry.shape, ", "));
  if (end < begin) reject(fmt::format("data_offsets [{}, {}] run backwards", begin, end));
  if (entry.shape.size() > Shape::max_rank) {
    reject(fmt::format("shape {} of rank {}, expected at most {}", shape_text, entry.shape.size(),
                       Shape::max_rank));
  }
  // Dimensions beside a zero count too: Shape does not hold them if their product overflows.
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : entry.shape) {
    if (dimension == 0) continue;
    if (__builtin_mul_overflow(product, dimension, &product) ||
        product > std::uint64_t{std::numeric_limits<std::int64_t>::max()} >> 6) {
      reject(fmt::format("shape {} has more elements than can be addressed", shape_text));
    }
  }
  const std::vector<std::int64_t> dimensions(entry.shape.begin(), entry.shape.end());
  const Layout layout{Shape(std::span(dimensions)), number_size};
  const std::uint64_t expected = static_cast<std::uint64_t>(layout.shape.size()) * number_size;
  if (end - begin != expected) {
    reject(fmt::format("data_offsets [{}, {}] hold {} bytes, expected {} for {} of shape {}", begin,
                       end, end - begin, expected, entry.dtype, shape_text));
  }
  return layout;
}

/// The entries in the order of their bytes, which they cover from 0 to `size`.
void check_contiguity(const fs::path& path, std::vector<SafetensorsEntry>& entries,
                      std::uint64_t size) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.offsets < b.offsets; });
  std::uint64_t next = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.offsets[0] != next) {
      fail(path,
           fmt::format(
               "tensor '{}' begins at byte {}, expected {}: {}", entry.name, entry.offsets[0], next,
               entry.offsets[0] < next ? "it overlaps the one before" : "a hole lies before it"));
    }
    next = entry.offsets[1];
  }
  if (next > size) {
    fail(path, fmt::format("truncated: {} bytes after the header, expected {}", size, next));
  }
  if (next < size) {
    fail(path, fmt::format("trailing bytes: {} after the header, expected {}", size, next));
  }
}

template <class T>
Tensor<T> read_tensor(detail::InputFile& file, const Shape& shape, std::string_view name) {
  Tensor<T> tensor(shape);
  const std::size_t bytes = static_cast<std::size_t>(tensor.size()) * sizeof(T);
  if (bytes > 0) {
    read_exactly(file, {reinterpret_cast<std::uint8_t*>(tensor.data()), bytes},
                 fmt::format("tensor '{}'", name));
  }
  return tensor;
}

Tensor<float> read_bytes(detail::InputFile& file, const Shape& shape, std::string_view name) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(shape.size()));
  read_exactly(file, bytes, fmt::format("tensor '{}'", name));
  Tensor<float> tensor(shape);
  std::copy(bytes.begin(), bytes.end(), tensor.begin());
  return tensor;
}

std::string_view bytes_of(const NamedTensor& tensor) {
  return std::visit(
      [](const auto& value) {
        return std::string_view(reinterpret_cast<const char*>(value.data()),
                                value.span().size_bytes());
      },
      tensor.value);
}

}  // namespace

std::vector<NamedTensor> read_safetensors(const fs::path& path, Bytes bytes) {
  detail::InputFile file(path, "read_safetensors", detail::Gzip::never);
  const std::uint64_t file_size = size_of_file(path);
  const std::string text = read_header(file, file_size);
  detail::SafetensorsHeader header = detail::parse_safetensors_header(text);
  if (!header.problem.empty()) fail(path, "header: " + header.problem);
  for (const SafetensorsEntry& entry : header.entries) layout_of(path, entry, bytes);
  check_contiguity(path, header.entries, file_size - length_size - text.size());

  std::vector<NamedTensor> tensors;
  for (const SafetensorsEntry& entry : header.entries) {
    const auto [shape, number_size] = layout_of(path, entry, bytes);
    if (number_size == 1) {
      tensors.push_back({entry.name, read_bytes(file, shape, entry.name)});
    } else if (number_size == sizeof(float)) {
      tensors.push_back({entry.name, read_tensor<float>(file, shape, entry.name)});
    } else {
      tensors.push_back({entry.name, read_tensor<double>(file, shape, entry.name)});
    }
  }
  return tensors;
}

void write_safetensors(const fs::path& path, std::span<const NamedTensor> tensors,
                       SourceLocation location) {
  const auto reject = [&](std::string_view message) {
    throw NameError("write_safetensors", fmt::format("{}: {}", path.string(), message), location);
  };
  std::vector<const NamedTensor*> order;
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == "__metadata__") reject("the name '__metadata__' is reserved by the format");
    if (!names.insert(tensor.name).second) {
      reject(fmt::format("the name '{}' is given twice", tensor.name));
    }
    order.push_back(&tensor);
  }
  std::stable_partition(order.begin(), order.end(), [](const NamedTensor* tensor) {
    return std::holds_alternative<Tensor<double>>(tensor->value);
  });

  std::string header = "{";
  std::vector<std::string_view> parts(2);  // the length and the header go before the numbers
  std::uint64_t offset = 0;
  for (const NamedTensor* tensor : order) {
    const auto name = detail::json_string(tensor->name);
    if (!name) reject("a name is not UTF-8");
    const std::string_view bytes = bytes_of(*tensor);
    header +=
        fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                    header.size() == 1 ? "" : ",", *name,
                    std::holds_alternative<Tensor<double>>(tensor->value) ? "F64" : "F32",
                    fmt::join(tensor->shape().dimensions(), ","), offset, offset + bytes.size());
    offset += bytes.size();
    parts.push_back(bytes);
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the numbers are aligned
  if (header.size() > largest_header) {
    reject(fmt::format("the names make a header of {} bytes, the format allows {}", header.size(),
                       largest_header));
  }
  const auto length = std::bit_cast<std::array<char, length_size>>(std::uint64_t{header.size()});
  parts[0] = {length.data(), length.size()};
  parts[1] = header;
  detail::replace_file(path, parts, "write_safetensors");
}

}  // namespace chainrule
