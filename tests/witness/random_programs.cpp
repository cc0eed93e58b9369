// Random programs: the tape's gradients against dual numbers through an interpreter that shares no
// code with the operations, and a plan's replay against recording anew. CHAINRULE_PROGRAMS=1000000
// asks for that many programs, CHAINRULE_SEED for others.
#include <fmt/format.h>
#include <chainrule/autograd/kernels.hpp>
#include <chainrule/ops/ops.hpp>

#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>

#include "tests/witness/programs.hpp"

using namespace chainrule;
using namespace witness;
using support::Source;
using V = Var<double>;
using Lists = std::vector<std::vector<double>>;
using QuadLists = std::vector<std::vector<Quad>>;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

std::vector<V> differentiated(const Program& program, const std::vector<V>& vars) {
  std::vector<V> leaves;
  for (std::size_t k = 0; k < program.size(); ++k) {
    if (program[k].differentiated) leaves.push_back(vars[k]);
  }
  return leaves;
}

Lists values_of(std::span<const V> vars) {
  Lists result;
  for (const V& v : vars) result.emplace_back(v.value().begin(), v.value().end());
  return result;
}

bool finite(const Lists& lists) {
  for (const auto& list : lists) {
    for (const double x : list) {
      if (!std::isfinite(x)) return false;
    }
  }
  return true;
}
template <class L>
bool zero(const L& lists) {
  for (const auto& list : lists) {
    for (const auto& x : list) {
      if (x != 0) return false;
    }
  }
  return true;
}

/// The largest |a - b| / |b| of a tensor, in the 2-norm. A tensor whose gradient is below 1e-12 of
/// the whole is zero but for rounding, and measured against the whole.
template <class A, class B>
double distance(const A& a, const B& b) {
  std::vector<double> difference, norm;
  double whole = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    Quad d = 0, n = 0;
    for (std::size_t k = 0; k < b[i].size(); ++k) {
      const Quad x = Quad(a[i][k]) - Quad(b[i][k]), y(b[i][k]);
      d += x * x, n += y * y;
    }
    difference.push_back(static_cast<double>(sqrt(d)));
    norm.push_back(static_cast<double>(sqrt(n)));
    whole = std::max(whole, norm.back());
  }
  double worst = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (difference[i] == 0) continue;
    const double relative = difference[i] / (norm[i] > 1e-12 * whole ? norm[i] : whole);
    worst = std::isnan(relative) ? HUGE_VAL : std::max(worst, relative);
  }
  return worst;
}

/// A direction in the leaves of a program: the same for the library and the interpreter.
Lists direction_of(const Program& program) {
  Lists result;
  double next = 0.37;
  for (const Step& s : program) {
    if (!s.differentiated) continue;
    result.emplace_back();
    for (std::size_t k = 0; k < s.values.size(); ++k) {
      next = next * 1.7 + 0.31;
      next -= std::floor(next);
      result.back().push_back(next + 0.2);
    }
  }
  return result;
}

struct Statistics {
  int programs = 0, not_finite = 0, zero_gradient = 0;
  int in_quad = 0;  ///< that needed, or were drawn for, quad precision
  int second_order = 0, operations = 0, reused = 0;
  double worst = 0;        ///< against the interpreter in double, where that was enough
  double worst_ratio = 0;  ///< error over the interpreter's own gap, where it was not
  std::map<Kind, int> kinds;
};

enum class Order { first = 1, second = 2 };
enum class Outcome { agrees, differs, not_finite, zero_gradient };

/// The library's derivative: the gradient, or that of <gradient, direction>.
Lists library(const Program& program, Order order, const Recorder& recorder) {
  Tape<double> tape;
  const std::vector<V> vars = record(tape, program, recorder),
                       leaves = differentiated(program, vars);
  auto g = gradients(vars.back(), leaves);
  if (order == Order::first) return values_of(g);
  const Lists direction = direction_of(program);
  V product = tape.constant(0);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const TensorView<const double> v{direction[i].data(), leaves[i].shape()};
    product = product + sum(g[i] * tape.constant(v));
  }
  return values_of(gradients(product, leaves));
}

template <class S>
std::vector<std::vector<S>> interpreted(const Program& program, Order order,
                                        std::uint64_t jitter = 0) {
  return order == Order::first ? gradient<S>(program, jitter)
                               : hessian_product<S>(program, direction_of(program), jitter);
}

