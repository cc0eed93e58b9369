// .npy and .npz, NumPy's files of one array and of named arrays: how data and gradients come from
// Python.
#pragma once

#include <chainrule/autograd/storage/named_tensor.hpp>
#include <filesystem>
#include <vector>

namespace chainrule {

/// Reads what numpy.save writes (https://numpy.org/doc/stable/reference/generated/
/// numpy.lib.format.html, versions 1 to 3): float32 and float64 of rank 0 to 4, little-endian, in C
/// or in Fortran order; uint8, as booleans are not, becomes float, which holds it exactly. The
/// tensor is row-major, whatever the file's order, and called as the file without ".npy". Throws
/// FileError, with the path, what was found and what was expected, for all else: another dtype,
/// fewer or more bytes than the shape says, a header that is no such dictionary.
NamedTensor read_npy(const std::filesystem::path& path);

/// Reads what numpy.savez and numpy.savez_compressed write: a zip archive of .npy files, in their
/// order, each called as its member without ".npy". Members are stored or deflated, sizes may be
/// those of zip64. Throws FileError as above, naming the member, and for: a damaged or truncated
/// archive, a member whose CRC-32 is wrong, that is encrypted, no .npy file, or there twice, and
/// one that does not fit into memory, with its size. A file's claims never make it allocate more
/// than deflate can hold in its size (1032 times).
std::vector<NamedTensor> read_npz(const std::filesystem::path& path);

}  // namespace chainrule
