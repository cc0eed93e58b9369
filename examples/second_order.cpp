// Newton's method on the softmax regression: Hessian-vector products instead of a Hessian.
//
// Minimises (1/N) sum_n -ln softmax(x_n W)_{label n} + (lambda / 2) |W|^2 over W on synthetic
// digits. The function is strictly convex, and its minimum is where the gradient vanishes. Each
// outer step solves H p = -g by conjugate gradients, whose every iteration runs one plan, H v; the
// Hessian, 7,850 x 7,850, is never formed.
//
// Exit status: 0 when |g| has fallen to 1e-10 of what it was at W = 0 within 14 outer steps,
// else 1.
#include <algorithm>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/data/dataset.hpp>
#include <chainrule/data/digits.hpp>
#include <chainrule/ops/derivatives.hpp>
#include <chainrule/ops/ops.hpp>
#include <cmath>
#include <cstdio>
#include <numeric>
using namespace chainrule;

namespace {

constexpr std::int64_t images = 1000;
constexpr double lambda = 1e-2, wanted = 1e-10;
constexpr int most_steps = 14, most_iterations = 500, most_halvings = 30;

double dot(TensorView<const double> a, TensorView<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
void add_scaled(Tensor<double>& y, double factor, TensorView<const double> x) {
  blas::axpy(y.size(), factor, x.data(), y.data());
}

/// The problem, recorded once: W and v are leaves that the plans follow.
struct Problem {
  Dataset<double> data;
  Tensor<double> w{{data.inputs(), data.classes()}}, v{w.shape()};
  Plan<double> loss, step, curvature;
  Var<double> loss_var, gradient_var, product_var;
  Tape<double> tape;

  explicit Problem(Dataset<double> set) : data(std::move(set)) {
    const Var<double> weights = tape.input(w);
    const auto regression = [&](Var<double> at) {
      const Var<double> logits = matmul(tape.input(data.x), at);
      return softmax_cross_entropy(logits, tape.input(data.y)) + lambda / 2 * sum(at * at);
    };
    const auto [y, d] = value_and_gradients(regression, {weights});
    loss_var = y, gradient_var = d[0];
    product_var = hvp(y, weights, tape.input(v))[0];
    loss = plan({y}), step = plan({y, gradient_var}), curvature = plan({product_var});
  }
};

/// Solves H p = -g to |H p + g| <= tolerance |g| by conjugate gradients (Nocedal, Wright: Numerical
/// Optimization, 2nd edition, 2006, algorithm 5.2). Returns the number of iterations.
int solve(Problem& problem, const Tensor<double>& g, double tolerance, Tensor<double>& p) {
  Tensor<double> r(g);  // H p + g
  double rr = dot(r, r);
  const double enough = tolerance * tolerance * rr;
  p = Tensor<double>(g.shape());
  std::fill(problem.v.begin(), problem.v.end(), 0.0);
  add_scaled(problem.v, -1, r);
  int iterations = 0;
  while (iterations < most_iterations && rr > enough) {
    problem.curvature.run();
    const TensorView<const double> hv = problem.curvature.value(problem.product_var);
    const double alpha = rr / dot(problem.v, hv);
    add_scaled(p, alpha, problem.v);
    add_scaled(r, alpha, hv);
    const double before = rr;
    rr = dot(r, r);
    for (std::int64_t i = 0; i < r.size(); ++i) problem.v[i] = rr / before * problem.v[i] - r[i];
    ++iterations;
  }
  return iterations;
}

/// Moves W along p, by half as far until the loss has fallen enough (Armijo). Near the minimum the
/// fall drowns in the loss's own rounding, which is therefore allowed for.
double descend(Problem& problem, double loss, double slope, const Tensor<double>& p) {
  double t = 1;
  add_scaled(problem.w, t, p);
  for (int halving = 0; halving < most_halvings; ++halving) {
    problem.loss.run();
    if (problem.loss.item(problem.loss_var) <= loss + 1e-4 * t * slope + 1e-14 * loss) break;
    t /= 2;
    add_scaled(problem.w, -t, p);
  }
  return t;
}

}  // namespace

int main() {
  const LabelledImages digits = synthetic_digits(images, 0);
  Problem problem(make_dataset<double>(digits, pixel_statistics(digits.images), BiasColumn::yes));
  std::printf("step       loss   |g| / |g0|  CG iterations  step length\n");
  double first = 0;
  Tensor<double> p;
  for (int step = 0;; ++step) {
    problem.step.run();
    const double loss = problem.step.item(problem.loss_var);
    const Tensor<double> g(problem.step.value(problem.gradient_var));
    const double norm = std::sqrt(dot(g, g));
    if (step == 0) first = norm;
    const double relative = norm / first;
    std::printf("%4d  %.7f     %.2e", step, loss, relative);
    if (relative <= wanted) {
      std::printf("\nthe optimum, after %d steps\n", step);
      return 0;
    }
    if (step == most_steps) break;
    // Solved the more exactly the nearer the minimum: the convergence is then quadratic
    // (theorem 7.2 there).
    const int iterations = solve(problem, g, std::min(0.5, relative), p);
    const double length = descend(problem, loss, dot(g, p), p);
    std::printf("  %13d  %11g\n", iterations, length);
  }
  std::printf("\nthe optimum was not reached in %d steps\n", most_steps);
  return 1;
}
