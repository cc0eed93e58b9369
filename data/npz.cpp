#include <chainrule/data/file.hpp>
#include <chainrule/data/npy.hpp>
#include <chainrule/data/npz.hpp>
#include <chainrule/data/zip.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/storage/error.hpp>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

namespace chainrule {

namespace fs = std::filesystem;

namespace {

/// f(), what it throws becoming a FileError with the path and, in an archive, the member; `size` is
/// what f works on, in bytes.
template <class F>
auto with_path(const char* operation, const fs::path& path, const std::string& member,
               std::size_t size, F f) {
  const auto error_of = [&](const std::string& what) {
    return FileError(operation,
                     fmt::format("{}: {}{}", path.string(),
                                 member.empty() ? "" : fmt::format("member '{}': ", member), what));
  };
  try {
    return f();
  } catch (const std::runtime_error& error) {
    throw error_of(error.what());
  } catch (const std::bad_alloc&) {
    throw error_of(fmt::format("not enough memory for {} bytes", size));
  }
}

std::vector<std::uint8_t> read_whole(const fs::path& path, const char* operation) {
  detail::InputFile file(path, operation, detail::Gzip::never);
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) {
    throw FileError(
        operation, fmt::format("{}: its size cannot be found: {}", path.string(), error.message()));
  }
  auto bytes =
      with_path(operation, path, "", size, [&] { return std::vector<std::uint8_t>(size); });
  bytes.resize(file.read(bytes));
  return bytes;
}

}  // namespace

NamedTensor read_npy(const fs::path& path) {
  const auto bytes = read_whole(path, "read_npy");
  return with_path("read_npy", path, "", bytes.size(),
                   [&] { return detail::parse_npy(bytes, path.stem().string()); });
}

std::vector<NamedTensor> read_npz(const fs::path& path) {
  const auto bytes = read_whole(path, "read_npz");
  const auto members =
      with_path("read_npz", path, "", bytes.size(), [&] { return detail::read_zip(bytes); });
  std::vector<NamedTensor> tensors;
  tensors.reserve(members.size());
  for (const detail::ZipMember& member : members) {
    tensors.push_back(with_path("read_npz", path, member.name, member.bytes.size(), [&] {
      constexpr std::string_view suffix = ".npy";
      if (!member.name.ends_with(suffix)) throw std::runtime_error("expected an .npy file");
      return detail::parse_npy(member.bytes,
                               member.name.substr(0, member.name.size() - suffix.size()));
    }));
  }
  return tensors;
}

}  // namespace chainrule
