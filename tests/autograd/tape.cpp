// The tape as a list: values, handles that are refused, names, leaves, and errors that leave no
// trace.
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <cmath>
#include <limits>
#include <thread>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

// sum_to(mul(g, b), x.shape()): the shape is asked for before mul moves the tape's records.
static_assert(std::is_same_v<decltype(Var<double>().shape()), Shape>);

BOOST_AUTO_TEST_CASE_TEMPLATE(recording_computes_at_once, T, Precisions) {
  Tape<T> tape;
  const Tensor<T> x({2, 2}, {1, 2, 3, 4});
  const Var<T> a = tape.input(x), b = tape.constant(T(0.5), {2});
  const Var<T> y = sum(a * b + a);
  BOOST_TEST(y.item() == T(15));
  BOOST_TEST((y.shape() == Shape{}));
  BOOST_TEST(tape.size() == 5u);
  BOOST_TEST(tape.node(y.id()).op->name == "sum");
  BOOST_TEST(a.value().data() == x.data());  // a leaf is an address
  BOOST_TEST(message_of<ShapeError>([&] {
               a.item();
             }).starts_with("[item] (2, 2) has 4 elements: expected one (tape.cpp:"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(operators_take_numbers_on_both_sides, T, Precisions) {
  Tape<T> tape;
  const T v = T(0.7), c = T(2.5);
  const Var<T> x = tape.constant(v);
  BOOST_TEST((x + c).item() == v + c);
  BOOST_TEST((c + x).item() == c + v);
  BOOST_TEST((x - c).item() == v - c);
  BOOST_TEST((c - x).item() == c - v);
  BOOST_TEST((x * c).item() == v * c);
  BOOST_TEST((c * x).item() == c * v);
  BOOST_TEST((x / c).item() == v / c);
  BOOST_TEST((c / x).item() == c / v);
  BOOST_TEST((-x).item() == -v);
  BOOST_TEST((1 - x * 2).item() == 1 - v * 2);  // whole numbers too
  BOOST_TEST((x / x - x + x).item() == v / v - v + v);
}

BOOST_AUTO_TEST_CASE(operators_know_the_users_line) {
  Tape<double> tape;
  const Var<double> a = tape.constant(1, {2, 3}), b = tape.constant(1, {4});
  const auto thrown_by = [](auto f) { return message_of<ShapeError>([&] { f(); }); };
  const std::string shapes = "(2, 3) and (4,) do not broadcast: dimensions 3 and 4 differ";
  const auto expected = [&](const char* op, int line) {
    return "[" + std::string(op) + "] " + shapes +
           ", and neither is 1 (tape.cpp:" + std::to_string(line) + ")";
  };
  BOOST_TEST(thrown_by([&] { a* b; }) == expected("mul", __LINE__));
  BOOST_TEST(thrown_by([&] { a + b; }) == expected("add", __LINE__));
  BOOST_TEST(thrown_by([&] { a - b; }) == expected("sub", __LINE__));
  BOOST_TEST(thrown_by([&] { a / b; }) == expected("div", __LINE__));
  // What succeeds remembers its line too.
  const std::vector<Var<double>> vars{a * a, a * 2, 2 * a, 1 / a, a / 2, 1 - a, -a};
  const auto line = static_cast<std::uint32_t>(__LINE__ - 1);
  for (const Var<double>& v : vars) BOOST_TEST(tape.node(v.id()).location.line() == line);
}

BOOST_AUTO_TEST_CASE(a_handle_that_is_not_of_this_recording_is_refused) {
  Tape<double> tape, other;
  const Var<double> stale = tape.constant(1);
  tape.clear();
  const Var<double> x = tape.constant(1), foreign = other.constant(1), nothing;
  const Op<double>& op = *tape.node(neg(x).id()).op;
  const auto before = state_of(tape);
  const auto refused = [&](Var<double> bad, const char* part) {
    check_error<UsageError>([&] { add(x, bad); }, part);
    check_error<UsageError>([&] { x* bad; }, part);
    check_error<UsageError>([&] { tape.record(op, {bad}); }, part);
    check_error<UsageError>([&] { gradients(x, {bad}); }, part);
    check_error<UsageError>([&] { tape.set_name(bad, "name"); }, part);
    check_error<UsageError>([&] { plan({x, bad}); }, part);
    check_error<UsageError>([&] { linear(x, x, bad); }, part);
  };
  refused(stale,
          "a stale Var is used: it was recorded before clear() (generation 1, the tape is "
          "at 2)");
  refused(foreign, "a Var of another tape is used");
  refused(nothing, "a Var that was never assigned is used");
  for (const auto& [bad, part] :
       {std::pair(stale, "stale"), std::pair(nothing, "never assigned")}) {
    check_error<UsageError>([&] { bad.value(); }, part);
    check_error<UsageError>([&] { bad.shape(); }, part);
    check_error<UsageError>([&] { bad.name(); }, part);
    check_error<UsageError>([&] { bad.item(); }, part);
    check_error<UsageError>([&] { exp(bad); }, part);
    check_error<UsageError>([&] { sum(bad); }, part);
    check_error<UsageError>([&] { mean(bad, {0}); }, part);
    check_error<UsageError>([&] { reshape(bad, {1}); }, part);
    check_error<UsageError>([&] { bad + x; }, part);
    check_error<UsageError>([&] { bad / 2; }, part);
    check_error<UsageError>([&] { 2 / bad; }, part);
    check_error<UsageError>([&] { -bad; }, part);
    check_error<UsageError>([&] { gradients(bad, {x}); }, part);
    check_error<UsageError>([&] { named(bad, "name"); }, part);
    check_error<UsageError>([&] { plan({bad}); }, part);
    check_error<UsageError>([&] { softmax_cross_entropy(bad, x); }, part);
  }
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_tape_belongs_to_one_thread_and_clear_hands_it_over) {
  Tape<double> tape;
  Var<double> x = tape.constant(1);
  std::thread([&] {
    const auto part = "the tape belongs to another thread";
    check_error<UsageError>([&] { exp(x); }, part);
    check_error<UsageError>([&] { gradients(x, {x}); }, part);
    check_error<UsageError>([&] { tape.constant(2); }, part);
    check_error<UsageError>([&] { named(x, "x"); }, part);
    tape.clear();
    BOOST_TEST(exp(tape.constant(0)).item() == 1);
  }).join();
  check_error<UsageError>([&] { tape.constant(2); }, "another thread");
  tape.clear();
  tape.constant(2);
}

BOOST_AUTO_TEST_CASE(names_are_unique_found_and_given_to_gradients) {
  Tape<double> tape;
  OwnedParameter<double> w("W1", Tensor<double>({2, 2}, {1, 2, 3, 4}));
  const Var<double> x = named(tape.constant(2, {1, 2}), "X");
  const Var<double> w1 = tape.parameter(w.parameter);
  const Var<double> z1 = named(matmul(x, w1), "Z1");
  const int line = __LINE__ - 1;
  const Var<double> loss = sum(z1 * z1);
  BOOST_TEST(w1.name() == "W1");
  BOOST_TEST((tape.find("Z1") == z1));
  BOOST_TEST(message_of<NameError>([&] { named(loss, "Z1"); }) ==
             "[named] 'Z1' is taken: by node 2, matmul (1, 2) of tape.cpp:" + std::to_string(line) +
                 " (tape.cpp:" + std::to_string(__LINE__ - 2) + ")");
  check_error<NameError>([&] { named(loss, ""); }, "the name is empty");
  check_error<NameError>([&] { tape.find("Z2"); }, "no node is named 'Z2'; there are: X, W1, Z1");
  BOOST_TEST(loss.name() == "");

  const Var<double> dw1 = gradients(loss, {w1})[0];
  BOOST_TEST((tape.find("dW1") == dw1));
  BOOST_TEST(dw1.name() == "dW1");
  BOOST_TEST(same_bits(tape.find("dZ1").value(), (z1 * 2).value()));
  BOOST_TEST(!tape.has_name("dX"));  // nobody asked for it
  gradients(loss, {w1});
  BOOST_TEST(tape.has_name("dW1#2"));
  gradients(loss, {w1});
  BOOST_TEST((tape.has_name("dW1#3") && !tape.has_name("dW1#4")));

  tape.clear();
  BOOST_TEST(tape.names().empty());
  named(tape.constant(1), "Z1");  // free again
}

BOOST_AUTO_TEST_CASE(a_gradient_that_is_the_same_node_keeps_its_one_name) {
  Tape<double> tape;
  const Var<double> x = named(tape.constant(2, {3}), "X"), y = named(x * x, "Y");
  const Var<double> cotangent = tape.constant(1, {3});
  gradients(y, {x}, cotangent);
  gradients(y, {x}, cotangent);  // dY is the cotangent, both times
  BOOST_TEST((tape.find("dY") == cotangent));
  BOOST_TEST(!tape.has_name("dY#2"));
  BOOST_TEST(tape.has_name("dX#2"));  // which is another node
}

BOOST_AUTO_TEST_CASE(a_parameter_is_one_leaf_until_clear) {
  Tape<float> tape;
  OwnedParameter<float> a("W", Tensor<float>({2})), b("W", Tensor<float>({2})),
      unnamed("", Tensor<float>({2}));
  const Var<float> first = tape.parameter(a.parameter), second = tape.parameter(b.parameter);
  BOOST_TEST((tape.parameter(a.parameter) == first));
  BOOST_TEST((tape.parameter(b.parameter) == second));
  BOOST_TEST((tape.parameter(a.parameter) == first));
  BOOST_TEST(tape.size() == 2u);
  BOOST_TEST(second.name() == "W#2");
  BOOST_TEST(tape.parameter(unnamed.parameter).name() == "");
  BOOST_TEST(!tape.has_name(""));
  tape.clear();
  BOOST_TEST(!(tape.parameter(a.parameter) == first));
  BOOST_TEST(tape.size() == 1u);
}

BOOST_AUTO_TEST_CASE(constants_are_copied_and_leaves_are_not) {
  Tape<double> tape;
  Tensor<double> t({2}, {1, 2});
  const Var<double> constant = tape.constant(t), leaf = tape.input(t);
  t[0] = 7;
  BOOST_TEST(constant.value()[0] == 1);
  BOOST_TEST(leaf.value()[0] == 7);
  // A leaf whose memory went away is refused, not read.
  t = Tensor<double>({3});
  check_error<UsageError>([&] { exp(leaf); }, "[exp] a bound tensor was moved into or resized");
  check_error<UsageError>([&] { leaf.value(); }, "a bound tensor was moved into or resized");
}

namespace {

constexpr Op<double> throwing_op{"throwing", detail::same_shape, [](const Evaluation<double>&) {
                                   throw std::runtime_error("no value");
                                 }};

/// The identity; its rule records, names and then throws, or answers with nonsense.
enum Rule { throws, wrong_shape, wrong_tape };
Tape<double> elsewhere;
OwnedParameter<double> bias("bias", Tensor<double>({2, 3}));
template <Rule rule>
constexpr Op<double> bad_rule_op{
    "bad_rule", detail::same_shape,
    [](const Evaluation<double>& e) { detail::map_unary(e, [](double x) { return x; }); },
    [](const Adjoint<double>& n, int) {
      const Var<double> inside = named(neg(n.cotangent()), "inside");
      if (rule == throws) {
        n.cotangent().tape().parameter(bias.parameter);
        throw std::runtime_error("no rule");
      }
      return rule == wrong_shape ? sum(inside) : elsewhere.constant(0, inside.shape());
    }};

}  // namespace

BOOST_AUTO_TEST_CASE(an_error_leaves_the_tape_as_it_was) {
  Tape<double> tape;
  const Tensor<double> t({2, 3}, {1, 2, 3, 4, 5, 6});
  const Var<double> stale = tape.input(t);
  tape.clear();
  const Var<double> x = named(tape.input(t), "X");
  exp(x);
  const auto before = state_of(tape);
  const std::size_t capacity = tape.capacity();
  const std::vector<std::int32_t> bad_labels{0, 3}, three_labels{0, 1, 2};
  for (int repeated = 0; repeated < 10'000; ++repeated) {
    BOOST_CHECK_THROW(matmul(x, x), ShapeError);
    BOOST_CHECK_THROW(tape.record(throwing_op, {x}), std::runtime_error);
    if (repeated > 10) continue;
    BOOST_CHECK_THROW(pick(x, bad_labels), LabelError);
    BOOST_CHECK_THROW(softmax_cross_entropy_with_indices(x, bad_labels), LabelError);
    BOOST_CHECK_THROW(softmax_cross_entropy_with_indices(x, three_labels), ShapeError);
    BOOST_CHECK_THROW(softmax_cross_entropy(x, stale), UsageError);
    BOOST_CHECK_THROW(mean(x, {2}), ShapeError);
    BOOST_CHECK_THROW(stale / 2, UsageError);
    BOOST_CHECK_THROW(2 / stale, UsageError);
  }
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  BOOST_TEST(tape.capacity() == capacity);
}

BOOST_AUTO_TEST_CASE(a_rule_that_throws_leaves_no_half_of_a_backward_pass) {
  Tape<double> tape;
  const Tensor<double> t({2, 3}, {1, 2, 3, 4, 5, 6});
  const Var<double> x = named(tape.input(t), "X"), squares = named(x * x, "squares");
  const Var<double> y = named(tape.record(bad_rule_op<throws>, {squares}), "Y");
  const Var<double> z = named(y + y, "Z"), cotangent = tape.constant(1, {2, 3});
  const auto before = state_of(tape);
  // The caller's cotangent is Z's adjoint: it must not keep the name dZ.
  BOOST_CHECK_THROW(gradients(z, {x}, cotangent), std::runtime_error);
  BOOST_TEST(state_of(tape) == before, boost::test_tools::per_element());
  BOOST_TEST(!tape.has_name("inside"));
  // Later use is unaffected: names and leaves are free, lines and values are right.
  const NodeId next = tape.size();
  BOOST_TEST(tape.parameter(bias.parameter).id() == next);
  const Var<double> dx = gradients(sum(squares), {x})[0];
  BOOST_TEST(dx.name() == "dX");
  BOOST_TEST(tape.node(dx.id()).location.line() == tape.node(squares.id()).location.line());
  BOOST_TEST(same_bits(dx.value(), (x * 2).value()));
  named(x + 1, "inside");
}

BOOST_AUTO_TEST_CASE(a_rule_that_answers_with_nonsense_is_found_out) {
  Tape<double> tape;
  const Var<double> x = tape.constant(1, {3});
  const Var<double> a = sum(tape.record(bad_rule_op<wrong_shape>, {x}));
  check_error<ShapeError>([&] { gradients(a, {x}); },
                          "[bad_rule] the adjoint of input 0 has shape (): expected that of the "
                          "input, (3,)");
  const Var<double> b = sum(tape.record(bad_rule_op<wrong_tape>, {x}));
  check_error<UsageError>([&] { gradients(b, {x}); }, "[bad_rule] a Var of another tape is used");
}

BOOST_AUTO_TEST_CASE(an_operation_without_shape_rule_or_kernel_is_refused) {
  static constexpr Op<double> no_kernel{"no_kernel", detail::same_shape, nullptr};
  static constexpr Op<double> no_shape{"no_shape", nullptr, [](const Evaluation<double>&) {}};
  Tape<double> tape;
  const Var<double> x = tape.constant(1.0);
  BOOST_CHECK_THROW(tape.record(no_kernel, {x}), UsageError);
  BOOST_CHECK_THROW(tape.record(no_shape, {x}), UsageError);
  BOOST_TEST(tape.size() == 1u);
}

BOOST_AUTO_TEST_CASE(empty_tensors_pass_through) {
  Tape<double> tape;
  const Tensor<double> none(Shape{0, 3});
  const Var<double> x = tape.input(none), y = sum(exp(x) * x + tape.constant(1, {3}), {0});
  BOOST_TEST((y.shape() == Shape{3}));
  BOOST_TEST(y.value()[2] == 0);
  const auto g = gradients(sum(y), {x});
  BOOST_TEST((g[0].shape() == Shape{0, 3}));
}
