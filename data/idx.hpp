// IDX, the file format of MNIST (http://yann.lecun.com/exdb/mnist), plain or compressed by gzip.
#pragma once

#include <chainrule/data/images.hpp>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace chainrule {

/// Reads an idx3-ubyte file: the bytes 0, 0, 8 (unsigned byte), 3 (dimensions), three big-endian
/// 32-bit dimensions (images, rows, columns), and the pixels. A file that begins as gzip does is
/// decompressed, and its checksum verified. Throws FileError, with the path, what was found and
/// what was expected, for a file that cannot be read, has another type or number of dimensions,
/// images without pixels, or fewer or more bytes than its dimensions say.
Images read_idx_images(const std::filesystem::path& path);

/// Reads an idx1-ubyte file: the bytes 0, 0, 8, 1, one dimension, and the labels. Throws FileError
/// as above, and LabelError for a label outside 0 ... classes - 1.
std::vector<std::int32_t> read_idx_labels(const std::filesystem::path& path,
                                          std::int32_t classes = 10);

/// Both, and FileError when their counts differ.
LabelledImages read_idx_pair(const std::filesystem::path& images,
                             const std::filesystem::path& labels, std::int32_t classes = 10);

/// MNIST from a directory: train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k,
/// each plain or with .gz, spelled with a dash or a dot before idx; the plain file goes first.
/// scripts/fetch_mnist.sh puts them there. Throws FileError, naming the directory and the missing
/// file, and whatever the readers above throw.
Mnist read_mnist(const std::filesystem::path& directory);

}  // namespace chainrule
