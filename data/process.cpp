#include <chainrule/data/process.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace chainrule::detail {

namespace {

std::string reason(int code) { return std::generic_category().message(code); }

struct Descriptor {
  int number = -1;
  ~Descriptor() { close(); }
  void close() {
    if (number >= 0) ::close(number);
    number = -1;
  }
};

struct FileActions {
  posix_spawn_file_actions_t value;
  FileActions() { posix_spawn_file_actions_init(&value); }
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
};

/// What the program writes until it closes its output; 0 or an errno.
int read_all(int descriptor, std::string& text) {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got == 0) return 0;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& arguments,
                          const std::filesystem::path& directory) {
  const std::string& name = arguments.front();
  ProcessResult result;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    result.problem = fmt::format("{} was not run: no pipe: {}", name, reason(errno));
    return result;
  }
  Descriptor from{ends[0]}, to{ends[1]};

  FileActions actions;
  int code = 0;
  const auto step = [&](int status) { code = code != 0 ? code : status; };
  step(posix_spawn_file_actions_addopen(&actions.value, 0, "/dev/null", O_RDONLY, 0));
  step(posix_spawn_file_actions_adddup2(&actions.value, to.number, 1));
  step(posix_spawn_file_actions_adddup2(&actions.value, to.number, 2));
  step(posix_spawn_file_actions_addchdir_np(&actions.value, directory.c_str()));
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (code == 0) step(posix_spawnp(&pid, argv[0], &actions.value, nullptr, argv.data(), environ));
  if (code != 0) {
    result.problem = code == ENOENT ? fmt::format("{} is not on PATH", name)
                                    : fmt::format("{} cannot be run: {}", name, reason(code));
    return result;
  }
  to.close();  // ours, so that the pipe ends when the program does
  const int read_code = read_all(from.number, result.output);
  from.close();

  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno == EINTR) continue;
    result.problem = fmt::format("{} was lost: {}", name, reason(errno));
    return result;
  }
  if (WIFSIGNALED(status)) {
    result.problem = fmt::format("{} was ended by signal {}", name, WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0) {
    result.problem = fmt::format("{} failed with exit status {}", name, WEXITSTATUS(status));
  } else if (read_code != 0) {
    result.problem = fmt::format("the output of {} cannot be read: {}", name, reason(read_code));
  }
  return result;
}

}  // namespace chainrule::detail
