// The errors that chainrule throws, and the place in the user's program that they name.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace chainrule {

/// A file and line of the user's program. As the last, defaulted parameter of a function it is the
/// place of the call. (std::source_location is missing in clang 14 with libstdc++ 12; the builtins
/// are the same thing.)
class SourceLocation {
 public:
  /// An unknown place.
  constexpr SourceLocation() = default;
  /// The place of the call, where it stands as a defaulted argument.
  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          std::uint32_t line = __builtin_LINE()) {
    SourceLocation location;
    location.file_ = file;
    location.line_ = line;
    return location;
  }

  /// Path of the file as the compiler was given it; empty when unknown.
  constexpr const char* file() const { return file_; }
  /// Line, from 1; 0 when unknown.
  constexpr std::uint32_t line() const { return line_; }
  /// "model.cpp:12" (the file's name without its folders), or "" when unknown.
  std::string to_string() const;

 private:
  const char* file_ = "";
  std::uint32_t line_ = 0;
};

/// Base of everything that chainrule throws on purpose.
/// what() reads "[operation] message (file:line)".
class Error : public std::runtime_error {
 public:
  /// `operation` without its brackets; a location that is unknown is left out of what().
  Error(std::string_view operation, std::string_view message, SourceLocation location = {});

  /// "matmul": the operation or function that could not go on.
  const std::string& operation() const { return operation_; }
  /// The user's line, where it is known.
  SourceLocation location() const { return location_; }

 private:
  std::string operation_;
  SourceLocation location_;
};

/// Shapes that do not fit an operation, a leaf or a plan.
class ShapeError : public Error {
  using Error::Error;
};
/// Class labels and indices outside their range.
class LabelError : public Error {
  using Error::Error;
};
/// A name that is taken, unknown or malformed.
class NameError : public Error {
  using Error::Error;
};
/// A file that is missing, damaged or not what it should be.
class FileError : public Error {
  using Error::Error;
};
/// A stale Var, a Var of another tape, a tape on another thread, an option out of range.
class UsageError : public Error {
  using Error::Error;
};
/// A value that is not finite where it must be.
class NumericError : public Error {
  using Error::Error;
};

}  // namespace chainrule
