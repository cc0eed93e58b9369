// safetensors, the file format of named tensors (https://huggingface.co/docs/safetensors): the
// bridge to PyTorch and NumPy.
#pragma once

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/named_tensor.hpp>
#include <filesystem>
#include <span>
#include <vector>

namespace chainrule {

/// What becomes of a tensor of dtype U8: an error (weights are none), or float, which holds it
/// exactly (pixels).
enum class Bytes { refuse, as_float };

/// Reads every tensor, in the order in which their numbers lie in the file. The file is: the length
/// of the header, 8 bytes, little-endian; the header, a JSON object of
/// "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]} and, perhaps,
/// "__metadata__", a map of texts that is checked and not used; the numbers, row-major and
/// little-endian. It is taken only as a whole: the header is at most 100,000,000 bytes, its first
/// is
/// '{', no key stands twice and none is unknown, every tensor has as many bytes as dtype and shape
/// say, and the tensors cover what follows the header without a hole, an overlap or a byte left.
/// Throws FileError, with the path, the tensor, what was found and what was expected, for all else,
/// for dtypes other than F32 and F64 (and U8, if it is taken), and for a rank above 4. A file's
/// claims never make it allocate more than four times the file's size.
std::vector<NamedTensor> read_safetensors(const std::filesystem::path& path,
                                          Bytes bytes = Bytes::refuse);

/// Writes the tensors, float as F32 and double as F64; doubles come first in the file, so that each
/// tensor lies at a multiple of its number's size. The file appears under its name only when it is
/// complete and on the disk: it is written beside it and renamed. Throws NameError for a name that
/// is given twice, is "__metadata__" or not UTF-8 (before anything is written), and FileError, with
/// the path and the reason, when a step fails; what was at `path` is then as it was.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       SourceLocation location = SourceLocation::current());

}  // namespace chainrule
