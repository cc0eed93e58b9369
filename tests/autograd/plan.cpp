// Plans: replay equals recording anew, outputs stand where they were asked for, and everything that
// may change between runs is either followed or refused.
#include <chainrule/ops/ops.hpp>

#include <memory>
#include <optional>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// The loss of a small network and its gradients.
template <class T>
std::vector<Var<T>> step(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& y,
                         std::vector<std::unique_ptr<OwnedParameter<T>>>& p) {
  std::vector<Var<T>> leaves;
  for (const auto& owned : p) leaves.push_back(tape.parameter(owned->parameter));
  const Var<T> a = improved_sigmoid(linear(tape.input(x), leaves[0], leaves[1]));
  const Var<T> loss = softmax_cross_entropy(linear(relu(a), leaves[2], leaves[3]), tape.input(y));
  std::vector<Var<T>> result{loss};
  for (const Var<T>& g : gradients(loss, leaves)) result.push_back(g);
  return result;
}

template <class T>
std::vector<std::unique_ptr<OwnedParameter<T>>> make_parameters(Source& source) {
  std::vector<std::unique_ptr<OwnedParameter<T>>> p;
  for (const Shape& shape : {Shape{7, 6}, Shape{6}, Shape{6, 3}, Shape{3}}) {
    p.push_back(std::make_unique<OwnedParameter<T>>("p", source.tensor<T>(shape)));
  }
  return p;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(replay_equals_recording_anew_bit_for_bit, T, Precisions) {
  Source source(1);
  Tensor<T> x = source.tensor<T>({8, 7}), y = source.tensor<T>({8, 3}, 0, 1);
  auto p = make_parameters<T>(source);
  auto first = std::make_unique<Tape<T>>();
  const std::vector<Var<T>> outputs = step(*first, x, y, p);
  Plan<T> replay = plan(outputs);
  Tape<T> tape;
  for (int k = 0; k < 8; ++k) {
    // The plan outlives growth, clear() and the end of the tape that it was made of.
    if (k == 2) exp(outputs[0]);
    if (k == 4) first->clear();
    if (k == 6) first.reset();
    replay.run();
    tape.clear();
    const std::vector<Var<T>> anew = step(tape, x, y, p);
    for (std::size_t i = 0; i < anew.size(); ++i) {
      BOOST_TEST(same_bits(replay.value(outputs[i]), anew[i].value()));
    }
    for (std::size_t i = 0; i < p.size(); ++i) {
      const TensorView<T> w = p[i]->parameter.mutable_value();
      for (std::int64_t j = 0; j < w.size(); ++j) w[j] -= T(0.3) * anew[i + 1].value()[j];
    }
    x = source.tensor<T>({8, 7});  // moved into: the plan follows the tensor, not its old memory
  }
}

BOOST_AUTO_TEST_CASE(values_on_the_tape_stay_those_of_the_recording) {
  Tape<double> tape;
  Tensor<double> x({2}, {1, 2});
  const Var<double> y = sum(tape.input(x) * 3);
  Plan<double> p = plan({y});
  x[0] = 10;
  p.run();
  BOOST_TEST(p.item(y) == 36);
  BOOST_TEST(y.item() == 9);
}

BOOST_AUTO_TEST_CASE(constants_are_copied_into_the_plan) {
  Tape<double> tape;
  const Tensor<double> x({2}, {1, 2});
  const Var<double> c = tape.constant(5, {2}), y = tape.input(x) * c;
  Plan<double> p = plan({y, c});
  tape.clear();
  for (int i = 0; i < 100; ++i) tape.constant(-1, {2});  // over the old constant's memory
  p.run();
  BOOST_TEST(same_bits(p.value(y), Tensor<double>({2}, {5, 10})));
  BOOST_TEST(same_bits(p.value(c), Tensor<double>({2}, {5, 5})));
}

BOOST_AUTO_TEST_CASE(requested_values_are_not_overwritten_by_others) {
  Source source(3);
  for (int graph = 0; graph < 200; ++graph) {
    Tape<double> tape;
    const Tensor<double> a = source.tensor({3, 4}), b = source.tensor({4}), c = source.tensor({});
    std::vector<Var<double>> pool{tape.input(a), tape.input(b), tape.input(c),
                                  tape.constant(0.5, {3, 1})};
    const auto any = [&] { return pool[static_cast<std::size_t>(source.below(std::ssize(pool)))]; };
    while (pool.size() < 34) {
      const Var<double> x = any(), y = any();
      switch (source.below(8)) {
        case 0:
          pool.push_back(tanh(x));
          break;
        case 1:
          pool.push_back(-x);
          break;
        case 2:
          pool.push_back(sigmoid(x + y));
          break;
        case 3:
          pool.push_back(x - y);
          break;
        case 4:
          pool.push_back(tanh(x * y));
          break;
        case 5:
          pool.push_back(x * 0.75);
          break;
        case 6:
          pool.push_back(mean(x));
          break;
        default:
          pool.push_back(greater(x, y) * x);
          break;
      }
    }
    const auto g = gradients(sum(pool.back()), {pool[0], pool[1], pool[2], pool[3]});
    pool.insert(pool.end(), g.begin(), g.end());
    std::vector<Var<double>> outputs{pool.back()};
    for (const Var<double>& v : pool) {
      if (source.below(graph % 5 + 1) == 0) outputs.push_back(v);
    }
    Plan<double> p = plan(outputs);
    for (int run = 0; run < 2; ++run) {
      p.run();
      for (const Var<double>& v : outputs) BOOST_TEST(same_bits(p.value(v), v.value()));
    }
    Plan<double> moved = std::move(p);
    moved.run();
    for (const Var<double>& v : outputs) BOOST_TEST(same_bits(moved.value(v), v.value()));
  }
}

BOOST_AUTO_TEST_CASE(no_step_writes_over_what_it_reads) {
  Source source(5);
  const Tensor<double> x = source.tensor({4, 4}), w = source.tensor({4, 4});
  Tape<double> tape;
  const Var<double> leaf = tape.input(x), right = tape.input(w);
  // Each of these has a result as large as what it reads, and nobody else reads that.
  const std::vector<Var<double>> outputs{
      matmul(leaf * 2, right), matmul(right, leaf * 3),     transpose(leaf * 4),
      softmax(leaf * 5),       gradients(sum(softmax(leaf * 6) * right), {leaf})[0],
      logsumexp(leaf * 7, {0}), matmul(leaf + right, leaf - right)};
  for (const Var<double>& y : outputs) {
    Plan<double> p = plan({y});
    for (int run = 0; run < 2; ++run) {
      p.run();
      BOOST_TEST(same_bits(p.value(y), y.value()));
    }
  }
}

BOOST_AUTO_TEST_CASE(memory_is_used_again) {
  Tape<double> tape;
  const Tensor<double> x({1000});
  Var<double> y = tape.input(x);
  for (int i = 0; i < 100; ++i) y = y + 1;
  BOOST_TEST(plan({y}).bytes() <= 2 * 8192u);
}

BOOST_AUTO_TEST_CASE(outputs_are_written_straight_into_a_callers_block) {
  Tape<double> tape;
  Tensor<double> x({2}, {1, 2}), block({12});
  const auto part = [&](std::int64_t i) { return TensorView<double>(block.data() + 2 * i, {2}); };
  const Var<double> leaf = tape.input(x), c = tape.constant(7, {2}), y = leaf * 3, z = y + c;
  Plan<double> p = plan({y, leaf, c, z, y, y});
  BOOST_TEST(message_of<UsageError>([&] { p.value(y); }).find("has not run") != std::string::npos);
  p.write_to(z, part(0));
  p.write_to(leaf, part(1));
  p.write_to(c, part(2));
  for (std::int64_t i = 3; i < 6; ++i) p.write_to(y, part(i));  // asked for, and written, thrice
  x[1] = 5;
  p.run();
  const Tensor<double> expected({12}, {10, 22, 1, 5, 7, 7, 3, 15, 3, 15, 3, 15});
  BOOST_TEST(same_bits(block, expected));
  BOOST_TEST(p.value(z).data() == block.data());
  BOOST_TEST(same_bits(p.value(y), part(3)));
  check_error<ShapeError>([&] { p.write_to(z, TensorView<double>(block)); },
                          "the output has shape (2,) and its destination (12,)");
  check_error<UsageError>([&] { p.write_to(c + 1, part(0)); }, "none of this plan's outputs");
  // Another destination replaces the first, and is not readable before it is written.
  Tensor<double> other({2});
  p.write_to(z, other);
  check_error<UsageError>([&] { p.value(z); }, "the plan has not run, or not since write_to");
}

BOOST_AUTO_TEST_CASE(two_parameters_that_share_a_gradient_both_get_it) {
  Tape<double> tape;
  OwnedParameter<double> a("a", Tensor<double>({2})), b("b", Tensor<double>({2}));
  const Var<double> u = tape.parameter(a.parameter), v = tape.parameter(b.parameter);
  const auto g = gradients(sum(exp(u + v)), {u, v});
  BOOST_TEST((g[0] == g[1]));
  Plan<double> p = plan({g[0], g[1]});
  p.write_to(g[0], a.parameter.gradient());
  p.write_to(g[1], b.parameter.gradient());
  p.run();
  BOOST_TEST(a.gradient[0] == 1);
  BOOST_TEST(b.gradient[0] == 1);
}

BOOST_AUTO_TEST_CASE(leaves_are_rebound) {
  Tape<double> tape;
  const Tensor<double> x({2}, {1, 2}), other({2}, {10, 20}), longer({3});
  const Var<double> leaf = tape.input(x), y = sum(leaf * leaf), c = tape.constant(1);
  Plan<double> p = plan({y, c});
  p.rebind(leaf, other);
  p.run();
  BOOST_TEST(p.item(y) == 500);
  BOOST_TEST(y.item() == 5);
  check_error<ShapeError>([&] { p.rebind(leaf, longer); },
                          "the plan was made for a leaf of shape (2,), not (3,): make one plan per "
                          "shape");
  for (const Var<double>& no_leaf : {y, c, tape.input(x)}) {
    check_error<UsageError>([&] { p.rebind(no_leaf, x); }, "the Var is no leaf of this plan");
  }
  p.run();
  BOOST_TEST(p.item(y) == 500);
}

BOOST_AUTO_TEST_CASE(a_bound_tensor_may_move_but_keeps_its_shape) {
  Tape<double> tape;
  Tensor<double> x({2}, {1, 2});
  const Var<double> y = sum(tape.input(x));
  Plan<double> p = plan({y});
  x = Tensor<double>({2}, {3, 4});
  p.run();
  BOOST_TEST(p.item(y) == 7);
  x = Tensor<double>({3}, {1, 1, 1});
  BOOST_TEST(message_of<ShapeError>([&] { p.run(); })
                 .starts_with("[Plan::run] a bound tensor has shape (3,), and had (2,) when it was "
                              "recorded: make one plan per shape (plan.cpp:"));
  BOOST_TEST(p.item(y) == 7);
}

BOOST_AUTO_TEST_CASE(labels_are_checked_before_the_first_node_is_evaluated) {
  Tape<double> tape;
  Tensor<double> z({2, 3}, {1, 2, 3, 4, 5, 7});
  std::vector<std::int32_t> labels{0, 2};
  const Var<double> logits = tape.input(z), first = logits * 2;
  const Var<double> loss = softmax_cross_entropy_with_indices(first, labels);
  const auto g = gradients(loss, {logits});
  Plan<double> p = plan({first, loss, g[0]});
  p.run();
  const Tensor<double> before(p.value(first));
  for (const std::int32_t wrong : {3, -1}) {
    labels[1] = wrong;
    z[0] = 100;
    BOOST_TEST(message_of<LabelError>([&] { p.run(); })
                   .starts_with("[pick] index " + std::to_string(wrong) +
                                " of row 1 is out of range: expected 0 to 2 (plan.cpp:"));
    BOOST_TEST(same_bits(p.value(first), before));
    z[0] = 1;
  }
  labels[1] = 1;
  p.run();
  Tape<double> anew;
  const Var<double> fresh = softmax_cross_entropy_with_indices(anew.input(z) * 2, labels);
  BOOST_TEST(p.item(loss) == fresh.item());
}

BOOST_AUTO_TEST_CASE(an_output_is_written_over_nothing_that_is_read_or_written_already) {
  Tape<double> tape;
  Tensor<double> w({3}, {1, 2, 3}), block({6});
  const std::vector<double> values(3, 1.0);
  const Var<double> leaf = named(tape.input(w), "W"),
                    view = tape.input(TensorView<const double>(values.data(), {3}));
  const Var<double> y = named(leaf * 2, "Y"), z = leaf + view;
  Plan<double> p = plan({y, z, leaf});
  const auto at = [&](std::int64_t i) { return TensorView<double>(block.data() + i, {3}); };
  check_error<UsageError>([&] { p.write_to(y, w); },
                          "[Plan::write_to] the destination of scale 'Y' overlaps input 'W', which "
                          "the plan reads");
  check_error<UsageError>([&] { p.write_to(leaf, w); }, "overlaps input 'W'");
  check_error<UsageError>([&] { p.write_to(y, {nullptr, {3}}); }, "the destination is null");
  p.write_to(y, at(0));
  check_error<UsageError>([&] { p.write_to(z, at(2)); },
                          "the destination of add overlaps that of scale 'Y'");
  p.write_to(y, at(1));  // its own former place is free
  p.write_to(y, at(0));
  p.write_to(z, at(3));
  check_error<UsageError>([&] { p.rebind(view, at(2)); },
                          "[Plan::rebind] input would be read where scale 'Y' is written to");
  check_error<UsageError>([&] { p.rebind(view, {nullptr, {3}}); }, "the view is null");
  p.run();
  BOOST_TEST(same_bits(block, Tensor<double>({6}, {2, 4, 6, 2, 3, 4})));
}

BOOST_AUTO_TEST_CASE(a_bound_tensor_that_takes_over_what_is_written_to) {
  Tape<double> tape;
  Tensor<double> x({3}, {1, 2, 3}), place({3});
  const Var<double> y = tape.input(x) * 2;
  Plan<double> p = plan({y});
  p.write_to(y, place);
  p.run();
  x = std::move(place);
  check_error<UsageError>([&] { p.run(); }, "would be read where scale is written to",
                          tape.node(0).location);
}

BOOST_AUTO_TEST_CASE(a_plan_that_was_never_made_does_not_run) {
  Plan<double> none;
  BOOST_CHECK_THROW(none.run(), UsageError);
  Tape<double> tape;
  Plan<double> first = plan({exp(tape.constant(0))}), second = std::move(first);
  BOOST_CHECK_THROW(first.run(), UsageError);
  second.run();
}

BOOST_AUTO_TEST_CASE(misuse_is_refused) {
  Tape<double> tape, other;
  const Var<double> x = tape.constant(1, {2}), y = exp(x), z = exp(y), foreign = other.constant(1);
  check_error<UsageError>([&] { plan(std::vector<Var<double>>{}); }, "no outputs");
  check_error<UsageError>([&] { plan({z, foreign}); }, "a Var of another tape is used");
  Plan<double> p = plan({z});
  check_error<UsageError>([&] { p.value(z); }, "the plan has not run");
  p.run();
  check_error<UsageError>([&] { p.value(y); },
                          "the Var is none of this plan's outputs: ask for it in plan({...})");
  check_error<ShapeError>([&] { p.item(z); }, "(2,) has 2 elements: expected one");
  BOOST_TEST(p.size() == 3u);
}
