// The reports' errata before two witnesses: the tape, value by value, and finite differences.
//
// Each erratum that is a formula is run as a hand-written backward pass. compare() says at which
// value it leaves the tape's, from the loss down. gradcheck() gets the same backward pass as the
// rule of an operation, and says how many entries of its gradients finite differences contradict.
// docs/derivation.md shows the table.
//
// Exit status: 0 when both witnesses accept the right derivation and reject every erratum, else 1.
//
// With the argument "diagnose": what diagnose() says of each from its dW1 and dW2 alone; 1 when it
// does not name the erratum.
#include <algorithm>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/compare.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/check/gradcheck.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/ops/ops.hpp>
#include <chainrule/reference/mistakes.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
using namespace chainrule;
using reference::Mistake;

namespace {

// All widths are equal, so that E3 and E5 have shapes; the last input is the bias trick's one.
constexpr std::int64_t samples = 6, width = 4;
const reference::Network network{{width, width, width}, reference::Activation::improved_sigmoid};

/// What the operations below compute with, besides their inputs W1 and W2.
struct Pass {
  Tensor<double> x{{samples, width}}, y{{samples, width}};
  std::vector<reference::Plant> plants;

  /// Targets of mass 1 are one-hot.
  explicit Pass(double mass) {
    const Random random(1, Purpose::check);
    for (std::int64_t n = 0; n < samples; ++n) {
      for (std::int64_t i = 0; i < width; ++i) {
        const auto place = static_cast<std::uint64_t>(n * width + i);
        x(n, i) = i + 1 < width ? random.normal(place) : 1;
      }
      y(n, n % width) = mass;
    }
  }
  reference::Inputs<double> inputs(TensorView<const double> w1, TensorView<const double> w2) const {
    return {samples, x.span(), y.span(), {w1.span(), w2.span()}, {}};
  }
  reference::Values<Tensor<double>> values(TensorView<const double> w1,
                                           TensorView<const double> w2) const {
    return reference::planted(network, inputs(w1, w2), plants);
  }
};
const Pass* pass = nullptr;  // the one that is being checked

/// dC/dW1 or dC/dW2, as attributes.numbers[0] says, by hand.
const Op<double> gradient_by_hand{
    .name = "gradient_by_hand",
    .shape = [](const Call& call) { return call.input(0); },
    .forward =
        [](const Evaluation<double>& e) {
          const auto which = static_cast<std::size_t>(e.attributes().numbers[0]);
          const auto values = pass->values(e.input(0), e.input(1));
          std::copy(values.dW[which].begin(), values.dW[which].end(), e.output().begin());
        }};
/// C, right, with a rule that is the backward pass by hand.
const Op<double> loss_by_hand{
    .name = "loss_by_hand",
    .shape = [](const Call&) { return Shape(); },
    .forward =
        [](const Evaluation<double>& e) {
          *e.output().data() = reference::loss(network, pass->inputs(e.input(0), e.input(1)));
        },
    .adjoint =
        [](const Adjoint<double>& n, int i) {
          Tape<double>& tape = n.cotangent().tape();
          return n.cotangent() * tape.record(gradient_by_hand, {n.input(0), n.input(1)},
                                             {.numbers = {static_cast<double>(i)}});
        }};

struct Erratum {
  const char* name;
  Mistake mistake;
};
constexpr Erratum errata[] = {
    {"E1", Mistake::erratum_e1}, {"E2", Mistake::erratum_e2},   {"E3", Mistake::erratum_e3},
    {"E4", Mistake::erratum_e4}, {"E5", Mistake::erratum_e5},   {"E6", Mistake::erratum_e6},
    {"E7", Mistake::erratum_e7}, {"E13", Mistake::erratum_e13}, {"E14", Mistake::erratum_e14}};
/// With labels of mass one these two make the hidden gradient vanish, which hides their form.
bool vanishes(Mistake mistake) {
  return mistake == Mistake::erratum_e2 || mistake == Mistake::erratum_e6;
}

std::vector<reference::Plant> planted(Mistake mistake) {
  const auto possible = reference::possible_plants(network);
  return {*std::find_if(possible.begin(), possible.end(),
                        [&](const reference::Plant& p) { return p.mistake == mistake; })};
}

/// Prints the diagnosis. Returns whether it names the erratum.
bool diagnose_erratum(const Erratum& erratum, double mass) {
  Pass here(mass);
  here.plants = planted(erratum.mistake);
  const Mlp<double> mlp({.widths = network.widths, .activation = Activation::improved_sigmoid});
  Tape<double> tape;
  const Var<double> w1 = tape.parameter(mlp.parameters()[0]),
                    w2 = tape.parameter(mlp.parameters()[1]);
  const Var<double> loss = softmax_cross_entropy(mlp(tape, tape.input(here.x)), tape.input(here.y));
  const auto values = here.values(w1.value(), w2.value());
  const Diagnosis diagnosis = diagnose(loss, {{"dW1", values.dW[0]}, {"dW2", values.dW[1]}});
  std::printf("--- %s, targets of mass %g\n%s", erratum.name, mass, to_string(diagnosis).c_str());
  return std::any_of(diagnosis.mistakes.begin(), diagnosis.mistakes.end(),
                     [&](const NamedMistake& m) { return m.id == id(erratum.mistake); });
}

int diagnose_all() {
  bool named = true;
  for (const Erratum& erratum : errata) {
    named = diagnose_erratum(erratum, 1) && named;
    if (vanishes(erratum.mistake)) named = diagnose_erratum(erratum, 0.5) && named;
  }
  return named ? 0 : 1;
}

/// One line of the table. Returns whether both witnesses accept.
bool check(const char* name, std::optional<Mistake> mistake, double mass, bool& both_agree) {
  Pass here(mass);
  if (mistake) here.plants = planted(*mistake);
  pass = &here;

  const Mlp<double> mlp({.widths = network.widths, .activation = Activation::improved_sigmoid});
  Tape<double> tape;
  const Var<double> w1 = tape.parameter(mlp.parameters()[0]),
                    w2 = tape.parameter(mlp.parameters()[1]);
  const Var<double> logits = mlp(tape, tape.input(here.x));
  gradients(softmax_cross_entropy(logits, tape.input(here.y)), {w1, w2});
  const auto values = here.values(w1.value(), w2.value());
  std::vector<NamedValue<double>> hand;
  std::vector<std::string> names = values.names();
  std::erase(names, "Yhat");  // the tape's loss has no such node
  hand.reserve(names.size());
  for (const std::string& value : names) hand.push_back({value, values.value(value)});
  const CompareReport compared = compare(tape, std::span<const NamedValue<double>>(hand));
  const auto first = std::find_if(compared.rows.begin(), compared.rows.end(),
                                  [](const Comparison& row) { return !row; });

  Tape<double> other;
  const Var<double> v1 = other.input(mlp.parameters()[0].value()),
                    v2 = other.input(mlp.parameters()[1].value());
  const GradcheckReport checked = gradcheck(other.record(loss_by_hand, {v1, v2}), {v1, v2});

  // The error there, or the largest of all where none is wrong.
  double error = compared ? 0 : first->norm_error;
  if (compared) {
    for (const Comparison& row : compared.rows) error = std::max(error, row.norm_error);
  }
  std::printf("%-5s  %4g  %-7s  %-11s  %9.1e  %-9s", name, mass,
              std::string(to_string(compared.verdict)).c_str(),
              compared ? "-" : first->name.c_str(), error,
              std::string(to_string(checked.verdict)).c_str());
  for (const LeafReport& leaf : checked.leaves) {
    std::printf("  %2lld of %2lld", static_cast<long long>(leaf.failures),
                static_cast<long long>(leaf.checked));
  }
  std::printf("\n");
  both_agree = both_agree && static_cast<bool>(compared) == static_cast<bool>(checked);
  return compared && checked;
}

int run(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "diagnose") return diagnose_all();
  std::printf("                                          wrong by            wrong entries of\n");
  std::printf("       mass  compare  first wrong      there  gradcheck       dW1       dW2\n");
  bool agree = true;
  bool expected = check("right", {}, 1, agree) && check("right", {}, 0.5, agree);
  for (const auto& [name, mistake] : errata) {
    expected = !check(name, mistake, 1, agree) && expected;
    if (vanishes(mistake)) expected = !check(name, mistake, 0.5, agree) && expected;
  }
  return expected && agree ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "errata: %s\n", error.what());
  return 2;
}
