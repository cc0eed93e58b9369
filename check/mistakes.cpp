#include <chainrule/check/mistakes.hpp>

#include <fmt/format.h>
#include <chainrule/autograd/storage/error.hpp>

#include <algorithm>
#include <cctype>

namespace chainrule {

namespace {

constexpr std::string_view delta = "dZl = f'(Zl) o dAl";
constexpr std::string_view output = "dZL = (m o Yhat - Y) / N";
constexpr std::string_view weights = "dWl = A(l-1)^T dZl";
constexpr std::string_view hidden = "dAl = dZ(l+1) W(l+1)^T";

constexpr Mistake catalogue[] = {
    // a constant factor
    {"sign", "the sign is wrong", "dZl = -(f'(Zl) o dAl)", delta, ""},
    {"mean-missing", "1/N is missing on all layers: the gradient of the sum, not of the mean",
     "dZL = m o Yhat - Y", output, ""},
    {"mean-missing-some", "1/N is missing on some layers", "dWl = N A(l-1)^T dZl", weights, ""},
    {"mean-doubled", "1/N is there twice", "dZL = (m o Yhat - Y) / N^2", output, ""},
    {"mean-n-minus-1", "divided by N - 1 instead of N", "dZL = (m o Yhat - Y) / (N - 1)", output,
     ""},
    {"mean-n-k", "divided by N K, all entries, instead of N, the samples",
     "dZL = (m o Yhat - Y) / (N K)", output, ""},
    {"factor-two", "a factor 2 too much", "dZl = 2 f'(Zl) o dAl", delta, ""},
    {"factor-half", "a factor 1/2 too much", "dZl = f'(Zl) o dAl / 2", delta, ""},
    {"learning-rate", "the learning rate is folded into the gradient", "dWl = lr A(l-1)^T dZl",
     weights, "learning_rate"},
    // the activation's derivative
    {"other-activation-derivative", "the derivative of another activation", "dZl = g'(Zl) o dAl",
     delta, ""},
    {"activation-recomputed",
     "the activation is recomputed by another function in the backward pass",
     "dW(l+1) = g(Zl)^T dZ(l+1)", "dW(l+1) = Al^T dZ(l+1)", ""},
    {"derivative-missing", "the activation's derivative is missing", "dZl = dAl", delta, ""},
    {"derivative-at-output",
     "the derivative is taken at the activation instead of the weighted sum", "dZl = f'(Al) o dAl",
     delta, ""},
    {"derivative-z-one-minus-z",
     "the derivative's closed form in a, such as a (1 - a), is taken at z: z (1 - z)",
     "dZl = Zl o (1 - Zl) o dAl", "dZl = Al o (1 - Al) o dAl", ""},
    {"inner-slope-missing", "the inner slope 2/3 of 1.7159 tanh(2z/3) is missing",
     "dZl = 1.7159 sech^2(2 Zl/3) o dAl", "dZl = 1.7159 * 2/3 * sech^2(2 Zl/3) o dAl", ""},
    {"outer-slope-missing", "the outer factor 1.7159 of 1.7159 tanh(2z/3) is missing",
     "dZl = 2/3 sech^2(2 Zl/3) o dAl", "dZl = 1.7159 * 2/3 * sech^2(2 Zl/3) o dAl", ""},
    {"one-minus-tanh-squared-z",
     "1 - tanh^2(z), the plain tanh's derivative, for 1.7159 tanh(2z/3)",
     "dZl = (1 - tanh^2(Zl)) o dAl", "dZl = 1.7159 * 2/3 * sech^2(2 Zl/3) o dAl", ""},
    {"square-forgotten", "the square is forgotten: 1 - tanh, or sech, for 1 - tanh^2 = sech^2",
     "dZl = (1 - tanh(Zl)) o dAl", delta, ""},
    {"closed-form-of-scaled-a", "1 - a^2 with an a that has the factor 1.7159 already",
     "dZl = 1.7159 * 2/3 * (1 - Al^2) o dAl", "dZl = 2/3 (1.7159 - Al^2/1.7159) o dAl", ""},
    {"relu-mask-wrong-tensor", "relu's mask is taken from another tensor", "dZl = [T > 0] o dAl",
     "dZl = [Zl > 0] o dAl", ""},
    {"leaky-slope", "another slope where z <= 0", "dZl = (s where Zl <= 0) o dAl", delta, ""},
    // the output
    {"squared-error-output", "an extra yhat (1 - yhat) at the output, a habit of the squared error",
     "dZL = Yhat o (1 - Yhat) o (m o Yhat - Y) / N", output, ""},
    {"softmax-jacobian-missing", "dC/dyhat is taken for dC/dz: softmax's Jacobian is missing",
     "dZL = -(Y / Yhat) / N", output, ""},
    {"softmax-twice", "softmax's Jacobian is applied to yhat - y, which contains it already",
     "dZL = J (m o Yhat - Y) / N, J = diag(yhat) - yhat yhat^T", output, ""},
    {"label-prediction-swapped", "label and prediction are swapped", "dZL = (Y - Yhat) / N", output,
     ""},
    {"mass-assumed-one", "the labels' mass is taken to be one", "dZL = (Yhat - Y) / N", output, ""},
    {"sigmoid-output", "sigmoid in place of softmax at the output", "dZL = (sigmoid(ZL) - Y) / N",
     output, ""},
    {"class-missing", "a class is missing: its column of dZL is zero",
     "dZL = (m o Yhat - Y) / N, one column 0", output, ""},
    // the way down
    {"other-layer-weights", "the weights of another layer", "dAl = dZ(l+1) Wk^T", hidden, ""},
    {"weights-not-transposed", "the weights are not transposed", "dAl = dZ(l+1) W(l+1)", hidden,
     ""},
    // a layer's parameters
    {"other-layer-delta", "the delta of another layer", "dWl = A(l-1)^T dZk", weights, ""},
    {"input-for-activation", "the network's input in place of the layer's", "dWl = X^T dZl",
     weights, ""},
    {"z-for-activation", "z in place of the activation a", "dWl = Z(l-1)^T dZl", weights, ""},
    {"activation-overwritten",
     "the activation is overwritten in place, by its derivative or the layer's delta, before the "
     "gradient of the weights above is computed",
     "dWl = S^T dZl, S = f'(Z(l-1)) or dZ(l-1)", weights, ""},
    {"bias-row-dropped", "the bias gets no gradient: its row of dW1, or its vector, is zero",
     "dbl = 0", "dbl = dZl^T 1", ""},
    {"bias-not-summed", "the bias gradient is not summed over the samples", "dbl = dZl",
     "dbl = dZl^T 1", ""},
    {"bias-summed-over-units",
     "the bias gradient is summed over the units, the wrong axis, instead of the samples",
     "dbl = dZl 1", "dbl = dZl^T 1", ""},
    {"bias-averaged",
     "the bias gradient is averaged over the samples, which have their 1/N already",
     "dbl = dZl^T 1 / N", "dbl = dZl^T 1", ""},
    {"last-sample-missing", "the last sample is missing from the sum over the samples",
     "dWl = sum over n < N of a(l-1)_n^T dz_n", weights, ""},
    // what lies between two steps
    {"accumulated-twice", "gradients were added to instead of overwritten: they were not zeroed",
     "dWl += A(l-1)^T dZl", weights, "previous_gradient, unless it is this step's own"},
    {"stale-gradient", "the gradient of the step before", "dWl of the step before", weights,
     "previous_gradient"},
    {"after-update", "computed with the weights after the update", "dAl = dZ(l+1) W(l+1)_new^T",
     hidden, "updated, or learning_rate"},
    {"momentum-folded", "momentum is folded into the gradient", "dWl = A(l-1)^T dZl + mu v",
     weights, "velocity"},
    {"weight-decay-missing", "the weight decay of the loss is forgotten", weights,
     "dWl = A(l-1)^T dZl + lambda Wl", ""},
    {"weight-decay-extra", "a weight decay that the loss has not", "dWl = A(l-1)^T dZl + lambda Wl",
     weights, ""},
    // the reports' errata
    {"erratum-e1", "report 000, 1b: the sign of the output's delta", "dZL = -(Yhat - Y) / N",
     output, ""},
    {"erratum-e2", "report 000, 1a: dz_k/da_j = sum_l w_lj, a sum over the output weights",
     "dAl = (dZ(l+1) 1) (W(l+1) 1)^T", hidden, ""},
    {"erratum-e3", "report 001, 1b: W(0) in the hidden update instead of the next layer's weights",
     "dAl = dZ(l+1) Wl^T", hidden, ""},
    {"erratum-e4", "report 001, 1b: no 1/N, though written for N samples", "dZL = m o Yhat - Y",
     output, ""},
    {"erratum-e5", "report 001, 1a: the output's error as the hidden delta", "dZl = (Al - Y) / N",
     delta, ""},
    {"erratum-e6", "report 004, 1: delta_j = f'(z_j) sum_k delta_k x_i",
     "dz_j = f'(z_j) sum_k dz_k x_i", "dz_j = f'(z_j) sum_k w_kj dz_k", ""},
    {"erratum-e7", "report 004, 3b: the middle lines have twice the improved sigmoid's derivative",
     "dZl = (4/3) 1.7159 / cosh^2(2 Zl/3) o dAl", "dZl = (4/3) 1.7159 / (cosh(4 Zl/3) + 1) o dAl",
     ""},
    {"erratum-e13", "report 000, 1b: yhat = f(z_k) with the sigmoid f",
     "dZL = (sigmoid(ZL) - Y) / N", output, ""},
    {"erratum-e14", "report 000, 1a: z_k = sum_l w_lj z_l, with z for a", "dWl = Z(l-1)^T dZl",
     weights, ""},
    // a rule of any graph
    {"contribution-lost", "one of several contributions to a gradient is lost", "dx = g1",
     "dx = g1 + g2", ""},
    {"contribution-doubled", "one of several contributions to a gradient is counted twice",
     "dx = g1 + 2 g2", "dx = g1 + g2", ""},
    {"other-factor", "another node of the same shape stands in the rule", "dx = g o c",
     "dx = g o b", ""},
    {"factor-missing", "a factor of the rule is missing", "dx = g", "dx = g o b", ""},
    {"mean-as-sum", "a mean is taken as a sum: its 1/n is missing", "dx = g", "dx = g / n", ""},
    {"sum-as-mean", "a sum is taken as a mean: it is divided by n", "dx = g / n", "dx = g", ""},
    {"jacobian-twice", "the local derivative is applied twice", "dx = J J g", "dx = J g", ""},
};

}  // namespace

std::span<const Mistake> all_mistakes() { return catalogue; }

const Mistake& find_mistake(std::string_view id) {
  const auto* found = std::ranges::find(catalogue, id, &Mistake::id);
  if (found == std::end(catalogue)) {
    throw NameError("find_mistake", fmt::format("the catalogue has no '{}'", id));
  }
  return *found;
}

std::string at_layer(std::string_view formula, int layer) {
  std::string text;
  for (std::size_t i = 0; i < formula.size(); ++i) {
    const auto follows = [&](std::string_view part) { return formula.substr(i).starts_with(part); };
    const bool symbol =
        i > 0 && std::string_view("ZAWb").find(formula[i - 1]) != std::string_view::npos;
    if (symbol && follows("(l-1)")) {
      // A0 is X
      if (layer == 1 && formula[i - 1] == 'A') {
        text.back() = 'X';
      } else {
        text += fmt::format("{}", layer - 1);
      }
      i += 4;
    } else if (symbol && follows("(l+1)")) {
      text += fmt::format("{}", layer + 1);
      i += 4;
    } else if (symbol && (follows("l") || follows("L"))) {
      text += fmt::format("{}", layer);
    } else {
      text += formula[i];
    }
  }
  return text;
}

}  // namespace chainrule
