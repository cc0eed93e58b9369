// Checkpoints: a model's weights in a safetensors file that PyTorch loads as it is.
#pragma once

#include <chainrule/models/state_dict.hpp>
#include <filesystem>

namespace chainrule {

/// Writes the state dict (models/state_dict.hpp: names and layout of PyTorch) of a model, F32 or
/// F64 as the model is; a file that was there is replaced when the new one is complete. In Python:
/// `model.load_state_dict(safetensors.torch.load_file(path))`. Throws FileError as
/// write_safetensors does.
template <class T>
void save(const Mlp<T>& model, const std::filesystem::path& path);
/// The parameters of a model of the user's own, under their names and as they are.
template <class T>
void save(const Parameters<T>& parameters, const std::filesystem::path& path);

/// Sets the parameters from such a file, of this library or of PyTorch, in place: recorded tapes
/// and plans read the new values. Strict: throws one FileError that names every tensor that is
/// missing, not expected, or of another shape or precision, and FileError as read_safetensors does;
/// the model is then as it was.
template <class T>
void load(Mlp<T>& model, const std::filesystem::path& path);
/// The same for parameters of the user's own, under their names and as they are.
template <class T>
void load(Parameters<T>& parameters, const std::filesystem::path& path);

}  // namespace chainrule
