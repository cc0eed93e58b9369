#include <chainrule/data/file.hpp>
#include <chainrule/data/npy.hpp>
#include <chainrule/data/npz.hpp>
#include <chainrule/data/zip.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/storage/error.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

namespace chainrule {

namespace fs = std::filesystem;

namespace {

std::vector<std::uint8_t> read_whole(const fs::path& path, const char* operation) {
  detail::InputFile file(path, operation, detail::Gzip::never);
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) {
    throw FileError(
        operation, fmt::format("{}: its size cannot be found: {}", path.string(), error.message()));
  }
  std::vector<std::uint8_t> bytes(size);
  bytes.resize(file.read(bytes));
  return bytes;
}

/// f(), what it throws becoming a FileError with the path and, in an archive, the member.
template <class F>
auto with_path(const char* operation, const fs::path& path, const std::string& member, F f) {
  try {
    return f();
  } catch (const std::runtime_error& error) {
    throw FileError(
        operation,
        fmt::format("{}: {}{}", path.string(),
                    member.empty() ? "" : fmt::format("member '{}': ", member), error.what()));
  }
}

}  // namespace

NamedTensor read_npy(const fs::path& path) {
  const auto bytes = read_whole(path, "read_npy");
  return with_path("read_npy", path, "",
                   [&] { return detail::parse_npy(bytes, path.stem().string()); });
}

std::vector<NamedTensor> read_npz(const fs::path& path) {
  const auto bytes = read_whole(path, "read_npz");
  const auto members = with_path("read_npz", path, "", [&] { return detail::read_zip(bytes); });
  std::vector<NamedTensor> tensors;
  tensors.reserve(members.size());
  for (const detail::ZipMember& member : members) {
    tensors.push_back(with_path("read_npz", path, member.name, [&] {
      constexpr std::string_view suffix = ".npy";
      if (!member.name.ends_with(suffix)) throw std::runtime_error("expected an .npy file");
      return detail::parse_npy(member.bytes,
                               member.name.substr(0, member.name.size() - suffix.size()));
    }));
  }
  return tensors;
}

}  // namespace chainrule
