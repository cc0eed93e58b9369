// The main job: trains the reports' classifier, every gradient checked first.
//
// Exit status: 0; 1 when the cross-check fails or training diverges; 2 for bad options and bad
// files.
#include <fmt/format.h>

#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/data/digits.hpp>
#include <chainrule/data/idx.hpp>
#include <chainrule/optim/training.hpp>
#include <cstdio>
#include <cstdlib>

#include "cross_check.hpp"
#include "options.hpp"
#include "output.hpp"

using namespace chainrule;
using namespace train_mnist;

namespace {

constexpr std::int64_t check_images = 100;
constexpr std::int64_t synthetic_train = 20000, synthetic_validation = 10000;

Mnist load_images(const Options& options) {
  if (options.data) return read_mnist(*options.data);
  if (const char* directory = std::getenv("CHAINRULE_DATA"); directory && *directory) {
    return read_mnist(directory);
  }
  return synthetic_mnist(std::max(synthetic_train, options.train_size), synthetic_validation,
                         options.seed);
}

template <class T>
void train_and_report(const Options& options, const LabelledImages& images, const Mnist& mnist,
                      const Mlp<double>& initial, Run& run, std::FILE* text) {
  const BiasColumn column = options.bias == Bias::trick ? BiasColumn::yes : BiasColumn::no;
  const auto train_set = make_dataset<T>(images, run.pixels, column);
  const auto validation_set = make_dataset<T>(mnist.validation, run.pixels, column);
  Mlp<T> model(initial);
  const TrainingOptions protocol{
      .batch_size = options.batch,
      .epochs = options.epochs,
      .sgd = {.learning_rate = options.learning_rate, .momentum = options.momentum},
      .patience = options.patience,
      .shuffle = options.shuffle ? Shuffle::yes : Shuffle::no,
      .seed = options.seed};
  auto result = train<T>(model, train_set, validation_set, protocol, progress_line(text), {});
  run.history = std::move(result.history);
  run.steps = result.steps;
  run.stop_epoch = result.stop_epoch;
  run.stopped_early = result.stopped_early;
  run.at_stop = result.at_stop;
  run.at_best = result.at_best;
  run.seconds = result.seconds;
}

void print_scores(std::FILE* text, const Run& run) {
  fmt::print(text, "\n{:<28} {:>10} {:>10} {:>12} {:>12}\n", "", "train loss", "accuracy",
             "valid. loss", "accuracy");
  const auto row = [&](const std::string& name, const Validation& v) {
    fmt::print(text, "{:<28} {:>10.4f} {:>10.4f} {:>12.4f} {:>12.4f}\n", name, v.train.loss,
               v.train.accuracy, v.validation.loss, v.validation.accuracy);
  };
  row(fmt::format("at the stop, {} steps", run.at_stop.step + 1), run.at_stop);
  row(fmt::format("at the best, {} steps", run.at_best.step + 1), run.at_best);
  fmt::print(text, "\n{} after {} steps in {:.1f} s\n",
             run.stopped_early ? fmt::format("stopped early in epoch {}", run.stop_epoch)
                               : fmt::format("ran all {} epochs", run.stop_epoch),
             run.steps, run.seconds);
}

int run_main(const Options& options) {
  std::FILE* text = options.json ? stderr : stdout;
  blas::set_threads(1);  // the gradient check has threads of its own
  if (options.out) prepare_directory(*options.out);

  const Mnist mnist = load_images(options);
  const LabelledImages images = mnist.train.head(options.train_size, {});
  Run run;
  run.data_source = mnist.train.source;
  run.pixels = pixel_statistics(images.images);
  run.train_images = images.images.count;
  run.validation_images = mnist.validation.images.count;
  run.steps_per_epoch = run.train_images / options.batch;

  const bool trick = options.bias == Bias::trick;
  MlpOptions network{.widths = {images.images.rows * images.images.columns + (trick ? 1 : 0)},
                     .activation = options.activation,
                     .bias = options.bias,
                     .initialiser = options.initialiser,
                     .seed = options.seed};
  network.widths.insert(network.widths.end(), options.hidden.begin(), options.hidden.end());
  network.widths.push_back(10);
  const Mlp<double> initial(network);
  run.topology = initial.topology();
  run.parameters = initial.parameter_count();
  fmt::print(text, "{}\n", run_header(options, run));

  if (options.check != Check::off) {
    const auto sample =
        make_dataset<double>(images.head(std::min(check_images, images.images.count), {}),
                             run.pixels, trick ? BiasColumn::yes : BiasColumn::no);
    run.cross_check = cross_check(initial, sample, options);
    fmt::print(text, "Cross-check of the gradients on {} images, in double\n{}", sample.size(),
               run.cross_check->table());
    fmt::print(text, "{} in {:.1f} s\n\n", run.cross_check->passed() ? "passed" : "FAILED",
               run.cross_check->seconds);
    if (!run.cross_check->passed()) {
      if (options.json) fmt::print("{}\n", to_json(options, run));
      fmt::print(stderr,
                 "train_mnist: the cross-check of the gradients failed; nothing was trained\n");
      return 1;
    }
  }

  blas::set_threads(options.threads);
  if (options.precision == Precision::single) {
    train_and_report<float>(options, images, mnist, initial, run, text);
  } else {
    train_and_report<double>(options, images, mnist, initial, run, text);
  }
  print_scores(text, run);
  if (options.out) fmt::print(text, "{}\n", write_files(*options.out, options, run));
  if (options.json) fmt::print("{}\n", to_json(options, run));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  try {
    const int status = run_main(std::get<Options>(parsed));
    // What was printed may still be in a buffer, with nowhere to go.
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
      complain("standard output cannot be written");
      return 2;
    }
    return status;
  } catch (const NumericError& error) {
    complain(error.what());
    return 1;
  } catch (const std::exception& error) {
    complain(error.what());
    return 2;
  }
}
