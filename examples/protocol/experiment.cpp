#include "experiment.hpp"

#include <chainrule/autograd/storage/subnormals.hpp>

#include <fmt/format.h>

namespace protocol {

using namespace chainrule;

namespace {

constexpr std::int64_t classes = 10;

template <class E>
std::string find_name(const Names<E>& names, E value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) return name;
  }
  return "?";
}

}  // namespace

const Names<Activation> activations{{"sigmoid", Activation::sigmoid},
                                    {"improved", Activation::improved_sigmoid},
                                    {"tanh", Activation::tanh},
                                    {"relu", Activation::relu}};
const Names<Initialiser> initialisers{
    {"uniform", Initialiser::uniform}, {"fan-in", Initialiser::fan_in}, {"he", Initialiser::he}};
const Names<Bias> biases{{"trick", Bias::trick}, {"layer", Bias::per_layer}};
const Names<Precision> precisions{{"float", Precision::single}, {"double", Precision::twice}};

std::string name_of(Activation activation) { return find_name(activations, activation); }
std::string name_of(Initialiser initialiser) { return find_name(initialisers, initialiser); }
std::string name_of(Bias bias) { return find_name(biases, bias); }
std::string name_of(Precision precision) { return find_name(precisions, precision); }

BiasColumn bias_column(const Experiment& experiment) {
  return experiment.bias == Bias::trick ? BiasColumn::yes : BiasColumn::no;
}

Mlp<double> make_network(const Experiment& experiment, std::int64_t pixels) {
  MlpOptions network{.widths = {pixels + (experiment.bias == Bias::trick ? 1 : 0)},
                     .activation = experiment.activation,
                     .bias = experiment.bias,
                     .initialiser = experiment.initialiser,
                     .seed = experiment.seed};
  network.widths.insert(network.widths.end(), experiment.hidden.begin(), experiment.hidden.end());
  network.widths.push_back(classes);
  return Mlp<double>(network);
}

template <class T>
Outcome train(const Experiment& experiment, Mlp<T>& model, const Dataset<T>& train_set,
              const Dataset<T>& validation_set,
              const std::function<void(const Progress&)>& progress) {
  const TrainingOptions options{
      .batch_size = experiment.batch,
      .epochs = experiment.epochs,
      .sgd = {.learning_rate = experiment.learning_rate, .momentum = experiment.momentum},
      .patience = experiment.patience,
      .shuffle = experiment.shuffle ? Shuffle::yes : Shuffle::no,
      .seed = experiment.seed};
  const FlushSubnormals flush;  // U(-1, 1) weights saturate: in float their derivatives get there
  auto result = chainrule::train<T>(model, train_set, validation_set, options, progress, {});
  return {std::move(result.history),
          result.steps,
          result.stop_epoch,
          result.stopped_early,
          result.at_stop,
          result.at_best,
          result.seconds};
}

template Outcome train(const Experiment&, Mlp<float>&, const Dataset<float>&, const Dataset<float>&,
                       const std::function<void(const Progress&)>&);
template Outcome train(const Experiment&, Mlp<double>&, const Dataset<double>&,
                       const Dataset<double>&, const std::function<void(const Progress&)>&);

void check_images(const LabelledImages& train, const LabelledImages& validation,
                  PixelStatistics statistics) {
  if (validation.images.count == 0) {
    throw UsageError("data", fmt::format("{}: no validation images", validation.source));
  }
  const std::int64_t expected = train.images.rows * train.images.columns;
  if (validation.images.rows * validation.images.columns != expected) {
    throw ShapeError(
        "data", fmt::format("{}: images of {} x {}, but those for training have {} x {}",
                            validation.source, validation.images.rows, validation.images.columns,
                            train.images.rows, train.images.columns));
  }
  if (!(statistics.deviation > 0)) {
    throw FileError("data", fmt::format("{}: all pixels of the {} training images are {}, which "
                                        "cannot be normalised",
                                        train.source, train.images.count, statistics.mean));
  }
}

}  // namespace protocol
