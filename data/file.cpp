#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/data/file.hpp>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>

namespace chainrule::detail {

namespace {

struct Close {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

[[noreturn]] void fail(std::string_view operation, const std::filesystem::path& path,
                       std::string_view message) {
  throw FileError(operation, fmt::format("{}: {}", path.string(), message));
}

/// The same after a call that set errno.
[[noreturn]] void fail_errno(std::string_view operation, const std::filesystem::path& path,
                             std::string_view what) {
  const int code = errno;
  fail(operation, path, fmt::format("{}: {}", what, std::generic_category().message(code)));
}

}  // namespace

struct InputFile::Stream {
  File file;
  std::array<std::uint8_t, std::size_t{1} << 16> buffer;
  std::span<std::uint8_t> rest;  // what of the buffer has not been taken yet
  z_stream zlib{};
  bool gzip = false;   // then zlib is initialised
  bool ended = false;  // the checksum of the last member has been verified

  ~Stream() {
    if (gzip) inflateEnd(&zlib);
  }
};

InputFile::InputFile(std::filesystem::path path, std::string_view operation, Gzip gzip)
    : path_(std::move(path)), operation_(operation), stream_(std::make_unique<Stream>()) {
  stream_->file.reset(std::fopen(path_.c_str(), "rb"));
  if (!stream_->file) fail_errno(operation_, path_, "cannot be opened");
  if (gzip == Gzip::never || !refill() || !at_gzip_magic()) return;
  if (inflateInit2(&stream_->zlib, 16 + MAX_WBITS) != Z_OK) {  // 16: a gzip wrapper, nothing else
    fail(operation_, path_, "zlib cannot be initialised");
  }
  stream_->gzip = true;
}

InputFile::~InputFile() = default;

bool InputFile::refill() {
  Stream& s = *stream_;
  if (!s.rest.empty()) return true;
  const std::size_t got = std::fread(s.buffer.data(), 1, s.buffer.size(), s.file.get());
  if (std::ferror(s.file.get())) fail_errno(operation_, path_, "cannot be read");
  s.rest = std::span(s.buffer).first(got);
  return got > 0;
}

bool InputFile::at_gzip_magic() const {
  const auto& rest = stream_->rest;
  return rest.size() >= 2 && rest[0] == 0x1f && rest[1] == 0x8b;
}

std::size_t InputFile::read(std::span<std::uint8_t> bytes) {
  return stream_->gzip ? read_gzip(bytes) : read_plain(bytes);
}

std::size_t InputFile::read_plain(std::span<std::uint8_t> bytes) {
  std::size_t done = 0;
  while (done < bytes.size() && refill()) {
    auto& rest = stream_->rest;
    const std::size_t count = std::min(rest.size(), bytes.size() - done);
    std::memcpy(bytes.data() + done, rest.data(), count);
    rest = rest.subspan(count);
    done += count;
  }
  return done;
}

std::size_t InputFile::read_gzip(std::span<std::uint8_t> bytes) {
  Stream& s = *stream_;
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (s.ended) {
      if (!refill()) break;
      begin_member();
    }
    if (!refill()) fail(operation_, path_, "truncated: the gzip stream ends early");
    const std::size_t room =
        std::min<std::size_t>(bytes.size() - done, std::numeric_limits<uInt>::max());
    s.zlib.next_in = s.rest.data();
    s.zlib.avail_in = static_cast<uInt>(s.rest.size());
    s.zlib.next_out = bytes.data() + done;
    s.zlib.avail_out = static_cast<uInt>(room);
    const int status = inflate(&s.zlib, Z_NO_FLUSH);
    s.rest = s.rest.last(s.zlib.avail_in);
    done += room - s.zlib.avail_out;
    s.ended = status == Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      fail(operation_, path_,
           fmt::format("damaged gzip stream: {}",
                       s.zlib.msg != nullptr ? s.zlib.msg : zError(status)));
    }
  }
  return done;
}

void InputFile::begin_member() {
  Stream& s = *stream_;
  // The two bytes of the magic number may lie on either side of a refill; inflate checks the
  // second.
  if (s.rest[0] != 0x1f || (s.rest.size() > 1 && s.rest[1] != 0x8b)) {
    fail(operation_, path_, "trailing bytes after the gzip stream");
  }
  if (inflateReset(&s.zlib) != Z_OK) fail(operation_, path_, "zlib cannot be reset");
  s.ended = false;
}

void write_file(const std::filesystem::path& path, std::string_view bytes,
                std::string_view operation) {
  File file(std::fopen(path.c_str(), "wb"));
  if (!file) fail_errno(operation, path, "cannot be opened for writing");
  if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() ||
      std::fflush(file.get()) != 0) {
    fail_errno(operation, path, "cannot be written");
  }
  if (std::fclose(file.release()) != 0) fail_errno(operation, path, "cannot be closed");
}

}  // namespace chainrule::detail
