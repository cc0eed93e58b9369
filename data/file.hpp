// Files read and written whole, every call checked: what the formats of this folder stand on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace chainrule::detail {

/// Whether a file that begins as gzip does is decompressed.
enum class Gzip { detect, never };

/// A file open for reading from front to back, decompressed on the way when its first two bytes are
/// those of gzip (RFC 1952; several members in a row are one file, as gzip itself takes them).
/// All errors are FileErrors in the name of `operation`, with the path and the reason.
class InputFile {
 public:
  InputFile(std::filesystem::path path, std::string_view operation, Gzip gzip = Gzip::detect);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Fills `bytes` and returns how many there were: fewer than asked for only at the end of the
  /// file. Throws FileError for a read error, damaged or truncated gzip, and bytes after its end.
  std::size_t read(std::span<std::uint8_t> bytes);

 private:
  struct Stream;  // the open file, and zlib's state
  bool refill();  // false at the end of the file
  bool at_gzip_magic() const;
  std::size_t read_plain(std::span<std::uint8_t> bytes);
  std::size_t read_gzip(std::span<std::uint8_t> bytes);
  void begin_member();  // the next one of the gzip file
  std::filesystem::path path_;
  std::string operation_;
  std::unique_ptr<Stream> stream_;
};

/// Writes `bytes` to `path`, over what was there. Throws FileError in the name of `operation`, with
/// the path and the reason, when any step fails; what was written until then stays.
void write_file(const std::filesystem::path& path, std::string_view bytes,
                std::string_view operation);

/// Writes the parts one after the other to a temporary file beside `path`, brings it to the disk
/// and renames it to `path`: whoever looks finds the old file or the whole new one. A link is
/// followed, and a file that was there hands on its permissions. Throws FileError as above when any
/// step fails, or `path` is there and no regular file; the temporary file is then gone, and what
/// was at `path` is as it was.
void replace_file(const std::filesystem::path& path, std::span<const std::string_view> parts,
                  std::string_view operation);

}  // namespace chainrule::detail
