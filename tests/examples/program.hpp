// A program run as a user runs it: what it writes, and its exit status.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace program {

namespace fs = std::filesystem;

inline std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Directory {
  fs::path path;
  Directory() {
    std::string name = (fs::temp_directory_path() / "chainrule_XXXXXX").string();
    path = mkdtemp(name.data());
  }
  Directory(const Directory&) = delete;
  ~Directory() { fs::remove_all(path); }
};

struct Outcome {
  int status;
  std::string out, err;
};

/// Runs `executable` with CHAINRULE_DATA set to `data`, or unset where that is null, behind
/// `before` ("ulimit -v 1000000;").
inline Outcome run(const std::string& executable, const std::string& arguments,
                   const char* data = nullptr, const std::string& before = "") {
  const Directory directory;
  const fs::path out = directory.path / "out", err = directory.path / "err";
  const std::string environment =
      data ? fmt::format("CHAINRULE_DATA='{}'", data) : std::string("env -u CHAINRULE_DATA");
  const int raw = std::system(fmt::format("{} {} '{}' {} >'{}' 2>'{}'", before, environment,
                                          executable, arguments, out.string(), err.string())
                                  .c_str());
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : -1, read(out), read(err)};
}

/// An error that the user can mend: one line, with `wanted` in it, nothing on standard output, and
/// exit status 2.
inline void check_one_line(const Outcome& outcome, const std::string& wanted) {
  BOOST_TEST(outcome.status == 2, outcome.err);
  BOOST_TEST(outcome.out.empty(), outcome.out);
  BOOST_TEST(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1, outcome.err);
  BOOST_TEST(outcome.err.find(wanted) != std::string::npos,
             fmt::format("'{}' is not in: {}", wanted, outcome.err));
}

/// The four files of MNIST with `train` and `validation` images of rows x columns pixels, labelled
/// 0, 1, ..., 9, 0, ...: all pixels are `pixel`, or where that is negative follow a generator.
inline void write_mnist(const fs::path& directory, unsigned train, unsigned validation, int pixel,
                        unsigned rows = 28, unsigned columns = 28) {
  const auto write = [&](const std::string& name, unsigned count, bool images) {
    std::string bytes{'\0', '\0', '\x08', images ? '\x03' : '\x01'};
    const auto dimension = [&](unsigned n) {
      for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift & 255);
    };
    dimension(count);
    if (images) dimension(rows), dimension(columns);
    std::uint32_t state = 1;
    for (std::size_t k = 0; k < count * (images ? std::size_t{rows} * columns : 1); ++k) {
      state = 1664525 * state + 1013904223;  // Numerical Recipes' quick one
      bytes += static_cast<char>(!images ? k % 10 : pixel < 0 ? state >> 24 : unsigned(pixel));
    }
    std::ofstream(directory / name, std::ios::binary) << bytes;
  };
  write("train-images-idx3-ubyte", train, true);
  write("train-labels-idx1-ubyte", train, false);
  write("t10k-images-idx3-ubyte", validation, true);
  write("t10k-labels-idx1-ubyte", validation, false);
}

}  // namespace program
