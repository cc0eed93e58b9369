// One array in NumPy's format: the bytes of an .npy file, or of a member of an .npz file.
#pragma once

#include <chainrule/autograd/storage/named_tensor.hpp>
#include <cstdint>
#include <span>
#include <string>

namespace chainrule::detail {

/// The array, under that name. Throws std::runtime_error saying what was found and what was
/// expected; the caller knows the path.
NamedTensor parse_npy(std::span<const std::uint8_t> bytes, std::string name);

}  // namespace chainrule::detail
