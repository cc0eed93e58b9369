// Reading zip archives (PKWARE's APPNOTE 6.3): what .npz files are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace chainrule::detail {

struct ZipMember {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

/// All members of the archive whose bytes these are, unpacked, in the order of its directory.
/// Throws std::runtime_error saying what is wrong; the caller knows the path.
std::vector<ZipMember> read_zip(std::span<const std::uint8_t> archive);

}  // namespace chainrule::detail
