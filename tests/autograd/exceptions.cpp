// Exceptions leave no trace: whatever throws, and wherever, the tape and the plan are as before, what
// is recorded next has the bits of a recording that nothing disturbed, and nothing is leaked.
#include <chainrule/autograd/kernels.hpp>
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <functional>
#include <optional>

#include "tests/failing_allocations.hpp"
#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

struct Thrown : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Kernels and rules that are called before one throws; negative: none does.
int kernels_left = -1, rules_left = -1;

constexpr Op<double> fuse_op{
    "fuse", detail::same_shape,
    [](const Evaluation<double>& e) {
      detail::map_unary(e, [](double x) { return 0.999 * x + 0.001; });
      if (kernels_left >= 0 && kernels_left-- == 0) throw Thrown("a kernel");
    },
    [](const Adjoint<double>& n, int) {
      const Var<double> g = scale(n.cotangent(), 0.999);  // recorded, and then in vain
      if (rules_left >= 0 && rules_left-- == 0) throw Thrown("a rule");
      return g;
    }};

constexpr int length = 200;

const Tensor<double> start({2, 3}, {1, -2, 3, -4, 5, -6});

/// 200 fuses, every tenth of them named, with a diamond at each and a parameter here and there.
struct Graph {
  OwnedParameter<double> w{"W", Tensor<double>({3}, {0.1, 0.2, 0.3})};

  Var<double> record(Tape<double>& tape) const {
    Var<double> x = named(tape.input(start), "X");
    for (int k = 0; k < length; ++k) {
      x = tape.record(fuse_op, {x});
      if (k % 10 == 0) {
        named(x, fmt::format("Z{}", k));
        x = x * 0.5 + sigmoid(x + tape.parameter(w.parameter)) * tape.constant(0.5, {3});
      }
    }
    return named(sum(x), "a name that is too long for a string to hold it inline");
  }
  std::vector<Var<double>> outputs(Tape<double>& tape) const {
    const Var<double> y = record(tape);
    const auto g = gradients(y, {tape.find("X"), tape.find("W")});
    return {y, g[0], g[1]};
  }
};

std::vector<Tensor<double>> values_of(const std::vector<Var<double>>& vars) {
  std::vector<Tensor<double>> result;
  for (const Var<double>& v : vars) result.emplace_back(v.value());
  return result;
}

void check_equal(const std::vector<Var<double>>& vars, const std::vector<Tensor<double>>& values) {
  for (std::size_t i = 0; i < vars.size(); ++i) {
    BOOST_REQUIRE(same_bits(vars[i].value(), values[i]));
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_kernel_that_throws_while_recording) {
  const Graph graph;
  Tape<double> clean, tape;
  const auto expected = values_of(graph.outputs(clean));
  const std::string listing = to_string(clean);
  for (int warm_up = 0; warm_up < 2; ++warm_up) {
    tape.clear();
    graph.outputs(tape);
  }
  const std::size_t capacity = tape.capacity();
  for (int k = 0; k < length; ++k) {
    tape.clear();
    const Var<double> x = named(tape.input(start), "first");
    kernels_left = k;
    BOOST_REQUIRE_THROW(graph.record(tape), Thrown);
    kernels_left = -1;
    // The node that threw is not there, and those before it are; they can be gone on with.
    BOOST_REQUIRE(tape.find("X").id() == 1u);
    BOOST_REQUIRE(tape.has_name(fmt::format("Z{}", k)) == false);
    BOOST_REQUIRE(k < 11 || tape.has_name("Z0"));
    const auto before = state_of(tape);
    kernels_left = 0;
    BOOST_REQUIRE_THROW(tape.record(fuse_op, {x}), Thrown);
    BOOST_REQUIRE(state_of(tape) == before);
    BOOST_REQUIRE(tape.record(fuse_op, {x}).id() == tape.size() - 1);
    tape.clear();
    check_equal(graph.outputs(tape), expected);
    BOOST_REQUIRE(to_string(tape) == listing);
    BOOST_REQUIRE(tape.capacity() == capacity);
  }
}

BOOST_AUTO_TEST_CASE(a_rule_that_throws_in_the_backward_pass) {
  const Graph graph;
  Tape<double> clean, tape;
  const auto expected = values_of(graph.outputs(clean));
  const std::string listing = to_string(clean);
  tape.clear();
  const Var<double> y = graph.record(tape), x = tape.find("X"), w = tape.find("W");
  const auto before = state_of(tape);
  const std::string text = to_string(tape);
  for (int k = 0; k < length; ++k) {
    rules_left = k;
    BOOST_REQUIRE_THROW(gradients(y, {x, w}), Thrown);
    BOOST_REQUIRE(state_of(tape) == before);
    BOOST_REQUIRE(to_string(tape) == text);
  }
  rules_left = -1;
  const auto g = gradients(y, {x, w});
  check_equal({y, g[0], g[1]}, expected);
  BOOST_TEST(to_string(tape) == listing);
}

BOOST_AUTO_TEST_CASE(a_kernel_that_throws_in_a_plans_run) {
  const Graph graph;
  Tape<double> tape;
  const auto outputs = graph.outputs(tape);
  const auto expected = values_of(outputs);
  Plan<double> p = plan(outputs);
  p.run();
  for (int k = 0; k < length; ++k) {
    kernels_left = k;
    BOOST_REQUIRE_THROW(p.run(), Thrown);
    kernels_left = -1;
    BOOST_REQUIRE_THROW(p.value(outputs[0]), UsageError);  // never numbers of two runs
    p.run();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      BOOST_REQUIRE(same_bits(p.value(outputs[i]), expected[i]));
    }
  }
  check_equal(outputs, expected);
}