/// Compares one derivative: at most 1e-12, or 100 times the gap between the interpreter in double
/// and in quad precision. One gap may be small by luck (or by symmetry, where two terms cancel to
/// the last digit), so it is the largest of six, of which five round every use of a value
/// otherwise.
Outcome compare(const Program& program, Order order, const Recorder& recorder, bool in_quad,
                Statistics* statistics) {
  const Lists ours = library(program, order, recorder);
  const Lists theirs = interpreted<double>(program, order);
  if (!finite(theirs)) return Outcome::not_finite;
  if (zero(theirs) && zero(ours)) return Outcome::zero_gradient;
  const double error = distance(ours, theirs);
  if (error <= 1e-12 && !in_quad) {
    if (statistics) statistics->worst = std::max(statistics->worst, error);
    return Outcome::agrees;
  }
  const QuadLists exact = interpreted<Quad>(program, order);
  if (statistics) ++statistics->in_quad;
  if (zero(exact)) return Outcome::zero_gradient;  // but for rounding
  double gap = distance(theirs, exact);
  for (const std::uint64_t jitter : {1, 2, 3, 4, 5}) {
    gap = std::max(gap, distance(interpreted<double>(program, order, jitter), exact));
  }
  const double exact_error = distance(ours, exact);
  if (statistics && exact_error > 1e-12) {
    statistics->worst_ratio = std::max(statistics->worst_ratio, exact_error / gap);
  }
  return exact_error <= std::max(1e-12, 100 * gap) ? Outcome::agrees : Outcome::differs;
}

/// Replay gives what recording anew gives, bit for bit, on the leaves as they are and moved.
bool replays(Program program) {
  Tape<double> tape;
  const std::vector<V> vars = record(tape, program), leaves = differentiated(program, vars);
  std::vector<V> outputs{vars.back()};
  for (const V& g : gradients(vars.back(), leaves)) outputs.push_back(g);
  Plan<double> replay = plan(outputs);
  for (const double move : {0.0, 0.015625}) {
    for (Step& s : program) {
      for (double& x : s.values) x += move;
    }
    replay.run();
    Tape<double> anew;
    const std::vector<V> again = record(anew, program),
                         their_leaves = differentiated(program, again);
    const auto g = gradients(again.back(), their_leaves);
    if (!support::same_bits(replay.value(outputs[0]), again.back().value())) return false;
    for (std::size_t i = 0; i < g.size(); ++i) {
      if (!support::same_bits(replay.value(outputs[i + 1]), g[i].value())) return false;
    }
  }
  return true;
}

bool usable(const Program& program) {
  return program.back().kind != Kind::leaf &&
         std::any_of(program.begin(), program.end(),
                     [](const Step& s) { return s.differentiated; });
}

