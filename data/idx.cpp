#include <chainrule/data/file.hpp>
#include <chainrule/data/idx.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace chainrule {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view operation = "read_idx";

[[noreturn]] void fail(const fs::path& path, std::string_view message) {
  throw FileError(operation, fmt::format("{}: {}", path.string(), message));
}

/// What follows the dimensions. Memory grows with what is there, never with what the header claims.
std::vector<std::uint8_t> read_payload(detail::InputFile& file, std::size_t expected,
                                       std::string_view dimensions) {
  constexpr std::size_t step = std::size_t{1} << 20;
  std::vector<std::uint8_t> payload;
  while (payload.size() < expected) {
    const std::size_t before = payload.size();
    const std::size_t wanted = std::min(expected - before, std::max(step, before));
    payload.resize(before + wanted);
    if (const auto got = file.read(std::span(payload).subspan(before)); got < wanted) {
      fail(file.path(), fmt::format("truncated: {} bytes after the header, expected {} for {}",
                                    before + got, expected, dimensions));
    }
  }
  // Reading on to the end also makes zlib verify its checksum.
  std::array<std::uint8_t, 1> more;
  if (file.read(more) != 0) {
    fail(file.path(),
         fmt::format("trailing bytes after the {} expected for {}", expected, dimensions));
  }
  return payload;
}

struct Idx {
  std::vector<std::int64_t> dimensions;
  std::vector<std::uint8_t> payload;
};

Idx read_idx(const fs::path& path, int rank) {
  detail::InputFile file(path, operation);
  const auto word = [&](std::string_view what) {
    std::array<std::uint8_t, 4> bytes;
    if (const auto got = file.read(bytes); got < bytes.size()) {
      fail(path, fmt::format("truncated: {} of the 4 bytes of {}", got, what));
    }
    return bytes;
  };
  const auto magic = word("the IDX magic number");
  if (magic[0] != 0 || magic[1] != 0) {
    fail(path, fmt::format("not an IDX file: begins with {:02x}, expected 00 00 08 {:02x}",
                           fmt::join(magic, " "), rank));
  }
  if (magic[2] != 8) {
    fail(path, fmt::format("element type 0x{:02x}, expected 0x08 (unsigned byte)", magic[2]));
  }
  if (magic[3] != rank) {
    fail(path, fmt::format("{} dimensions, expected {} ({})", magic[3], rank,
                           rank == 3 ? "images" : "labels"));
  }
  Idx idx;
  std::uint64_t size = 1;
  for (int axis = 0; axis < rank; ++axis) {
    const auto bytes = word(fmt::format("dimension {}", axis));
    std::uint32_t dimension = 0;
    for (const auto byte : bytes) dimension = dimension << 8 | byte;
    if (axis > 0 && dimension == 0) {
      fail(path, fmt::format("dimension {} is 0, expected at least 1", axis));
    }
    idx.dimensions.push_back(dimension);
    if (__builtin_mul_overflow(size, std::uint64_t{dimension}, &size) ||
        size > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      fail(path, fmt::format("dimensions {} make more than 2^63 - 1 bytes, expected fewer",
                             fmt::join(idx.dimensions, " x ")));
    }
  }
  const auto text = fmt::format("dimensions {}", fmt::join(idx.dimensions, " x "));
  idx.payload = read_payload(file, size, text);
  return idx;
}

/// `name` in `directory`, in whatever spelling is there: part-of-set, idx type, with or without
/// .gz.
fs::path find_part(const fs::path& directory, std::string_view part, std::string_view type) {
  for (const auto suffix : {"", ".gz"}) {
    for (const auto separator : {'-', '.'}) {
      auto path = directory / fmt::format("{}{}{}{}", part, separator, type, suffix);
      std::error_code ignored;  // what cannot be looked at is not there
      if (fs::exists(path, ignored)) return path;
    }
  }
  throw FileError("read_mnist", fmt::format("directory {} has no {}-{}, plain or .gz",
                                            directory.string(), part, type));
}

}  // namespace

Images read_idx_images(const fs::path& path) {
  auto idx = read_idx(path, 3);
  return {idx.dimensions[0], idx.dimensions[1], idx.dimensions[2], std::move(idx.payload)};
}

std::vector<std::int32_t> read_idx_labels(const fs::path& path, std::int32_t classes) {
  const auto idx = read_idx(path, 1);
  const auto wrong = std::find_if(idx.payload.begin(), idx.payload.end(),
                                  [=](std::uint8_t label) { return label >= classes; });
  if (wrong != idx.payload.end()) {
    throw LabelError(
        operation, fmt::format("{}: label {} at index {}, expected 0 to {}", path.string(), *wrong,
                               wrong - idx.payload.begin(), classes - 1));
  }
  return {idx.payload.begin(), idx.payload.end()};
}

LabelledImages read_idx_pair(const fs::path& images, const fs::path& labels, std::int32_t classes) {
  LabelledImages result{read_idx_images(images), read_idx_labels(labels, classes),
                        images.filename().string()};
  if (std::ssize(result.labels) != result.images.count) {
    fail(labels, fmt::format("{} labels, expected {}, as many as images in {}",
                             result.labels.size(), result.images.count, images.string()));
  }
  return result;
}

Mnist read_mnist(const fs::path& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    throw FileError(
        "read_mnist",
        fmt::format("{} is not a directory{}; expected one with the four files of MNIST",
                    directory.string(), error ? ": " + error.message() : ""));
  }
  const auto set = [&](std::string_view name) {
    return read_idx_pair(find_part(directory, fmt::format("{}-images", name), "idx3-ubyte"),
                         find_part(directory, fmt::format("{}-labels", name), "idx1-ubyte"));
  };
  Mnist mnist{set("train"), set("t10k")};
  const Images &train = mnist.train.images, &validation = mnist.validation.images;
  if (train.rows != validation.rows || train.columns != validation.columns) {
    throw FileError("read_mnist", fmt::format("{}: training images of {} x {}, test images of {} x "
                                              "{}: expected one size",
                                              directory.string(), train.rows, train.columns,
                                              validation.rows, validation.columns));
  }
  mnist.train.source = "MNIST, training set";
  mnist.validation.source = "MNIST, test set";
  return mnist;
}

}  // namespace chainrule