// The caller's cotangent is a gradient itself: it would be named where the pass had succeeded.
BOOST_AUTO_TEST_CASE(every_allocation_of_a_backward_pass_fails_once) {
  const Graph graph;
  std::string listing;
  std::vector<Tensor<double>> expected;
  {
    Tape<double> clean;
    expected = values_of(graph.outputs(clean));
    listing = to_string(clean);
  }
  const long held_before = held;
  long failures = 0;
  for (long n = 0;; ++n) {  // a new tape for each, so that all of its memory is still to come
    Tape<double> tape;
    const Var<double> y = graph.record(tape);
    const Var<double> x = tape.find("X"), w = tape.find("W");
    const Var<double> seed = tape.constant(1);
    const auto before = state_of(tape);
    const std::string text = to_string(tape);
    until_failure = n;
    bool failed = false;
    try {
      gradients(y, {x, w}, seed);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    failed = failed || until_failure < 0;
    until_failure = -1;
    if (!failed) break;
    ++failures;
    BOOST_REQUIRE(state_of(tape) == before);
    BOOST_REQUIRE(to_string(tape) == text);
    const auto g = gradients(y, {x, w}, seed);
    check_equal({y, g[0], g[1]}, expected);
    BOOST_REQUIRE(seed.name() == fmt::format("d{}", y.name()));
  }
  BOOST_TEST(held == held_before);
  BOOST_TEST(failures > 10);
}

BOOST_AUTO_TEST_CASE(every_allocation_of_a_recording_fails_once) {
  const Graph graph;
  std::vector<Tensor<double>> expected;
  {
    Tape<double> clean;
    expected = values_of(graph.outputs(clean));
  }
  const long held_before = held;
  {
    std::optional<Tape<double>> tape;
    const long failures = fail_every_allocation(
        [&] {
          tape.emplace();
          graph.outputs(*tape);
        },
        [&](long) {
          tape->clear();  // the same tape goes on
          check_equal(graph.outputs(*tape), expected);
        });
    BOOST_TEST(failures > 20);
  }
  BOOST_TEST(held == held_before);
}

// One leaf, operation or name at a time, at a list that is full: strong guarantees one by one.
BOOST_AUTO_TEST_CASE(every_allocation_of_single_steps_fails_once) {
  const long held_before = held;
  {
    const OwnedParameter<double> w("a parameter's name that is not held inline", start);
    const Tensor<double> large({300, 300});
    const auto steps = std::vector<std::function<Var<double>(Tape<double>&)>>{
        [&](Tape<double>& t) { return t.parameter(w.parameter); },
        [&](Tape<double>& t) { return t.input(start); },
        [&](Tape<double>& t) { return t.constant(large.view()); },
        [&](Tape<double>& t) { return t.constant(1, {300, 300}); },
        [&](Tape<double>& t) { return exp(t.var(0)); },
        [&](Tape<double>& t) { return concat({t.var(0), t.var(0)}, 0); },
        [&](Tape<double>& t) { return named(t.var(0), "another name that is not held inline"); },
        [&](Tape<double>& t) {
          t.set_automatic_name(t.var(0), "taken");
          return t.var(0);
        },
    };
    for (const auto& step : steps) {
      for (int filled = 1; filled <= 64; filled = filled < 9 ? filled + 1 : 2 * filled) {
        long failures = 0;
        for (bool done = false; !done; ++failures) {
          Tape<double> tape;
          tape.input(start);
          named(tape.input(start), "taken");
          for (int i = 2; i < filled; ++i) tape.input(start);
          const auto before = state_of(tape);
          until_failure = failures;
          try {
            step(tape);
            done = until_failure >= 0;
            until_failure = -1;
          } catch (const std::bad_alloc&) {
            until_failure = -1;
            BOOST_REQUIRE(state_of(tape) == before);
            BOOST_REQUIRE(step(tape).id() < tape.size());
          }
        }
      }
    }
  }
  BOOST_TEST(held == held_before);
}

BOOST_AUTO_TEST_CASE(every_allocation_of_a_plan_fails_once) {
  const Graph graph;
  Tape<double> tape;
  const auto outputs = graph.outputs(tape);
  const auto expected = values_of(outputs);
  const auto before = state_of(tape);
  const long held_before = held;
  {
    std::optional<Plan<double>> p;
    const long failures = fail_every_allocation(
        [&] {
          p.reset();
          p.emplace(std::span<const Var<double>>(outputs));
          p->run();
        },
        [&](long) { BOOST_REQUIRE(!p); });
    BOOST_TEST(failures > 10);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      BOOST_TEST(same_bits(p->value(outputs[i]), expected[i]));
    }
  }
  BOOST_TEST(held == held_before);
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
}
