#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/data/file.hpp>

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace chainrule::detail {

namespace fs = std::filesystem;

namespace {

/// The temporary file, removed unless it was renamed.
class Temporary {
 public:
  /// Permissions as any new file's, or those of the file that it will replace.
  Temporary(const fs::path& target, std::string_view operation)
      : target_(target), operation_(operation) {
    static std::atomic<unsigned> count = 0;
    do {
      path_ = target;
      path_ += fmt::format(".{}-{}.tmp", ::getpid(), count++);
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);  // left behind by a process that was killed
    if (descriptor_ < 0) fail(fmt::format("{} cannot be made", path_.filename().string()));
  }
  ~Temporary() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void take_permissions(mode_t mode) {
    if (::fchmod(descriptor_, mode) != 0) fail("its permissions cannot be kept");
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno != EINTR) {
        fail("cannot be written");
      }
    }
  }

  void finish() {
    if (::fsync(descriptor_) != 0) fail("cannot be brought to the disk");
    const int descriptor = std::exchange(descriptor_, -1);  // closed even where close() fails
    if (::close(descriptor) != 0) fail("cannot be closed");
    if (std::rename(path_.c_str(), target_.c_str()) != 0) fail("cannot be renamed into place");
    renamed_ = true;
  }

 private:
  [[noreturn]] void fail(std::string_view what) {
    const std::string reason = std::generic_category().message(errno);
    throw FileError(operation_, fmt::format("{}: {}: {}", target_.string(), what, reason));
  }

  fs::path target_, path_;
  std::string operation_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

}  // namespace

void replace_file(const fs::path& path, std::span<const std::string_view> parts,
                  std::string_view operation) {
  std::error_code error;
  const fs::path target = fs::is_symlink(path, error) ? fs::weakly_canonical(path, error) : path;
  if (error && error != std::errc::no_such_file_or_directory) {
    throw FileError(operation, fmt::format("{}: {}", path.string(), error.message()));
  }
  struct stat old {};
  const bool replaces = ::stat(target.c_str(), &old) == 0;
  if (replaces && !S_ISREG(old.st_mode)) {
    throw FileError(operation, fmt::format("{}: is there and not a regular file", path.string()));
  }
  Temporary temporary(target, operation);
  if (replaces) temporary.take_permissions(old.st_mode & 07777);
  for (const std::string_view part : parts) temporary.write(part);
  temporary.finish();
}

}  // namespace chainrule::detail
