// The planted mistakes: without one the derivation is the right one; each alters what it says it
// alters, against loops written from its text; and which of them coincide.
#include <boost/test/unit_test.hpp>

#include <set>

#include "tests/reference/contexts.hpp"
#include "tests/sanitized.hpp"

using namespace problems;

namespace {

// Prime to the periods of draw: a part of the networks has all kinds too.
constexpr int stride = support::sanitized ? 5 : 1;

/// Random networks of every kind: widths all distinct, hidden layers alike, all alike.
Problem<double> draw(Source& source, int round, bool hard = true, double mass = 1) {
  const int depth = 1 + round % 4;
  Network network{{}, activations[round / 4 % 4], round / 16 % 2 == 1, Layout::rows};
  const int kind = round % 3;
  for (int l = 0; l <= depth + 1; ++l) {
    const bool hidden = l > 0 && l <= depth;
    network.widths.push_back(kind == 2 ? 4 : kind == 1 && hidden ? 5 : 9 - l);
  }
  return random_problem(source, network, 6, Weights::fan_in, hard, mass);
}

double distance_from_right(const Problem<double>& p, const Plant& plant,
                           const Context& context = {}) {
  return parameter_distance(planted(p.network, p.inputs(), plant, context),
                            planted(p.network, p.inputs(), std::span<const Plant>(), context));
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_a_mistake_it_is_the_derivation) {
  Source source(1);
  for (int round = 0; round < 96; ++round) {
    const auto p = draw(source, round, round % 5 != 0, round % 7 == 0 ? 0.5 : 1);
    const auto values = planted(p.network, p.inputs());
    Vectorised<double> right(p);
    right.run();
    BOOST_TEST(values.names() == right.backpropagation.names(), boost::test_tools::per_element());
    values.for_each([&](const std::string& name, const Tensor<double>& value) {
      const auto expected = right.backpropagation.value(name);
      BOOST_TEST(value.shape() == expected.shape());
      const double d = distance<double>(value, expected);
      BOOST_TEST(d < 1e-12, name << " in round " << round << ": " << d);
    });
  }
}

BOOST_AUTO_TEST_CASE(every_mistake_has_an_id_of_its_own) {
  std::set<std::string_view> ids;
  for (const Mistake mistake : all_mistakes()) {
    BOOST_TEST(ids.insert(id(mistake)).second, id(mistake));
    for (const char c : id(mistake)) {
      BOOST_TEST((c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')));
    }
  }
  BOOST_TEST(ids.size() == 54u);
  BOOST_TEST(to_string({.mistake = Mistake::other_activation_derivative,
                        .layer = 2,
                        .form = Form::second,
                        .other = Activation::tanh}) ==
             "other-activation-derivative at layer 2 (tanh, second form)");
}

// Where a plant alters nothing, there is a reason, and it is listed here. The plant must alter
// nothing where the reason holds, and something where none does.
BOOST_AUTO_TEST_CASE(every_plant_alters_the_gradient_or_has_a_reason) {
  Source source(2);
  std::set<Mistake> seen;
  for (int round = 0; round < 96; round += stride) {
    const bool half = round % 8 >= 6;
    const auto p = draw(source, round, round % 5 != 0, half ? 0.5 : 1);
    Context context = random_context(source, p);
    const bool relu = p.network.activation == Activation::relu;
    for (const bool decay : {false, true}) {
      context.loss_has_decay = decay;
      for (const Plant& plant : possible_plants(p.network, context)) {
        const double d = distance_from_right(p, plant, context);
        // relu'(a) = relu'(z), since a > 0 exactly where z > 0
        const bool without_effect =
            (relu && (plant.mistake == Mistake::derivative_at_output ||
                      plant.mistake == Mistake::derivative_z_one_minus_z)) ||
            (plant.mistake == Mistake::mass_assumed_one && !half);
        if (without_effect) {
          BOOST_TEST(d < 1e-12, to_string(plant) << " in round " << round << ": " << d);
        } else if (d > 1e-6) {
          seen.insert(plant.mistake);
        } else {
          // by chance: no unit on the side where it matters; a class that no sample shows is never
          // wholly without effect
          BOOST_TEST((relu && d == 0), to_string(plant) << " in round " << round << ": " << d);
        }
      }
    }
  }
  for (const Mistake mistake : all_mistakes()) BOOST_TEST(seen.contains(mistake), id(mistake));
}

BOOST_AUTO_TEST_CASE(the_fault_is_where_it_is_planted) {
  Source source(3);
  for (int round = 0; round < 48; round += stride) {
    const auto p = draw(source, round);
    const auto right = planted(p.network, p.inputs());
    for (const Plant& plant : possible_plants(p.network)) {
      const auto wrong = planted(p.network, p.inputs(), plant);
      for (std::size_t l = 0; l < right.dW.size(); ++l) {
        // Nothing above the planted layer changes; activation-recomputed shows in the layer above.
        const int last = plant.layer + (plant.mistake == Mistake::activation_recomputed ? 1 : 0);
        if (plant.layer == 0 || static_cast<int>(l) < last) continue;
        BOOST_TEST(distance<double>(wrong.dW[l], right.dW[l]) == 0, to_string(plant));
      }
    }
  }
}

// ---- Against loops written from the text, for a network of two hidden layers. ----

namespace {

/// A problem with widths 5-4-4-4 (so that every shape conforms that can), per-layer biases.
struct Loops {
  explicit Loops(Activation activation = Activation::tanh, double mass = 0.5)
      : source(4),
        p(random_problem(source, Network{{5, 4, 4, 4}, activation, true, Layout::rows}, 3,
                         Weights::fan_in, false, mass)),
        right(planted(p.network, p.inputs())) {}

  double x(int n, int i) const { return p.X[static_cast<std::size_t>(5 * n + i)]; }
  double y(int n, int k) const { return p.Y[static_cast<std::size_t>(4 * n + k)]; }
  double w(int l, int i, int j) const {
    return p.W[static_cast<std::size_t>(l - 1)][static_cast<std::size_t>(4 * i + j)];
  }
  static double at(const std::vector<Tensor<double>>& t, int l, int n, int j) {
    return t[static_cast<std::size_t>(l - 1)](n, j);
  }
  double derivative(double z) const { return activation_derivative(p.network.activation, z); }

  /// The planted value against f(n, j), entry by entry.
  template <class F>
  void expect(const Plant& plant, const char* name, F f) const {
    const auto values = planted(p.network, p.inputs(), plant, context);
    const Tensor<double>& value = values.value(name);
    std::vector<double> expected;
    const bool matrix = value.shape().rank() == 2;
    for (int n = 0; n < value.shape()[0]; ++n) {
      for (int j = 0; j < (matrix ? value.shape()[1] : 1); ++j) expected.push_back(f(n, j));
    }
    const double d = distance<double>(value, expected);
    BOOST_TEST(d < 1e-13, to_string(plant) << ", " << name << ": " << d);
    BOOST_TEST(distance<double>(right.value(name), expected) > 1e-6, to_string(plant));
  }

  Source source;
  Problem<double> p;
  Values<Tensor<double>> right;
  Context context;
};

template <class F>
double sum(int count, F f) {
  double result = 0;
  for (int i = 0; i < count; ++i) result += f(i);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(output_errors_by_loops) {
  const Loops t;
  const auto yhat = [&](int n, int k) { return t.right.Yhat(n, k); };
  const auto mass = [&](int n) { return sum(4, [&](int k) { return t.y(n, k); }); };
  using enum Mistake;
  t.expect({sign}, "dZ3", [&](int n, int k) { return -(mass(n) * yhat(n, k) - t.y(n, k)) / 3; });
  t.expect({mean_missing}, "dZ3", [&](int n, int k) { return mass(n) * yhat(n, k) - t.y(n, k); });
  t.expect({erratum_e4}, "dZ3", [&](int n, int k) { return mass(n) * yhat(n, k) - t.y(n, k); });
  t.expect({mean_doubled}, "dZ3",
           [&](int n, int k) { return (mass(n) * yhat(n, k) - t.y(n, k)) / 9; });
  t.expect({mean_n_minus_1}, "dZ3",
           [&](int n, int k) { return (mass(n) * yhat(n, k) - t.y(n, k)) / 2; });
  t.expect({mean_n_k}, "dZ3",
           [&](int n, int k) { return (mass(n) * yhat(n, k) - t.y(n, k)) / 12; });
  for (const Mistake mistake : {label_prediction_swapped, erratum_e1}) {
    t.expect({mistake}, "dZ3", [&](int n, int k) { return (t.y(n, k) - yhat(n, k)) / 3; });
  }
  t.expect({mass_assumed_one}, "dZ3", [&](int n, int k) { return (yhat(n, k) - t.y(n, k)) / 3; });
  for (const Mistake mistake : {sigmoid_output, erratum_e13}) {
    t.expect({mistake}, "dZ3", [&](int n, int k) {
      return (1 / (1 + std::exp(-t.at(t.right.Z, 3, n, k))) - t.y(n, k)) / 3;
    });
  }
  t.expect({squared_error_output}, "dZ3",
           [&](int n, int k) { return t.at(t.right.dZ, 3, n, k) * yhat(n, k) * (1 - yhat(n, k)); });
  t.expect({softmax_jacobian_missing}, "dZ3",
           [&](int n, int k) { return -t.y(n, k) / yhat(n, k) / 3; });
  t.expect({softmax_twice}, "dZ3", [&](int n, int k) {
    return sum(4, [&](int j) {
      const double jacobian = j == k ? yhat(n, k) * (1 - yhat(n, k)) : -yhat(n, k) * yhat(n, j);
      return jacobian * t.at(t.right.dZ, 3, n, j);
    });
  });
  t.expect({.mistake = class_missing, .class_index = 2}, "dZ3",
           [&](int n, int k) { return k == 2 ? 0 : t.at(t.right.dZ, 3, n, k); });
}

BOOST_AUTO_TEST_CASE(derivatives_by_loops) {
  using enum Mistake;
  const auto check = [](Activation activation, const Plant& plant, auto wrong) {
    const Loops t(activation);
    // The planted layer's dZ, whose dA is right.
    t.expect({.mistake = plant.mistake,
              .layer = 2,
              .form = plant.form,
              .other = plant.other,
              .slope = plant.slope},
             "dZ2", [&](int n, int j) {
               return wrong(t.at(t.right.Z, 2, n, j), t.at(t.right.A, 2, n, j),
                            t.at(t.right.dA, 2, n, j)) *
                      t.at(t.right.dA, 2, n, j);
             });
  };
  const auto logistic = [](double z) { return 1 / (1 + std::exp(-z)); };
  const auto tanh_slope = [](double z) { return 1 - std::pow(std::tanh(z), 2); };
  check(Activation::tanh, {derivative_missing}, [](double, double, double) { return 1.0; });
  check(Activation::sigmoid, {derivative_at_output},
        [&](double, double a, double) { return logistic(a) * (1 - logistic(a)); });
  check(Activation::sigmoid, {derivative_z_one_minus_z},
        [](double z, double, double) { return z * (1 - z); });
  check(Activation::tanh, {derivative_z_one_minus_z},
        [](double z, double, double) { return 1 - z * z; });
  check(Activation::improved_sigmoid, {inner_slope_missing},
        [&](double z, double, double) { return 1.7159 * tanh_slope(2 * z / 3); });
  check(Activation::improved_sigmoid, {outer_slope_missing},
        [&](double z, double, double) { return 2.0 / 3 * tanh_slope(2 * z / 3); });
  check(Activation::improved_sigmoid, {one_minus_tanh_squared_z},
        [&](double z, double, double) { return tanh_slope(z); });
  check(Activation::tanh, {square_forgotten}, [](double, double a, double) { return 1 - a; });
  check(Activation::tanh, {.mistake = square_forgotten, .form = Form::second},
        [&](double z, double, double) { return std::sqrt(tanh_slope(z)); });
  check(Activation::improved_sigmoid, {square_forgotten},
        [](double, double a, double) { return 2.0 / 3 * (1.7159 - a); });
  check(
      Activation::improved_sigmoid, {.mistake = square_forgotten, .form = Form::second},
      [&](double z, double, double) { return 1.7159 * 2 / 3 * std::sqrt(tanh_slope(2 * z / 3)); });
  check(Activation::improved_sigmoid, {closed_form_of_scaled_a}, [](double z, double, double) {
    return 1.7159 * 2 / 3 * (1 - std::pow(1.7159 * std::tanh(2 * z / 3), 2));
  });
  check(Activation::improved_sigmoid, {erratum_e7},
        [&](double z, double, double) { return 4.0 / 3 * 1.7159 * tanh_slope(2 * z / 3); });
  check(Activation::relu, {relu_mask_wrong_tensor},
        [](double, double, double da) { return da > 0 ? 1.0 : 0.0; });
  check(Activation::relu, {.mistake = leaky_slope, .slope = 0.2},
        [](double z, double, double) { return z > 0 ? 1.0 : 0.2; });
  check(Activation::tanh, {.mistake = other_activation_derivative, .other = Activation::sigmoid},
        [&](double z, double, double) { return logistic(z) * (1 - logistic(z)); });
  check(
      Activation::improved_sigmoid,
      {.mistake = other_activation_derivative, .form = Form::second, .other = Activation::sigmoid},
      [](double, double a, double) { return a * (1 - a); });
  check(Activation::tanh,
        {.mistake = other_activation_derivative, .other = Activation::improved_sigmoid},
        [&](double z, double, double) { return 1.7159 * 2 / 3 * tanh_slope(2 * z / 3); });
  check(Activation::tanh,
        {.mistake = activation_recomputed, .form = Form::second, .other = Activation::sigmoid},
        [&](double z, double, double) { return logistic(z) * (1 - logistic(z)); });
}

BOOST_AUTO_TEST_CASE(wiring_by_loops) {
  using enum Mistake;
  const Loops t;
  const auto delta = [&](int l, int n, int j) { return t.at(t.right.dZ, l, n, j); };
  t.expect({.mistake = weights_not_transposed, .layer = 3}, "dA2", [&](int n, int j) {
    return sum(4, [&](int k) { return delta(3, n, k) * t.w(3, k, j); });
  });
  for (const Plant& plant : {Plant{.mistake = erratum_e3, .layer = 3},
                             Plant{.mistake = other_layer_weights, .layer = 3, .other_layer = 2}}) {
    t.expect(plant, "dA2", [&](int n, int j) {
      return sum(4, [&](int k) { return delta(3, n, k) * t.w(2, j, k); });
    });
  }
  t.expect({.mistake = erratum_e2, .layer = 3}, "dA2", [&](int n, int j) {
    double result = 0;
    for (int k = 0; k < 4; ++k) {
      for (int l = 0; l < 4; ++l) result += t.w(3, j, l) * (t.right.Yhat(n, k) - t.y(n, k)) / 3;
    }
    return result;
  });
  t.expect({.mistake = erratum_e5, .layer = 2}, "dZ2",
           [&](int n, int j) { return (t.at(t.right.A, 2, n, j) - t.y(n, j)) / 3; });
  t.expect({.mistake = other_layer_delta, .layer = 2, .other_layer = 3}, "dW2", [&](int i, int j) {
    return sum(3, [&](int n) { return t.at(t.right.A, 1, n, i) * delta(3, n, j); });
  });
  for (const Mistake mistake : {z_for_activation, erratum_e14}) {
    t.expect({.mistake = mistake, .layer = 2}, "dW2", [&](int i, int j) {
      return sum(3, [&](int n) { return t.at(t.right.Z, 1, n, i) * delta(2, n, j); });
    });
  }
  t.expect({.mistake = activation_recomputed, .layer = 1, .other = Activation::relu}, "dW2",
           [&](int i, int j) {
             return sum(3, [&](int n) {
               return std::max(0.0, t.at(t.right.Z, 1, n, i)) * delta(2, n, j);
             });
           });
  t.expect({.mistake = last_sample_missing, .layer = 1}, "dW1",
           [&](int i, int j) { return sum(2, [&](int n) { return t.x(n, i) * delta(1, n, j); }); });
  t.expect({.mistake = bias_averaged, .layer = 1}, "db1",
           [&](int j, int) { return sum(3, [&](int n) { return delta(1, n, j); }) / 3; });
  t.expect({.mistake = bias_row_dropped, .layer = 1}, "db1", [](int, int) { return 0.0; });
  const auto unsummed =
      planted(t.p.network, t.p.inputs(), {.mistake = bias_not_summed, .layer = 2});
  BOOST_TEST(to_string(unsummed.db[1].shape()) == "(3, 4)");
  BOOST_TEST(distance<double>(unsummed.db[1], t.right.dZ[1]) == 0);
  BOOST_TEST(to_string(unsummed.db[0].shape()) == "(4,)");
  t.expect({.mistake = activation_overwritten, .layer = 2}, "dW2", [&](int i, int j) {
    return sum(3, [&](int n) { return t.derivative(t.at(t.right.Z, 1, n, i)) * delta(2, n, j); });
  });
  t.expect(
      {.mistake = activation_overwritten, .layer = 2, .form = Form::second}, "dW2",
      [&](int i, int j) { return sum(3, [&](int n) { return delta(1, n, i) * delta(2, n, j); }); });
  const auto rows =
      planted(t.p.network, t.p.inputs(), {.mistake = bias_summed_over_units, .layer = 1});
  BOOST_TEST(to_string(rows.db[0].shape()) == "(3,)");
  for (int n = 0; n < 3; ++n) {
    const double expected = sum(4, [&](int j) { return delta(1, n, j); });
    BOOST_TEST(rows.db[0][n] == expected, boost::test_tools::tolerance(1e-13));
  }
  BOOST_TEST(to_string(rows.db[1].shape()) == "(4,)");
}

BOOST_AUTO_TEST_CASE(input_for_activation_by_loops) {
  Source source(5);
  const auto p = random_problem(source, Network{{4, 4, 3}, Activation::tanh, false, Layout::rows},
                                3, Weights::fan_in, true, 1);
  const auto wrong = planted(p.network, p.inputs(), Plant{Mistake::input_for_activation});
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) {
      double expected = 0;
      for (int n = 0; n < 3; ++n) {
        expected += p.X[static_cast<std::size_t>(4 * n + i)] * wrong.dZ[1](n, j);
      }
      BOOST_TEST(wrong.dW[1](i, j) == expected, boost::test_tools::tolerance(1e-13));
    }
  }
}

// delta_j = f'(z_j) sum_k delta_k x_i has two indices: each dw_ji and db_j (whose x is 1) by
// itself.
BOOST_AUTO_TEST_CASE(erratum_e6_by_loops) {
  const Loops t;
  // delta of layer l, unit j, as it stands in the gradient of the weight whose input is x
  const auto delta = [&](auto self, int l, int n, int j, double x) -> double {
    if (l == 3) return (t.right.Yhat(n, j) - t.y(n, j)) / 3;
    const double a = t.at(t.right.A, l, n, j);
    return t.derivative(t.at(t.right.Z, l, n, j)) *
           sum(4, [&](int k) { return self(self, l + 1, n, k, l + 1 == 3 ? 0 : a); }) * x;
  };
  for (const int l : {1, 2}) {
    const auto input = [&](int n, int i) { return l == 1 ? t.x(n, i) : t.at(t.right.A, 1, n, i); };
    t.expect({Mistake::erratum_e6}, l == 1 ? "dW1" : "dW2", [&](int i, int j) {
      return sum(3, [&](int n) { return delta(delta, l, n, j, input(n, i)) * input(n, i); });
    });
    t.expect({Mistake::erratum_e6}, l == 1 ? "db1" : "db2",
             [&](int j, int) { return sum(3, [&](int n) { return delta(delta, l, n, j, 1); }); });
  }
}

BOOST_AUTO_TEST_CASE(what_the_context_holds) {
  using enum Mistake;
  Loops t;
  t.context = random_context(t.source, t.p);
  const auto w = [&](int i, int j) { return t.w(2, i, j); };
  const auto dw = [&](int i, int j) { return t.right.dW[1](i, j); };
  const auto of = [](const std::vector<Tensor<double>>& tensors, int i, int j) {
    return tensors[1](i, j);
  };
  const Context& c = t.context;
  t.expect({learning_rate}, "dW2", [&](int i, int j) { return *c.learning_rate * dw(i, j); });
  t.expect({stale_gradient}, "dW2", [&](int i, int j) { return of(c.previous_dW, i, j); });
  t.expect({accumulated_twice}, "dW2", [&](int i, int j) { return 2 * dw(i, j); });
  t.expect({.mistake = accumulated_twice, .form = Form::second}, "dW2",
           [&](int i, int j) { return dw(i, j) + of(c.previous_dW, i, j); });
  t.expect({momentum_folded}, "dW2",
           [&](int i, int j) { return dw(i, j) + *c.momentum * of(c.velocity_W, i, j); });
  t.expect({weight_decay_extra}, "dW2",
           [&](int i, int j) { return dw(i, j) + *c.weight_decay * w(i, j); });
  t.expect({.mistake = after_update, .form = Form::second}, "dA2", [&](int n, int j) {
    return sum(4, [&](int k) { return t.right.dZ[2](n, k) * c.updated_W[2](j, k); });
  });
  Problem<double> updated = t.p;
  for (std::size_t l = 0; l < 3; ++l) {
    updated.W[l].assign(c.updated_W[l].begin(), c.updated_W[l].end());
    updated.b[l].assign(c.updated_b[l].begin(), c.updated_b[l].end());
  }
  Vectorised<double> v(updated);
  v.run();
  t.expect({after_update}, "dW1", [&](int i, int j) { return v.backpropagation.dW(1)(i, j); });

  t.context.loss_has_decay = true;
  const auto decayed = planted(t.p.network, t.p.inputs(), std::span<const Plant>(), t.context);
  BOOST_TEST(decayed.dW[1](1, 2) == dw(1, 2) + *c.weight_decay * w(1, 2));
  const auto missing = planted(t.p.network, t.p.inputs(), Plant{weight_decay_missing}, t.context);
  BOOST_TEST(parameter_distance(missing, t.right) == 0);
}

// ---- Which coincide. ----

namespace {

void check_equal(const Problem<double>& p, const Plant& a, const Plant& b, double factor = 1) {
  auto x = planted(p.network, p.inputs(), a);
  const auto y = planted(p.network, p.inputs(), b);
  for (auto& dw : x.dW) {
    for (double& value : dw) value *= factor;
  }
  for (auto& db : x.db) {
    for (double& value : db) value *= factor;
  }
  const double d = parameter_distance(x, y);
  BOOST_TEST(d < 1e-12, to_string(a) << " and " << to_string(b) << ": " << d);
}

}  // namespace

BOOST_AUTO_TEST_CASE(identities) {
  using enum Mistake;
  Source source(6);
  for (int round = 0; round < 32; ++round) {
    const auto one = draw(source, round, false, 1), half = draw(source, round, false, 0.5);
    for (const auto* p : {&one, &half}) {
      check_equal(*p, {mean_missing}, {erratum_e4});
      check_equal(*p, {label_prediction_swapped}, {erratum_e1});
      check_equal(*p, {sigmoid_output}, {erratum_e13});
      check_equal(*p, {accumulated_twice}, {factor_two});
      check_equal(*p, {z_for_activation}, {erratum_e14});
      if (p->network.activation == Activation::improved_sigmoid) {
        check_equal(*p, {one_minus_tanh_squared_z},
                    {.mistake = other_activation_derivative, .other = Activation::tanh});
        check_equal(*p, {.mistake = erratum_e7, .layer = 1}, {.mistake = factor_two, .layer = 1});
      }
    }
    check_equal(one, {sign}, {erratum_e1});
    // sum_k delta_k = 0 again: over the units of the output nothing is left
    if (one.network.biases) {
      const int top = one.network.layers();
      const auto sums =
          planted(one.network, one.inputs(), {.mistake = bias_summed_over_units, .layer = top});
      for (const double x : sums.db.back()) BOOST_TEST(std::abs(x) < 1e-14);
    }
    // sum_k delta_k = 0 for mass one, whatever stands behind it
    for (const Mistake erratum : {erratum_e2, erratum_e6}) {
      const auto zero = planted(one.network, one.inputs(), Plant{erratum});
      const auto right = planted(one.network, one.inputs());
      for (std::size_t l = 0; l + 1 < zero.dW.size(); ++l) {
        for (std::int64_t i = 0; i < zero.dW[l].size(); ++i) {
          BOOST_TEST(std::abs(zero.dW[l][i]) < 1e-13);
        }
      }
      BOOST_TEST(distance<double>(zero.dW.back(), right.dW.back()) < 1e-14);
    }
    Network two = one.network;
    two.widths.back() = 2;
    check_equal(random_problem(source, two, 5, Weights::fan_in, true, 1), {squared_error_output},
                {softmax_twice}, 2);
  }
}

BOOST_AUTO_TEST_CASE(two_mistakes_at_once) {
  using enum Mistake;
  const Loops t;
  const std::vector<Plant> both{{mean_missing}, {.mistake = derivative_missing, .layer = 2}};
  const auto values = planted(t.p.network, t.p.inputs(), both);
  for (int n = 0; n < 3; ++n) {
    for (int j = 0; j < 4; ++j) {
      BOOST_TEST(values.dZ[1](n, j) == 3 * t.right.dA[1](n, j),
                 boost::test_tools::tolerance(1e-13));
    }
  }
}

// ---- Errors. ----

namespace {

template <class E>
std::string message(const Network& network, const Plant& plant) {
  Source source(7);
  const auto p = random_problem(source, network, 3, Weights::fan_in, true, 1);
  try {
    planted(network, p.inputs(), plant);
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_cannot_be_planted_is_refused) {
  using enum Mistake;
  const Network distinct{{6, 5, 4, 3}, Activation::tanh, false, Layout::rows};
  BOOST_TEST(message<ShapeError>(distinct, {erratum_e3}) ==
             "[reference::planted] erratum-e3: W1 (6, 5) does not fit in place of W2 (5, 4)");
  BOOST_TEST(message<ShapeError>(distinct, {.mistake = erratum_e5, .layer = 2}) ==
             "[reference::planted] erratum-e5 at layer 2: A2 has 4 units, Y has 3 classes");
  BOOST_TEST(message<UsageError>(distinct, {inner_slope_missing}) ==
             "[reference::planted] inner-slope-missing: it needs the improved sigmoid");
  BOOST_TEST(message<UsageError>(distinct, {bias_averaged}) ==
             "[reference::planted] bias-averaged: it needs biases");
  BOOST_TEST(message<UsageError>(distinct, {learning_rate}) ==
             "[reference::planted] learning-rate: it needs the learning rate");
  BOOST_TEST(message<UsageError>(distinct, {.mistake = derivative_missing, .layer = 3}) ==
             "[reference::planted] derivative-missing at layer 3: it does not concern layer 3");
  BOOST_TEST(message<UsageError>(distinct, {.mistake = class_missing, .class_index = 3}) ==
             "[reference::planted] class-missing (class 3): there is no class 3");
  BOOST_TEST(message<UsageError>(distinct, {weights_not_transposed}) ==
             "[reference::planted] weights-not-transposed: W3 (4, 3) is not square");
  BOOST_TEST(
      message<UsageError>({{3, 4, 4, 3}, Activation::tanh, false, Layout::columns}, {sign}) ==
      "[reference::planted] samples stand in columns: expected Layout::rows");
}
