// The JSON header of a safetensors file, read key by key: nothing unexpected passes, and no key
// stands twice.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule::detail {

/// What the header says of one tensor; the numbers are as they stand there, not yet believed.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::array<std::uint64_t, 2> offsets{};
};

/// The entries of the header `text`, in its order. On any violation of the form, `problem` says
/// what was found and what was expected, and the entries are of no use.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::string problem;
};
SafetensorsHeader parse_safetensors_header(std::string_view text);

/// `text` as a JSON string, with its quotes; nothing where it is not UTF-8.
std::optional<std::string> json_string(std::string_view text);

}  // namespace chainrule::detail