/// Draws and checks; the first program that fails, shrunk.
std::optional<Program> check(int programs, std::uint64_t seed, const Recorder& recorder,
                             Statistics& statistics) {
  for (std::uint64_t next = 0; statistics.programs < programs; ++next) {
    Source source(seed + next);
    const Program program = draw(source);
    const bool second = next % 8 == 0, in_quad = next % 64 == 0;
    if (!usable(program)) {
      ++statistics.zero_gradient;
      continue;
    }
    const Outcome outcome = compare(program, Order::first, recorder, in_quad, &statistics);
    if (outcome == Outcome::not_finite) ++statistics.not_finite;
    if (outcome == Outcome::zero_gradient) ++statistics.zero_gradient;
    if (outcome == Outcome::not_finite || outcome == Outcome::zero_gradient) continue;
    ++statistics.programs;
    statistics.operations += operations(program), statistics.reused += reused(program);
    for (const Step& s : program) ++statistics.kinds[s.kind];
    Order failed = Order::first;
    bool fails = outcome == Outcome::differs;
    if (!fails && second) {
      ++statistics.second_order;
      failed = Order::second;
      fails = compare(program, Order::second, recorder, in_quad, &statistics) == Outcome::differs;
    }
    BOOST_TEST(replays(program), "program " << seed + next << " replays otherwise:\n"
                                            << to_code(program));
    if (!fails) continue;
    const Program small = shrink(program, [&](const Program& p) {
      return usable(p) && compare(p, failed, recorder, true, nullptr) == Outcome::differs;
    });
    BOOST_TEST_MESSAGE(fmt::format("program {} fails at order {}; shrunk:\n{}", seed + next,
                                   static_cast<int>(failed), to_code(small)));
    return small;
  }
  return std::nullopt;
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_programs_differentiate_correctly) {
#ifdef __OPTIMIZE__
  constexpr std::uint64_t few = 10000;
#else
  constexpr std::uint64_t few = 200;
#endif
  const int programs = static_cast<int>(from_environment("CHAINRULE_PROGRAMS", few));
  const std::uint64_t seed = from_environment("CHAINRULE_SEED", 1);
  Statistics s;
  const auto start = std::chrono::steady_clock::now();
  const std::optional<Program> failing = check(programs, seed, record_step, s);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  BOOST_TEST(!failing, "seed " << seed << ":\n" << (failing ? to_code(*failing) : ""));
  const int redrawn = s.not_finite + s.zero_gradient;
  BOOST_TEST(redrawn < 0.2 * (s.programs + redrawn));
  for (int k = 1; !failing && k < static_cast<int>(Kind::count); ++k) {
    BOOST_TEST(s.kinds[static_cast<Kind>(k)] > 0, name_of(static_cast<Kind>(k))
                                                      << " was not drawn");
  }
  fmt::print(
      "seed {}: {} programs of {:.1f} operations, {:.1f} results of each used again; {} also at "
      "order 2; redrawn {} not finite, {} with zero gradient; worst error {:.1e}, {} in quad "
      "precision, where at most {:.1f} times the interpreter's own gap; {:.1f} s\n",
      seed, s.programs, double(s.operations) / s.programs, double(s.reused) / s.programs,
      s.second_order, s.not_finite, s.zero_gradient, s.worst, s.in_quad, s.worst_ratio, seconds);
}

// --- that it would be seen ----------------------------------------------------------------------

namespace {

constexpr Op<double> wrong_sine{"wrong_sine", kernels::same_shape,
                                [](const Evaluation<double>& e) {
                                  kernels::map_unary(e, [](double x) { return std::sin(x); });
                                },
                                [](const Adjoint<double>& n, int) {
                                  return mul(n.cotangent(), scale(cos(n.input(0)), 1 + 1e-9));
                                }};
constexpr Op<double> wrong_product{
    "wrong_product", kernels::broadcast_shapes,
    [](const Evaluation<double>& e) {
      kernels::map_binary(e, [](double a, double b) { return a * b; });
    },
    // b's adjoint is averaged, not summed, over the axes along which it was stretched.
    [](const Adjoint<double>& n, int i) {
      const V g = mul(n.cotangent(), n.input(1 - i));
      const Shape shape = n.input(i).shape();
      const double share =
          static_cast<double>(shape.size()) / static_cast<double>(g.shape().size());
      return scale(sum_to(g, shape), i == 1 ? share : 1.0);
    }};
// Right at order 1, wrong at order 2: the derivative lets no gradient through.
constexpr Op<double> wrong_square{
    "wrong_square", kernels::same_shape,
    [](const Evaluation<double>& e) { kernels::map_unary(e, [](double x) { return x * x; }); },
    [](const Adjoint<double>& n, int) {
      return mul(n.cotangent(), stop_gradient(scale(n.input(0), 2.0)));
    }};

Recorder with(Kind kind, const Op<double>& wrong) {
  return [kind, &wrong](const Step& s, std::span<const V> x) {
    return s.kind == kind ? x[0].tape().record(wrong, x) : record_step(s, x);
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_wrong_rule_is_found_and_its_program_shrunk) {
  const std::pair<Kind, const Op<double>*> wrong[] = {
      {Kind::sin, &wrong_sine}, {Kind::mul, &wrong_product}, {Kind::square, &wrong_square}};
  for (const auto& [kind, op] : wrong) {
    Statistics s;
    const std::optional<Program> failing = check(2000, 7, with(kind, *op), s);
    BOOST_TEST_REQUIRE(failing.has_value(), op->name << " was not found");
    BOOST_TEST(operations(*failing) <= 4, to_code(*failing));
    BOOST_TEST(std::any_of(failing->begin(), failing->end(),
                           [&, k = kind](const Step& step) { return step.kind == k; }));
    const std::string code = to_code(*failing);
    BOOST_TEST(code.find(std::string(name_of(kind)) + "(v") != std::string::npos, code);
  }
}
