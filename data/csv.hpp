// CSV: columns of numbers into a file that spreadsheets, NumPy and R read.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace chainrule {

/// A named column of numbers.
struct Column {
  std::string name;  ///< its first line
  /// One a line: of either type.
  std::variant<std::vector<double>, std::vector<std::int64_t>> values;
};

/// Writes one line of names and one line for each value. Numbers are the shortest that read back as
/// the same double; NaN is `nan`, infinities are `inf` and `-inf`. Names with a comma, a quote or a
/// line break are quoted as RFC 4180 has it; lines end in LF alone, for the tools that trip over
/// its CR LF. Throws UsageError without columns, ShapeError when their lengths differ (both before
/// the file is touched), and FileError, with the path and the reason, when it cannot be written.
void write_csv(const std::filesystem::path& path, std::span<const Column> columns,
               SourceLocation location = SourceLocation::current());

}  // namespace chainrule
