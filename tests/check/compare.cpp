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
    BOOST_TEST(row.tolerance ==
               (std::is_same_v<T, double> ? 1e-12 : 8 * 32 * std::ldexp(1.0, -23)));
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
  for (T& g : layer.dw) g *= T(1 + (std::is_same_v<T, double> ? 2e-12 : 4e-5));
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
