#include <chainrule/data/csv.hpp>
#include <chainrule/data/file.hpp>

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace chainrule {

namespace {

std::string csv_name(std::string_view name) {
  if (name.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(name);
  std::string result = "\"";
  for (const char c : name) result.append(c == '"' ? 2 : 1, c);
  return result + '"';
}

std::size_t length(const Column& column) {
  return std::visit([](const auto& values) { return values.size(); }, column.values);
}

void append(std::string& text, double value) {
  // fmt would show the sign of a NaN, which means nothing.
  if (std::isnan(value)) {
    text += "nan";
  } else {
    text += fmt::format("{}", value);
  }
}
void append(std::string& text, std::int64_t value) {
  text += fmt::format("{}", value);
}

}  // namespace

void write_csv(const std::filesystem::path& path, std::span<const Column> columns,
               SourceLocation location) {
  if (columns.empty()) {
    throw UsageError("write_csv", fmt::format("{}: no columns", path.string()), location);
  }
  const std::size_t lines = length(columns.front());
  for (const Column& column : columns) {
    if (length(column) != lines) {
      throw ShapeError(
          "write_csv",
          fmt::format("{}: column '{}' has {} values, expected {} as in column '{}'", path.string(),
                      column.name, length(column), lines, columns.front().name),
          location);
    }
  }
  std::string text;
  const auto separator = [&](std::size_t column) {
    return column + 1 < columns.size() ? "," : "\n";
  };
  for (std::size_t c = 0; c < columns.size(); ++c) text += csv_name(columns[c].name) + separator(c);
  for (std::size_t line = 0; line < lines; ++line) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      std::visit([&](const auto& values) { append(text, values[line]); }, columns[c].values);
      text += separator(c);
    }
  }
  detail::write_file(path, text, "write_csv");
}

}  // namespace chainrule
