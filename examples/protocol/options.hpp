// What the programs' command lines have in common.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "experiment.hpp"

namespace protocol {

/// "<program>: <message>" and the end of the line on standard error; nothing if that cannot be
/// written.
void complain(const std::string& program, const std::string& message) noexcept;

/// Takes one of the names, and says which there are when it is none.
template <class E>
CLI::Option* add_choice(CLI::App& app, const std::string& flag, E& target, const Names<E>& names,
                        const std::string& help) {
  std::string known;
  for (const auto& [name, value] : names) known += (known.empty() ? "" : "|") + name;
  return app
      .add_option_function<std::string>(
          flag,
          [&target, &names, flag, known](const std::string& text) {
            const auto found = names.find(text);
            if (found == names.end()) {
              throw CLI::ValidationError(flag, fmt::format("'{}': expected {}", text, known));
            }
            target = found->second;
          },
          help)
      ->option_text(known);
}

/// The decimal number that `text` is as a whole ("010" is ten), or nothing.
std::optional<std::uint64_t> whole_number(const std::string& text);

/// Takes a decimal whole number of `least` to `most`.
template <std::integral I>
CLI::Option* add_whole(CLI::App& app, const std::string& flag, I& target, std::uint64_t least,
                       std::uint64_t most, const std::string& help) {
  return app.add_option_function<std::string>(
      flag,
      [&target, flag, least, most](const std::string& text) {
        const auto value = whole_number(text);
        if (!value || *value < least || *value > most) {
          const std::string end =
              most == std::numeric_limits<std::uint64_t>::max() ? "2^64 - 1" : fmt::to_string(most);
          throw CLI::ValidationError(
              flag, fmt::format("'{}': expected a whole number from {} to {}", text, least, end));
        }
        target = static_cast<I>(*value);
      },
      help);
}

/// Takes a number for which `holds`, and says that it expected `expected` where it does not.
CLI::Option* add_number(CLI::App& app, const std::string& flag, double& target,
                        std::function<bool(double)> holds, const std::string& expected,
                        const std::string& help);

/// --data DIR: the directory of MNIST's four files. Where it is not given, $CHAINRULE_DATA is
/// taken, unless that is empty; where there is neither, `target` stays empty, and the program draws
/// synthetic digits.
CLI::Option* add_data(CLI::App& app, std::optional<std::string>& target);

/// Counts of images, steps and epochs may not be larger.
constexpr std::uint64_t most_images = 100'000'000, most_epochs = 1'000'000;

/// Parses. Returns an exit status where there is nothing to run: 0 after --help and --version, 2
/// after one line about a bad option. `check` may throw CLI::ValidationError for options that do
/// not go together.
std::optional<int> parse(CLI::App& app, int argc, char** argv,
                         const std::function<void()>& check = {});

/// Whether so many threads can be started beside each other here. Throws chainrule::UsageError
/// where they cannot.
void expect_threads(int count);

}  // namespace protocol
