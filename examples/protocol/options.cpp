#include "options.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace protocol {

void complain(const std::string& program, const std::string& message) noexcept {
  // Not fmt::print, which throws where standard error cannot be written.
  std::fputs(program.c_str(), stderr);
  std::fputs(": ", stderr);
  std::fputs(message.c_str(), stderr);
  std::fputs("\n", stderr);
}

std::optional<std::uint64_t> whole_number(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || next != end) return std::nullopt;
  return value;
}

CLI::Option* add_number(CLI::App& app, const std::string& flag, double& target,
                        std::function<bool(double)> holds, const std::string& expected,
                        const std::string& help) {
  return app.add_option_function<std::string>(
      flag,
      [&target, flag, holds = std::move(holds), expected](const std::string& text) {
        double value = 0;
        const char* const end = text.data() + text.size();
        const auto [next, error] = std::from_chars(text.data(), end, value);
        if (error != std::errc{} || next != end || !holds(value)) {
          throw CLI::ValidationError(flag, fmt::format("'{}': expected {}", text, expected));
        }
        target = value;
      },
      help);
}

CLI::Option* add_data(CLI::App& app, std::optional<std::string>& target) {
  return app
      .add_option("--data", target,
                  "directory of MNIST's four IDX files, plain or .gz. Without it:\n"
                  "$CHAINRULE_DATA, or else synthetic digits")
      ->option_text("DIR")
      ->envname("CHAINRULE_DATA");
}

std::optional<int> parse(CLI::App& app, int argc, char** argv, const std::function<void()>& check) {
  try {
    app.parse(argc, argv);
    if (check) check();
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    complain(app.get_name(),
             fmt::format("{} ({} --help lists the options)", message, app.get_name()));
    return 2;
  }
  return std::nullopt;
}

void expect_threads(int count) {
  // What a thread of OpenBLAS takes of the address space, beside its stack: its buffer, and an
  // arena of malloc's. Where that cannot be had (under ulimit -v) it waits for ever.
  constexpr std::size_t room = (32 + 64) << 20;
  std::mutex mutex;
  std::condition_variable condition;
  bool done = false;
  std::vector<std::thread> threads;
  std::vector<void*> rooms;
  std::string problem;
  try {
    // They must all be alive at once: a limit counts what runs.
    for (int i = 1; i < count; ++i) {
      void* const at = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category());
      rooms.push_back(at);
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        condition.wait(lock, [&] { return done; });
      });
    }
  } catch (const std::system_error& error) {
    problem = error.what();
  } catch (const std::bad_alloc& error) {
    problem = "no memory";
  }
  const std::size_t started = threads.size() + 1;
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  condition.notify_all();
  for (std::thread& thread : threads) thread.join();
  for (void* at : rooms) munmap(at, room);
  if (!problem.empty()) {
    throw chainrule::UsageError("threads", fmt::format("{} asked for, but only {} can run here: {}",
                                                       count, started, problem));
  }
}

}  // namespace protocol
