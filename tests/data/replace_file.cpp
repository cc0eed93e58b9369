// replace_file: the old file or the whole new one, and every system call fails once.
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/data/file.hpp>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdio>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

std::string failing;        // the call that is to fail
bool interrupted = false;   // the next write() is interrupted
bool short_writes = false;  // write() takes three bytes at a time

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

bool fails(const char* call, int code) {
  if (failing != call) return false;
  errno = code;
  return true;
}

}  // namespace

// These stand before the C library's for the whole program.
extern "C" {
ssize_t write(int descriptor, const void* bytes, size_t count) {
  if (fails("write", ENOSPC)) return -1;
  if (std::exchange(interrupted, false)) {
    errno = EINTR;
    return -1;
  }
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return real(descriptor, bytes, short_writes && count > 3 ? 3 : count);
}
int fsync(int descriptor) {
  static const auto real = next<int (*)(int)>("fsync");
  return fails("fsync", EIO) ? -1 : real(descriptor);
}
int fchmod(int descriptor, mode_t mode) {
  static const auto real = next<int (*)(int, mode_t)>("fchmod");
  return fails("fchmod", EPERM) ? -1 : real(descriptor, mode);
}
int close(int descriptor) {
  static const auto real = next<int (*)(int)>("close");
  const int result = real(descriptor);
  return fails("close", EIO) ? -1 : result;
}
int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return fails("rename", EACCES) ? -1 : real(from, to);
}
}

namespace {

void replace(const fs::path& path, std::string_view first, std::string_view second = "") {
  const std::string_view parts[] = {first, second};
  detail::replace_file(path, parts, "operation");
}

std::size_t files_in(const fs::path& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(replace_file, TemporaryDirectory)

BOOST_AUTO_TEST_CASE(writes_and_replaces) {
  const auto path = *this / "a";
  replace(path, "one ", "file");
  BOOST_TEST(read(path) == "one file");
  short_writes = interrupted = true;
  replace(path, "", "another file");
  short_writes = false;
  BOOST_TEST(read(path) == "another file");
  BOOST_TEST(files_in(this->path()) == 1);
}

BOOST_AUTO_TEST_CASE(keeps_permissions_and_links) {
  const auto path = *this / "a", link = *this / "link";
  replace(path, "old");
  BOOST_REQUIRE(::chmod(path.c_str(), 0600) == 0);
  fs::create_symlink("a", link);
  replace(link, "new");
  BOOST_TEST(fs::is_symlink(link));
  BOOST_TEST(read(path) == "new");
  BOOST_TEST(mode_of(path) == 0600u);
}

BOOST_AUTO_TEST_CASE(every_call_fails_once) {
  const auto path = *this / "a";
  replace(path, "the old file");
  for (const auto& [call, reason] : {std::pair{"write", "cannot be written: No space left"},
                                     {"fsync", "cannot be brought to the disk: Input/output"},
                                     {"fchmod", "permissions cannot be kept: Operation not"},
                                     {"close", "cannot be closed: Input/output"},
                                     {"rename", "cannot be renamed into place: Permission"}}) {
    std::string message;
    failing = call;
    try {
      replace(path, "the new file");
    } catch (const FileError& error) {
      message = error.what();
    }
    failing.clear();
    BOOST_TEST_CONTEXT(call << ": " << message) {
      BOOST_TEST(message.find("[operation] " + path.string()) == 0);
      BOOST_TEST(message.find(reason) != std::string::npos);
      BOOST_TEST(read(path) == "the old file");
      BOOST_TEST(files_in(this->path()) == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(places_where_no_file_can_be) {
  BOOST_CHECK_EXCEPTION(replace(*this / "none" / "a", ""), FileError,
                        says("cannot be made: No such file"));
  fs::create_directory(*this / "directory");
  BOOST_CHECK_EXCEPTION(replace(*this / "directory", ""), FileError, says("not a regular file"));
  BOOST_CHECK_EXCEPTION(replace("/dev/null", ""), FileError, says("not a regular file"));
  const auto loop = *this / "loop";
  fs::create_symlink("loop", loop);
  BOOST_CHECK_THROW(replace(loop, ""), FileError);
  BOOST_TEST(files_in(path()) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
