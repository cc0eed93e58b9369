// One experiment by the reports' protocol: its settings, and a run of it.
#pragma once

#include <chainrule/data/dataset.hpp>
#include <chainrule/data/images.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/training.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace protocol {

enum class Precision { single, twice };

/// Network and training. The defaults are the reports' starting point: 785-64-10, sigmoid,
/// U(-1, 1), batches of 32 in a new order every epoch.
struct Experiment {
  std::vector<std::int64_t> hidden{64};
  chainrule::Activation activation = chainrule::Activation::sigmoid;
  chainrule::Initialiser initialiser = chainrule::Initialiser::uniform;
  chainrule::Bias bias = chainrule::Bias::trick;
  double momentum = 0, learning_rate = 0.1;
  std::int64_t batch = 32, epochs = 50, patience = 50;
  bool shuffle = true;
  std::uint64_t seed = 0;
  Precision precision = Precision::single;
};

/// What came out of a run, without its scalar type.
struct Outcome {
  chainrule::History history;
  std::int64_t steps = 0, stop_epoch = 0;
  bool stopped_early = false;
  chainrule::Validation at_stop, at_best;
  double seconds = 0;
};

/// The network of an experiment on images of `pixels` pixels and ten classes: one input more under
/// the bias trick. In double, whatever the precision of the training, which starts from the rounded
/// weights.
chainrule::Mlp<double> make_network(const Experiment& experiment, std::int64_t pixels);
/// Whether its data has the column of ones.
chainrule::BiasColumn bias_column(const Experiment& experiment);

/// Trains `model` in place, to its weights at the stop. Throws as chainrule::train.
template <class T>
Outcome train(const Experiment& experiment, chainrule::Mlp<T>& model,
              const chainrule::Dataset<T>& train_set, const chainrule::Dataset<T>& validation_set,
              const std::function<void(const chainrule::Progress&)>& progress = {});

/// Throws UsageError for a validation set without images, ShapeError for one of other images than
/// those for training, and FileError where all pixels of the latter are equal.
void check_images(const chainrule::LabelledImages& train,
                  const chainrule::LabelledImages& validation,
                  chainrule::PixelStatistics statistics);

/// The names that command lines and files use.
template <class E>
using Names = std::map<std::string, E>;
extern const Names<chainrule::Activation> activations;
extern const Names<chainrule::Initialiser> initialisers;
extern const Names<chainrule::Bias> biases;
extern const Names<Precision> precisions;

std::string name_of(chainrule::Activation activation);
std::string name_of(chainrule::Initialiser initialiser);
std::string name_of(chainrule::Bias bias);
std::string name_of(Precision precision);

extern template Outcome train(const Experiment&, chainrule::Mlp<float>&,
                              const chainrule::Dataset<float>&, const chainrule::Dataset<float>&,
                              const std::function<void(const chainrule::Progress&)>&);
extern template Outcome train(const Experiment&, chainrule::Mlp<double>&,
                              const chainrule::Dataset<double>&, const chainrule::Dataset<double>&,
                              const std::function<void(const chainrule::Progress&)>&);

}  // namespace protocol
