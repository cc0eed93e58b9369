// Models and their logits, in files that Python reads and writes (pytorch/checkpoints.py):
//
//   checkpoint_files write DIR     what this library computes
//   checkpoint_files verify DIR    loads each model, and compares the logits with those in the file
//
// <case>.safetensors holds a model's state dict, <case>.io.safetensors x and logits.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/data/safetensors.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/checkpoint.hpp>

#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

using namespace chainrule;
namespace fs = std::filesystem;

namespace {

/// The same cases as in pytorch/checkpoints.py.
struct Case {
  std::string_view name;
  Bias bias;
  Activation activation;
};
constexpr Case cases[] = {{"trick", Bias::trick, Activation::improved_sigmoid},
                          {"per_layer", Bias::per_layer, Activation::relu}};

template <class T>
Mlp<T> network(const Case& c) {
  const std::int64_t inputs = c.bias == Bias::trick ? 6 : 5;
  return Mlp<T>({.widths = {inputs, 7, 4, 3},
                 .activation = c.activation,
                 .bias = c.bias,
                 .initialiser = Initialiser::uniform,
                 .seed = 7});
}

template <class T>
Tensor<T> logits_of(const Mlp<T>& model, const Tensor<T>& x) {
  // PyTorch's x has no column of ones.
  Tensor<T> input({x.shape()[0], model.options().widths.front()});
  for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
    for (std::int64_t i = 0; i < input.shape()[1]; ++i) {
      input(n, i) = i < x.shape()[1] ? x(n, i) : T{1};
    }
  }
  Tape<T> tape;
  return Tensor<T>(model(tape, tape.input(input)).value());
}

template <class T>
void write(const Case& c, const fs::path& stem) {
  const Mlp<T> model = network<T>(c);
  Tensor<T> x({8, 5});
  const Random random(9, Purpose::test);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<T>(random.normal(static_cast<std::uint64_t>(i)));
  }
  save(model, stem.string() + ".safetensors");
  const NamedTensor io[] = {{"x", x}, {"logits", logits_of(model, x)}};
  write_safetensors(stem.string() + ".io.safetensors", io);
}

template <class T>
bool verify(const Case& c, const fs::path& stem) {
  Mlp<T> model = network<T>(c);
  load(model, stem.string() + ".safetensors");
  Tensor<T> x, expected;
  for (const NamedTensor& tensor : read_safetensors(stem.string() + ".io.safetensors")) {
    (tensor.name == "x" ? x : expected) = std::get<Tensor<T>>(tensor.value);
  }
  const Tensor<T> logits = logits_of(model, x);
  double largest = logits.shape() == expected.shape() && logits.size() > 0 ? 0 : HUGE_VAL;
  for (std::int64_t i = 0; largest < HUGE_VAL && i < logits.size(); ++i) {
    largest = std::fmax(largest, std::abs(static_cast<double>(logits[i] - expected[i])));
  }
  std::printf("%s: logits differ from PyTorch's by %.1e\n", stem.filename().c_str(), largest);
  return largest <= 1e-6;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view mode = argc == 3 ? argv[1] : "";
  if (mode != "write" && mode != "verify") {
    std::fputs("usage: checkpoint_files write|verify DIR\n", stderr);
    return 2;
  }
  bool good = true;
  for (const Case& c : cases) {
    const fs::path single = fs::path(argv[2]) / (std::string(c.name) + "_f32");
    const fs::path twice = fs::path(argv[2]) / (std::string(c.name) + "_f64");
    if (mode == "write") {
      write<float>(c, single);
      write<double>(c, twice);
    } else {
      good &= verify<float>(c, single);
      good &= verify<double>(c, twice);
    }
  }
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
