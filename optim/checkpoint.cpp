#include <chainrule/data/safetensors.hpp>
#include <chainrule/optim/checkpoint.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace chainrule {

namespace {

template <class Model>
void load_into(Model& model, const std::filesystem::path& path) {
  const std::vector<NamedTensor> tensors = read_safetensors(path);
  const std::vector<std::string> lines = mismatches(state_dict(model), tensors);
  if (!lines.empty()) {
    throw FileError("load", fmt::format("{}: {}", path.string(), fmt::join(lines, "; ")));
  }
  load_state_dict(model, tensors);
}

}  // namespace

template <class T>
void save(const Mlp<T>& model, const std::filesystem::path& path) {
  write_safetensors(path, state_dict(model));
}
template <class T>
void save(const Parameters<T>& parameters, const std::filesystem::path& path) {
  write_safetensors(path, state_dict(parameters));
}

template <class T>
void load(Mlp<T>& model, const std::filesystem::path& path) {
  load_into(model, path);
}
template <class T>
void load(Parameters<T>& parameters, const std::filesystem::path& path) {
  load_into(parameters, path);
}

#define CHAINRULE_INSTANTIATE(T)                                          \
  template void save(const Mlp<T>&, const std::filesystem::path&);        \
  template void save(const Parameters<T>&, const std::filesystem::path&); \
  template void load(Mlp<T>&, const std::filesystem::path&);              \
  template void load(Parameters<T>&, const std::filesystem::path&);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule
