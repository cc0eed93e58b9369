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

#include "../protocol/options.hpp"
#include "../protocol/output.hpp"
#include "cross_check.hpp"
#include "options.hpp"
#include "output.hpp"

using namespace chainrule;
using namespace train_mnist;

namespace {

const std::string program = "train_mnist";
constexpr std::int64_t checked_images = 100;
constexpr std::int64_t synthetic_validation = 10000;

Mnist load_images(const Options& options) {
  if (options.data) return read_mnist(*options.data);
  return synthetic_mnist(options.train_size, synthetic_validation, options.experiment.seed);
}

template <class T>
protocol::Outcome train(const Options& options, const LabelledImages& images, const Mnist& mnist,
                        const Mlp<double>& initial, const Run& run, std::FILE* text) {
  const BiasColumn column = protocol::bias_column(options.experiment);
  const auto train_set = make_dataset<T>(images, run.pixels, column);
  const auto validation_set = make_dataset<T>(mnist.validation, run.pixels, column);
  Mlp<T> model(initial);
  return protocol::train<T>(options.experiment, model, train_set, validation_set,
                            progress_line(text));
}

void print_scores(std::FILE* text, const protocol::Outcome& run) {
  fmt::print(text, "\n{:<28} {:>10} {:>10} {:>12} {:>12}\n", "", "train loss", "accuracy",
             "valid. loss", "accuracy");
  const auto row = [&](const std::string& name, const Validation& v) {
    fmt::print(text, "{:<28} {:>10.4f} {:>10.4f} {:>12.4f} {:>12.4f}\n", name, v.train.loss,
               v.train.accuracy, v.validation.loss, v.validation.accuracy);
  };
  row(fmt::format("at the stop, step {}", run.at_stop.step), run.at_stop);
  row(fmt::format("at the best, step {}", run.at_best.step), run.at_best);
  fmt::print(text, "\n{} after {} steps in {:.1f} s\n",
             run.stopped_early     ? fmt::format("stopped early in epoch {}", run.stop_epoch)
             : run.stop_epoch == 1 ? std::string("ran the one epoch")
                                   : fmt::format("ran all {} epochs", run.stop_epoch),
             run.steps, run.seconds);
}

int run_main(const Options& options) {
  std::FILE* text = options.json ? stderr : stdout;
  blas::set_threads(1);  // the gradient check has threads of its own
  protocol::expect_threads(options.threads);
  if (options.out) protocol::prepare_directory(*options.out, program);

  const Mnist mnist = load_images(options);
  const LabelledImages images = mnist.train.head(options.train_size, {});
  Run run;
  const PixelStatistics pixels = pixel_statistics(images.images);
  protocol::check_images(images, mnist.validation, pixels);
  run.data_source = mnist.train.source;
  run.pixels = pixels;
  run.train_images = images.images.count;
  run.validation_images = mnist.validation.images.count;
  run.steps_per_epoch = run.train_images / options.experiment.batch;

  const Mlp<double> initial =
      protocol::make_network(options.experiment, images.images.rows * images.images.columns);
  run.topology = initial.topology();
  run.parameters = initial.parameter_count();
  fmt::print(text, "{}\n", run_header(options, run));

  if (options.check != Check::off) {
    const auto sample =
        make_dataset<double>(images.head(std::min(checked_images, images.images.count), {}),
                             run.pixels, protocol::bias_column(options.experiment));
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
  run.outcome = options.experiment.precision == protocol::Precision::single
                    ? train<float>(options, images, mnist, initial, run, text)
                    : train<double>(options, images, mnist, initial, run, text);
  print_scores(text, run.outcome);
  if (options.out) fmt::print(text, "{}\n", write_files(*options.out, options, run));
  if (options.json) fmt::print("{}\n", to_json(options, run));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    const int status = run_main(std::get<Options>(parsed));
    // What was printed may still be in a buffer, with nowhere to go.
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
      protocol::complain(program, "standard output cannot be written");
      return 2;
    }
    return status;
  } catch (const NumericError& error) {
    protocol::complain(program, error.what());
    return 1;
  } catch (const std::exception& error) {
    protocol::complain(program, error.what());
    return 2;
  }
}
