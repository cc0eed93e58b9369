// Exceptions leave no trace: models, optimizers and checkpoints, with each of their allocations failing
// once. What they were to change is then as before, and what they held is given back.
#include <chainrule/data/safetensors.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/checkpoint.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <chainrule/optim/sgd.hpp>
#include <chainrule/optim/training.hpp>

#include <optional>

#include "tests/data/temporary.hpp"
#include "tests/failing_allocations.hpp"
#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

const MlpOptions options{.widths = {5, 7, 3}, .bias = Bias::per_layer, .seed = 4};

template <class F>
void leaks_nothing(F f) {
  const long before = held;
  f();
  BOOST_TEST(held == before);
}

}  // namespace

BOOST_AUTO_TEST_CASE(construction_copy_and_assignment_of_a_model) {
  leaks_nothing([] {
    const long failures = fail_every_allocation([] { Mlp<double> model(options); }, [](long) {});
    BOOST_TEST(failures > 10);
    const Mlp<double> model(options);
    fail_every_allocation([&] { Mlp<double> copy(model); }, [](long) {});
    fail_every_allocation([&] { Mlp<float> rounded(model); }, [](long) {});
    Mlp<double> other({.widths = {2, 2}});
    const Tensor<double> before(other.parameters().values());
    fail_every_allocation([&] { other = model; }, [&](long) {
      BOOST_REQUIRE(other.topology() == "2-2");
      BOOST_REQUIRE(same_bits(other.parameters().values(), before));
    });
    BOOST_TEST(same_bits(other.parameters().values(), model.parameters().values()));
  });
}

// A model that throws in its middle leaves the tape as it was before the node that threw.
BOOST_AUTO_TEST_CASE(recording_a_model) {
  leaks_nothing([] {
    const Mlp<double> model(options);
    const Tensor<double> x = Source(1).tensor({4, 5});
    std::optional<Tensor<double>> expected;
    {
      Tape<double> clean;
      expected.emplace(model(clean, clean.input(x)).value());
    }
    std::optional<Tape<double>> tape;
    const long failures = fail_every_allocation(
        [&] {
          tape.emplace();
          model(*tape, tape->input(x));
        },
        [&](long) {
          tape->clear();
          const Var<double> y = model(*tape, tape->input(x));
          BOOST_REQUIRE(same_bits(y.value(), *expected));
          BOOST_REQUIRE(tape->find("Z2") == y);
        });
    BOOST_TEST(failures > 5);
  });
}

template <class Rule, class Options>
void check_optimizer(const Options& rule_options) {
  leaks_nothing([&] {
    Mlp<double> model(options);
    Parameters<double>& p = model.parameters();
    fail_every_allocation([&] { Rule rule(p, rule_options); }, [](long) {});
    Rule rule(p, rule_options);
    fail_every_allocation([&] { Optimizer<double> any(rule); }, [](long) {});
    for (double& g : p.gradients()) g = 0.5;
    Mlp<double> other = model;
    Rule same = rule;
    // A step needs no memory, so that nothing can fail in its middle; one that is refused changes
    // neither weights nor moments.
    BOOST_TEST(fail_every_allocation([&] { rule.step(p); }, [](long) {}) == 0);
    const Tensor<double> before(p.values());
    Parameters<double> few({{"w", {2}}});
    BOOST_CHECK_THROW(rule.step(p, -1), UsageError);
    BOOST_CHECK_THROW(rule.step(few), ShapeError);
    BOOST_TEST(same_bits(p.values(), before));
    rule.step(p);
    for (int k = 0; k < 2; ++k) same.step(other.parameters());
    BOOST_TEST(same_bits(p.values(), other.parameters().values()));
  });
}

BOOST_AUTO_TEST_CASE(optimizers) {
  check_optimizer<Sgd<double>>(SgdOptions{.momentum = 0.9, .nesterov = true, .weight_decay = 0.1});
  check_optimizer<Adam<double>>(AdamOptions{.weight_decay = 0.1});
  check_optimizer<AdamW<double>>(AdamWOptions{});
}

BOOST_AUTO_TEST_CASE(a_step_of_training) {
  leaks_nothing([] {
    Mlp<double> model(options);
    Source source(2);
    const Tensor<double> x = source.tensor({4, 5}), y = source.tensor({4, 3}, 0, 1);
    const double expected = TrainingStep<double>(model)(x, y);
    const Tensor<double> gradient(std::as_const(model).parameters().gradients());
    std::optional<TrainingStep<double>> step;
    double loss = 0;
    const long failures = fail_every_allocation(
        [&] {
          step.emplace(Classifier<double>(model));
          loss = (*step)(x, y);
        },
        [&](long) {
          if (!step) return;
          BOOST_REQUIRE((*step)(x, y) == expected);  // it makes the plan that it could not make
          step.reset();
        });
    BOOST_TEST(failures > 50);
    BOOST_TEST(loss == expected);
    BOOST_TEST(same_bits(std::as_const(model).parameters().gradients(), gradient));
  });
}

BOOST_AUTO_TEST_CASE(loading_a_checkpoint) {
  const TemporaryDirectory directory;
  const auto path = directory / "model.safetensors";
  // Deep enough that a name such as layers.10.weight is not held inline.
  const MlpOptions deep{.widths = std::vector<std::int64_t>(14, 2), .seed = 4};
  MlpOptions trained = deep;
  trained.seed = 9;
  const Mlp<double> saved(trained);
  save(saved, path);
  save(saved, path);  // what the C++ library allocates once, it has
  leaks_nothing([&] {
    Mlp<double> model(deep);
    const Tensor<double> before(model.parameters().values());
    long failures = 0;
    fail_every_allocation(
        [&] {
          model = Mlp<double>(deep);
          load(model, path);
        },
        [&](long) {
          ++failures;
          BOOST_REQUIRE(same_bits(model.parameters().values(), before));
        });
    BOOST_TEST(failures > 30);
    BOOST_TEST(same_bits(model.parameters().values(), saved.parameters().values()));
  });
}

BOOST_AUTO_TEST_CASE(loading_parameters_of_ones_own) {
  leaks_nothing([] {
    const std::vector<ParameterSpec> layout{{"a parameter with a long name", {3}},
                                            {"another parameter with one", {2}}};
    Parameters<float> from(layout), to(layout);
    for (float& value : from.mutable_values()) value = 3;
    const auto tensors = state_dict(from);
    const Tensor<float> before(to.values());
    const long failures =
        fail_every_allocation([&] { load_state_dict(to, tensors); }, [&](long) {
          BOOST_REQUIRE(same_bits(to.values(), before));
        });
    BOOST_TEST(failures > 5);
    BOOST_TEST(same_bits(to.values(), from.values()));
  });
}

// The file that is there stays whole, until a new one is.
BOOST_AUTO_TEST_CASE(saving_a_checkpoint) {
  const TemporaryDirectory directory;
  const auto path = directory / "model.safetensors";
  const Mlp<double> old(options);
  MlpOptions trained = options;
  trained.seed = 9;
  const Mlp<double> next(trained);
  save(old, path);
  leaks_nothing([&] {
    const long failures = fail_every_allocation([&] { save(next, path); }, [&](long) {
      Mlp<double> found(trained);
      load(found, path);
      BOOST_REQUIRE((same_bits(found.parameters().values(), old.parameters().values())));
      BOOST_REQUIRE(std::distance(std::filesystem::directory_iterator(directory.path()),
                                  std::filesystem::directory_iterator()) == 1);
    });
    BOOST_TEST(failures > 30);
  });
}
