#include <chainrule/autograd/storage/error.hpp>

#include <fmt/format.h>

namespace chainrule {

std::string SourceLocation::to_string() const {
  if (line_ == 0) return {};
  std::string_view name = file_;
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  return fmt::format("{}:{}", name, line_);
}

namespace {
std::string compose(std::string_view operation, std::string_view message, SourceLocation location) {
  if (location.line() == 0) return fmt::format("[{}] {}", operation, message);
  return fmt::format("[{}] {} ({})", operation, message, location.to_string());
}
}  // namespace

Error::Error(std::string_view operation, std::string_view message, SourceLocation location)
    : std::runtime_error(compose(operation, message, location)),
      operation_(operation),
      location_(location) {}

}  // namespace chainrule
