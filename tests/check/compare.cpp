// Values by hand against the tape's, by name.
#include <boost/test/unit_test.hpp>
#include <chainrule/check/boost_test.hpp>
#include <chainrule/ops/ops.hpp>
#include <nlohmann/json.hpp>

#include "tests/support.hpp"

using namespace chainrule;
using support::check_error;

namespace {

/// A layer with its backward pass on a tape, and the same by hand, in loops.
template <class T>
struct Layer {
  support::Source source{3};
  Tensor<T> x = source.tensor<T>({4, 3}), w = source.tensor<T>({3, 2}),
            c = source.tensor<T>({4, 2});
  Tape<T> tape;
  Tensor<T> z{{4, 2}}, dz{{4, 2}}, dw{{3, 2}};

  Layer() {
    const Var<T> w1 = named(tape.input(w), "W1");
    const Var<T> z1 = named(matmul(tape.input(x), w1), "Z1");
    gradients(sum(tanh(z1) * tape.input(c)), {w1});
    for (std::int64_t n = 0; n < 4; ++n) {
      for (std::int64_t j = 0; j < 2; ++j) {
        for (std::int64_t i = 0; i < 3; ++i) z(n, j) += x(n, i) * w(i, j);
        dz(n, j) = c(n, j) * (1 - std::tanh(z(n, j)) * std::tanh(z(n, j)));
        for (std::int64_t i = 0; i < 3; ++i) dw(i, j) += x(n, i) * dz(n, j);
      }
    }
  }
};

template <class T>
Tensor<T> transposed(const Tensor<T>& a) {
  Tensor<T> result({a.shape()[1], a.shape()[0]});
  for (std::int64_t i = 0; i < a.shape()[0]; ++i) {
    for (std::int64_t j = 0; j < a.shape()[1]; ++j) result(j, i) = a(i, j);
  }
  return result;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(a_right_derivation_agrees, T, support::Precisions) {
  Layer<T> layer;
  const CompareReport report =
      compare(layer.tape, {{"Z1", layer.z}, {"dZ1", layer.dz}, {"dW1", layer.dw}});
  BOOST_TEST(passes(report));
  BOOST_TEST((report.verdict == Verdict::pass));
  BOOST_TEST(report.rows.size() == 3u);
  for (const Comparison& row : report.rows) {
    BOOST_TEST(row.norm_error > 0 + (row.name == "Z1" ? -1 : 0));
    BOOST_TEST(row.norm_error < 8 * double(std::numeric_limits<T>::epsilon()));
    if constexpr (std::is_same_v<T, double>) {
      BOOST_TEST(row.tolerance == 1e-12);
      BOOST_TEST(!row.noise.has_value());
    } else {
      BOOST_TEST(row.noise.has_value());
      BOOST_TEST(*row.noise > 1e-9);
      BOOST_TEST(*row.noise < 2e-7);
      BOOST_TEST(row.tolerance == 8 * *row.noise + 16 * std::ldexp(1.0, -23));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_wrong_entry_is_found_with_its_place_and_values, T,
                              support::Precisions) {
  Layer<T> layer;
  const T right = layer.dw(2, 1);
  layer.dw(2, 1) = -right;
  const CompareReport report = compare(layer.tape, {{"dZ1", layer.dz}, {"dW1", layer.dw}});
  BOOST_TEST(!report);
  BOOST_TEST((report.rows[0].verdict == Verdict::pass));
  const Comparison& row = report.rows[1];
  BOOST_TEST((row.verdict == Verdict::fail));
  BOOST_TEST(entry_to_string(row.shape, row.worst) == "(2, 1)");
  BOOST_TEST(row.hand == double(-right));
  BOOST_TEST(row.expected == double(right), boost::test_tools::tolerance(1e-5));
  double largest = 0;
  for (const T g : layer.dw) largest = std::max(largest, std::abs(double(g)));
  BOOST_TEST(row.max_error == 2 * std::abs(double(right)) / largest,
             boost::test_tools::tolerance(1e-5));
  BOOST_TEST(row.norm_error == support::relative_error(layer.dw, layer.tape.find("dW1").value()),
             boost::test_tools::tolerance(1e-5));
  const std::string text = to_string(report);
  BOOST_TEST_MESSAGE(text);
  BOOST_TEST(has(text, "compare: FAIL"));
  BOOST_TEST(has(text, "worst entry (2, 1): by hand "));
  BOOST_TEST(has(text, "expected "));
  const auto json = nlohmann::json::parse(to_json(report));
  BOOST_TEST(json["verdict"] == "fail");
  BOOST_TEST((json["rows"][1]["worst_entry"] == nlohmann::json{2, 1}));
  BOOST_TEST(json["rows"][0]["verdict"] == "pass");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(errors_just_above_the_tolerance_fail, T, support::Precisions) {
  Layer<T> layer;
  for (T& g : layer.dw) g *= T(1 + (std::is_same_v<T, double> ? 2e-12 : 5e-6));
  BOOST_TEST(!compare(layer.tape, {{"dW1", layer.dw}}));
  BOOST_TEST(passes(compare(layer.tape, {{"dW1", layer.dw}}, {.tolerance = 1e-4})));
}

BOOST_AUTO_TEST_CASE(other_shapes_fail_and_name_the_transposition) {
  Layer<double> layer;
  const auto reason = [&](const Tensor<double>& hand) {
    const CompareReport report = compare(layer.tape, {{"dW1", hand}});
    BOOST_TEST(!report);
    BOOST_TEST(std::isinf(report.rows[0].norm_error));
    return report.rows[0].reason;
  };
  BOOST_TEST(reason(transposed(layer.dw)) ==
             "(2, 3) against (3, 2): the transpose conforms and agrees");
  Tensor<double> wrong = transposed(layer.dw);
  for (double& g : wrong) g *= 2;
  BOOST_TEST(reason(wrong) ==
             "(2, 3) against (3, 2): the transpose conforms, but is off by 1.0e+00");
  BOOST_TEST(reason(Tensor<double>({3, 3})) == "(3, 3) against (3, 2): the shapes differ");
  BOOST_TEST(reason(Tensor<double>(Shape{6})) == "(6,) against (3, 2): the shapes differ");
  BOOST_TEST(to_string(compare("dW1", wrong, layer.dw)) ==
             "dW1: FAIL: (2, 3) against (3, 2): the transpose conforms, but is off by 1.0e+00");
}

BOOST_AUTO_TEST_CASE(nothing_to_compare_is_an_error) {
  Tape<double> tape;
  tape.constant(1.0);
  BOOST_CHECK_THROW(compare(tape, std::span<const NamedValue<double>>{}), UsageError);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_an_error_with_the_names_that_there_are) {
  Layer<double> layer;
  check_error<NameError>(
      [&] {
        compare(layer.tape, {{"dW2", layer.dw}});
      },
      "no node is named 'dW2'; there are: W1, Z1, dZ1, dW1");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(there_is_no_absolute_floor, T, support::Precisions) {
  const T tiny = std::numeric_limits<T>::denorm_min(), huge = std::numeric_limits<T>::max();
  const auto one = [](T value) { return Tensor<T>({2}, {value, 0}); };
  BOOST_TEST(bool(compare("dW1", one(0), one(0))));
  BOOST_TEST(compare("dW1", one(0), one(0)).norm_error == 0);
  BOOST_TEST(!compare("dW1", one(tiny), one(0)));
  BOOST_TEST(compare("dW1", one(tiny), one(0)).reason == "expected exact zeros");
  BOOST_TEST(std::isinf(compare("dW1", one(tiny), one(0)).max_error));
  BOOST_TEST(!compare("dW1", one(0), one(tiny)));
  BOOST_TEST(compare("dW1", one(0), one(tiny)).norm_error == 1);
  BOOST_TEST(bool(compare("dW1", one(tiny), one(tiny))));
  BOOST_TEST(bool(compare("dW1", one(huge), one(huge))));
  BOOST_TEST(!compare("dW1", one(huge), one(huge / 2)));
  BOOST_TEST(!compare("dW1", one(huge), one(-huge)));
  BOOST_TEST(bool(compare("none", Tensor<T>({0, 3}), Tensor<T>({0, 3}))));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(values_that_are_not_finite_never_pass, T, support::Precisions) {
  const Tensor<T> good({2, 2}, {1, 2, 3, 4});
  for (const T bad : {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
    const Tensor<T> with({2, 2}, {1, 2, bad, 4});
    const Comparison by_hand = compare("Z1", with, good), expected = compare("Z1", good, with);
    BOOST_TEST(!by_hand);
    BOOST_TEST(by_hand.worst == 2);
    BOOST_TEST(by_hand.reason == "the value by hand is not finite");
    BOOST_TEST(!expected);
    BOOST_TEST(expected.reason == "the value expected is not finite");
    BOOST_TEST(!compare("Z1", with, with));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(values_at_the_ends_of_the_range_have_errors, T, support::Precisions) {
  const T most = std::numeric_limits<T>::max(), least = std::numeric_limits<T>::denorm_min();
  const auto row = compare("dW1", Tensor<T>({2}, {most, -most}), Tensor<T>({2}, {-most, most}));
  BOOST_TEST(row.norm_error == 2);
  BOOST_TEST(row.max_error == 2);
  BOOST_TEST(
      compare("dW1", Tensor<T>({2}, {3 * least, 0}), Tensor<T>({2}, {2 * least, 0})).norm_error ==
      0.5);
  const auto far = compare("dW1", Tensor<T>({2}, {most, 1}), Tensor<T>({2}, {least, 1}));
  BOOST_TEST(far.norm_error > 1e37);
  BOOST_TEST(!far);
}

BOOST_AUTO_TEST_CASE(an_empty_value_of_enormous_shape_loosens_nothing) {
  Layer<double> layer;
  const Tensor<double> empty({0, std::int64_t{1} << 40});
  layer.tape.input(empty);
  const Tensor<double> long_one({20000});
  layer.tape.input(long_one);  // nor one that what is compared does not depend on
  BOOST_TEST(compare(layer.tape, {{"dW1", layer.dw}}).rows[0].tolerance == 1e-12);
  BOOST_TEST(compare("none", empty, empty).tolerance == 1e-12);
}

// A sum of very many terms rounds more, and so does all that is made of it.
BOOST_AUTO_TEST_CASE(long_sums_loosen_whatever_is_made_of_them) {
  const Tensor<double> x({1 << 20});
  Tape<double> tape;
  const Var<double> total = named(sum(tape.input(x)), "total");
  const Var<double> later = named(exp(total * 2 + 1), "later");
  const CompareReport report =
      compare(tape, {{"total", total.value()}, {"later", later.value()}});
  for (const Comparison& row : report.rows) BOOST_TEST(row.tolerance == 8 * 1024 * 0x1p-52);
}

BOOST_AUTO_TEST_CASE(names_may_be_any_bytes) {
  Tape<double> tape;
  const Tensor<double> x({2}, {1, 2});
  named(tape.input(x), "W\xff\xc3(");
  const CompareReport report = compare(tape, {{"W\xff\xc3(", x}});
  BOOST_TEST(nlohmann::json::parse(to_json(report))["verdict"] == "pass");
  Tape<double> other;
  const Var<double> leaf = named(other.input(x), "W\xff");
  BOOST_TEST(nlohmann::json::parse(to_json(gradcheck(exp(leaf), {leaf})))["verdict"] == "pass");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_would_explain_an_error_is_named, T, support::Precisions) {
  support::Source source(9);
  const Tensor<T> expected = source.tensor<T>({5, 5});
  const auto reason = [&](const Tensor<T>& hand) { return compare("dW1", hand, expected).reason; };
  const auto times = [&](double factor) {
    Tensor<T> result = expected;
    for (T& v : result) v = T(double(v) * factor);
    return result;
  };
  BOOST_TEST(reason(transposed(expected)).ends_with("; its transpose agrees"));
  BOOST_TEST(reason(times(0.01)).ends_with("; it is 1/100 = 0.01 times the expected one"));
  BOOST_TEST(reason(times(-1)).ends_with("; it is -1 times the expected one"));
  BOOST_TEST(reason(times(32)).ends_with("; it is 32 times the expected one"));
  BOOST_TEST(reason(times(2.0 / 3)).ends_with("; it is 2/3 = 0.666667 times the expected one"));
  BOOST_TEST(reason(times(1.7159)).ends_with("; it is 1.7159 times the expected one"));
  BOOST_TEST(reason(times(0)).ends_with("; it is zero"));
  Tensor<T> wrong = times(1);
  wrong(1, 2) += T(0.5);
  BOOST_TEST(reason(wrong).find(';') == std::string::npos);
  Tensor<T> other = times(2);
  other(1, 2) += T(0.01);
  BOOST_TEST(reason(other).find(';') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(other_shapes_of_higher_rank_name_the_order_of_axes) {
  support::Source source(9);
  const Tensor<double> hand = source.tensor({4, 2, 3});
  Tensor<double> expected({2, 3, 4});
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 2; ++j) {
      for (int k = 0; k < 3; ++k) expected[(j * 3 + k) * 4 + i] = hand[(i * 2 + j) * 3 + k];
    }
  }
  BOOST_TEST(
      compare("dW1", hand, expected).reason ==
      "(4, 2, 3) against (2, 3, 4): with axes in the order (1, 2, 0) it conforms and agrees");
  const Tensor<double> column({3, 1}, {1, 2, 3}), flat({3}, {1, 2, 3}), flat_other({3}, {1, 2, 4});
  BOOST_TEST(compare("db1", column, flat).reason ==
             "(3, 1) against (3,): the shapes differ, the entries agree in order");
  BOOST_TEST(compare("db1", column, flat_other).reason == "(3, 1) against (3,): the shapes differ");
  Tape<double> tape;
  named(tape.input(flat), "b1");
  BOOST_TEST(has(to_string(compare(tape, {{"b1", column}})), "(3, 1) for (3,)"));
}

// --- float: the noise is measured --------------------------------------------------------------

namespace {

/// f = sum(c (x + 1000)^2) - 2000 sum(c x): its gradient 2 c x + what cancels.
struct Cancelling {
  support::Source source{4};
  Tensor<float> x = source.tensor<float>({30}), c = source.tensor<float>({30});
  Tape<float> tape;
  Tensor<float> dx{{30}};

  Cancelling() {
    const Var<float> vx = named(tape.input(x), "x"), vc = tape.input(c);
    gradients(sum(vc * square(vx + 1000)) - sum(vc * vx * 2000), {vx});
    for (std::int64_t i = 0; i < 30; ++i) dx[i] = 2 * c[i] * x[i];
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(float_tolerances_are_what_rounding_does_to_the_value) {
  Cancelling f;
  const CompareReport report = compare(f.tape, {{"dx", f.dx}});
  BOOST_TEST_MESSAGE(to_string(report));
  BOOST_TEST(passes(report));
  BOOST_TEST(report.rows[0].norm_error > 3.1e-5);  // the constant would have refused it
  BOOST_TEST(*report.rows[0].noise > 1e-5);
  for (float& v : f.dx) v *= 1.01F;
  BOOST_TEST(!compare(f.tape, {{"dx", f.dx}}));
}

BOOST_AUTO_TEST_CASE(what_rounding_swamps_cannot_be_decided) {
  const Tensor<float> x({2}, {1e-4F, 3e-4F});
  Tape<float> tape;
  const Var<float> vx = tape.input(x), y = named(vx + 100 - 100, "y");
  const CompareReport report = compare(tape, {{"y", x}});
  BOOST_TEST((report.verdict == Verdict::cannot_decide), to_string(report));
  BOOST_TEST(has(to_string(report), "y: cannot decide: rounding to float alone makes an error of"));
  BOOST_TEST((compare(tape, {{"y", y.value()}}).verdict == Verdict::pass));
}

namespace {

constexpr Op<float> users_identity{"users_identity", [](const Call& call) { return call.input(0); },
                                   [](const Evaluation<float>& e) {
                                     for (std::int64_t i = 0; i < e.output().size(); ++i)
                                       e.output()[i] = e.input(0)[i];
                                   },
                                   [](const Adjoint<float>& n, int) { return n.cotangent(); }};

}  // namespace

BOOST_AUTO_TEST_CASE(behind_a_users_own_operation_the_constant_counts_and_is_said_to) {
  const Tensor<float> x({2}, {1, 3});
  Tape<float> tape;
  const Var<float> vx = tape.input(x), before = named(exp(vx), "before");
  const Var<float> y = named(tape.record(users_identity, {before}), "y");
  const CompareReport report = compare(tape, {{"before", before.value()}, {"y", y.value()}});
  BOOST_TEST(report.rows[0].noise.has_value());
  BOOST_TEST(!report.rows[1].noise.has_value());
  BOOST_TEST(report.rows[1].tolerance == 8 * 32 * std::ldexp(1.0, -23));
  BOOST_TEST(has(to_string(report),
                 "y: the noise is not measured: users_identity is known in float alone"));
}
