// Checkpoints: a model comes back bit for bit, under PyTorch's names and layout, and nothing that
// does not fit is loaded.
#include <chainrule/data/safetensors.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/checkpoint.hpp>

#include <boost/test/unit_test.hpp>

#include <tests/data/temporary.hpp>
#include <tests/support.hpp>

using namespace chainrule;

namespace {

template <class T>
Mlp<T> network(Bias bias, std::uint64_t seed) {
  return Mlp<T>(
      {.widths = {5, 4, 3, 2}, .bias = bias, .initialiser = Initialiser::uniform, .seed = seed});
}

template <class T>
const Tensor<T>& value_of(const std::vector<NamedTensor>& tensors, std::string_view name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return std::get<Tensor<T>>(tensor.value);
  }
  throw std::runtime_error("no " + std::string(name));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(checkpoint, TemporaryDirectory)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_model_comes_back_bit_for_bit, T, support::Precisions) {
  for (const Bias bias : {Bias::trick, Bias::per_layer}) {
    const auto path = *this / "model.safetensors";
    const Mlp<T> model = network<T>(bias, 1);
    Mlp<T> other = network<T>(bias, 2);
    BOOST_TEST(!support::same_bits(other.parameters().values(), model.parameters().values()));
    save(model, path);
    load(other, path);
    BOOST_TEST(support::same_bits(other.parameters().values(), model.parameters().values()));
  }
}

// y = x W^T + b by plain loops over the file's tensors, as PyTorch's Linear is defined.
BOOST_AUTO_TEST_CASE(the_layout_is_that_of_pytorchs_linear) {
  for (const Bias bias : {Bias::trick, Bias::per_layer}) {
    const auto path = *this / "model.safetensors";
    const Mlp<double> model({.widths = {5, 2}, .bias = bias, .seed = 3});
    save(model, path);
    const auto tensors = read_safetensors(path);
    BOOST_TEST(tensors.size() == 2);
    const auto& weight = value_of<double>(tensors, "layers.0.weight");
    const auto& b = value_of<double>(tensors, "layers.0.bias");
    const std::int64_t inputs = bias == Bias::trick ? 4 : 5;
    BOOST_REQUIRE(weight.shape() == Shape({2, inputs}));
    BOOST_REQUIRE(b.shape() == Shape({2}));
    support::Source source(4);
    Tensor<double> x = source.tensor({3, 5});
    for (std::int64_t n = 0; bias == Bias::trick && n < 3; ++n) x(n, 4) = 1;
    Tape<double> tape;
    const auto logits = model(tape, tape.input(x)).value();
    for (std::int64_t n = 0; n < 3; ++n) {
      for (std::int64_t k = 0; k < 2; ++k) {
        double z = b[k];
        for (std::int64_t i = 0; i < inputs; ++i) z += x(n, i) * weight(k, i);
        BOOST_TEST(z == logits(n, k), boost::test_tools::tolerance(1e-14));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(names_of_deeper_networks) {
  const auto names = [](Bias bias) {
    std::string text;
    for (const NamedTensor& tensor : state_dict(network<float>(bias, 0))) {
      text += tensor.name + " " + to_string(tensor.shape()) + "\n";
    }
    return text;
  };
  BOOST_TEST(names(Bias::trick) ==
             "layers.0.weight (4, 4)\nlayers.0.bias (4,)\nlayers.1.weight (3, 4)\n"
             "layers.2.weight (2, 3)\n");
  BOOST_TEST(names(Bias::per_layer) ==
             "layers.0.weight (4, 5)\nlayers.0.bias (4,)\nlayers.1.weight (3, 4)\n"
             "layers.1.bias (3,)\nlayers.2.weight (2, 3)\nlayers.2.bias (2,)\n");
}

BOOST_AUTO_TEST_CASE(parameters_of_ones_own_model) {
  const auto path = *this / "own.safetensors";
  Parameters<float> a({{"scale", {}}, {"table", {3, 2}}}), b = a;
  for (std::int64_t i = 0; i < 7; ++i) a.mutable_values()[i] = static_cast<float>(i) / 3;
  save(a, path);
  load(b, path);
  BOOST_TEST(support::same_bits(a.values(), b.values()));
  Parameters<float> other({{"table", {3, 2}}, {"offset", {}}});
  BOOST_CHECK_EXCEPTION(load(other, path), FileError,
                        says("'scale' F32 () is not expected", "'offset' F32 () is missing"));
}

// A plan reads the parameters where they lie, and a stale recording may not be differentiated.
BOOST_AUTO_TEST_CASE(plans_and_tapes_see_what_was_loaded) {
  const auto path = *this / "model.safetensors";
  const Mlp<double> model = network<double>(Bias::per_layer, 1);
  Mlp<double> other = network<double>(Bias::per_layer, 2);
  save(model, path);
  const Tensor<double> x = Tensor<double>::filled({1, 5}, 0.5);
  Tape<double> expected, tape;
  const auto wanted = model(expected, expected.input(x));
  const auto logits = other(tape, tape.input(x));
  Plan<double> replay = plan({logits});
  load(other, path);
  replay.run();
  BOOST_TEST(support::same_bits(replay.value(logits), wanted.value()));
  BOOST_CHECK_THROW(gradients(sum(logits), {tape.parameter(other.parameters()[0])}), UsageError);
}

BOOST_AUTO_TEST_CASE(one_error_names_all_that_does_not_fit) {
  const auto path = *this / "model.safetensors";
  auto tensors = state_dict(network<float>(Bias::per_layer, 1));
  tensors[0].value = Tensor<float>({5, 4});  // transposed
  tensors[1].value = std::get<Tensor<float>>(tensors[1].value).cast<double>();
  tensors[2].name = "layers.1.weights";
  tensors.pop_back();
  tensors.push_back({"step", Tensor<float>({1})});
  write_safetensors(path, tensors);
  Mlp<float> model = network<float>(Bias::per_layer, 2);
  const Mlp<float> before = model;
  const auto all = says("'layers.0.weight' is F32 (5, 4), expected F32 (4, 5)",
                        "'layers.0.bias' is F64 (4,), expected F32 (4,)",
                        "'layers.1.weights' F32 (3, 4) is not expected",
                        "'layers.1.weight' F32 (3, 4) is missing",
                        "'layers.2.bias' F32 (2,) is missing", "'step' F32 (1,) is not expected");
  BOOST_CHECK_EXCEPTION(load(model, path), FileError, all);
  BOOST_CHECK_EXCEPTION(load(model, path), FileError, says("[load] " + path.string() + ": "));
  BOOST_CHECK_EXCEPTION(load_state_dict(model, tensors), NameError, all);
  BOOST_CHECK_EXCEPTION(load_state_dict(model, tensors), NameError, says("checkpoint.cpp:"));
  BOOST_TEST(support::same_bits(model.parameters().values(), before.parameters().values()));

  // A network of the other kind of bias, and one given twice.
  save(network<float>(Bias::trick, 1), path);
  BOOST_CHECK_EXCEPTION(load(model, path), FileError,
                        says("'layers.0.weight' is F32 (4, 4), expected F32 (4, 5)",
                             "'layers.1.bias' F32 (3,) is missing"));
  auto twice = state_dict(model);
  twice.push_back(twice.front());
  BOOST_CHECK_EXCEPTION(load_state_dict(model, twice), NameError,
                        says("'layers.0.weight' is given twice"));
}

BOOST_AUTO_TEST_SUITE_END()
