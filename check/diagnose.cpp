#include <chainrule/check/diagnose.hpp>

#include <fmt/format.h>
#include <chainrule/check/diagnosing.hpp>
#include <chainrule/check/precision.hpp>

#include <limits>
#include <map>
#include <set>

namespace chainrule {

using detail::Diagnosing;
using detail::Given;
using detail::StepContext;
using detail::V;

namespace {

// --- names -------------------------------------------------------------------------------------

template <class T>
Tensor<double> in_doubles(TensorView<const T> view) {
  Tensor<double> result(view.shape());
  for (std::int64_t i = 0; i < view.size(); ++i) result[i] = static_cast<double>(view[i]);
  return result;
}

/// "dW1" is the gradient of W1, where there is a W1; "Z1" is a value.
template <class T>
std::vector<Given> read_hand(Tape<double>& tape, std::span<const NamedValue<T>> hand,
                             SourceLocation location) {
  if (hand.empty()) {
    throw UsageError("diagnose", "no values: expected at least one, since nothing is always right",
                     location);
  }
  std::vector<Given> result;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : hand) {
    if (!seen.insert(name).second) {
      throw NameError("diagnose", fmt::format("'{}' is given twice", name), location);
    }
    const bool gradient = name.starts_with('d') && tape.has_name(name.substr(1));
    const V node = tape.find(gradient ? name.substr(1) : name, location);
    result.push_back({std::string(name), node, gradient, in_doubles<T>(value)});
  }
  return result;
}

template <class T>
void read_context(Tape<double>& tape, Diagnosing& diagnosing, const DiagnoseOptions<T>& options,
                  SourceLocation location) {
  StepContext& context = diagnosing.context();
  context.learning_rate = options.learning_rate;
  context.momentum = options.momentum;
  context.weight_decay = options.weight_decay;
  const auto read = [&](const std::vector<NamedValue<T>>& from,
                        std::map<NodeId, Tensor<double>>& to) {
    for (const auto& [name, value] : from) {
      const bool gradient = name.starts_with('d') && tape.has_name(name.substr(1));
      const V on_tape = tape.find(gradient ? name.substr(1) : name, location);
      if (value.shape() != on_tape.shape()) {
        throw ShapeError("diagnose",
                         fmt::format("option '{}' {}: expected the shape of its parameter, {}",
                                     name, to_string(value.shape()), to_string(on_tape.shape())),
                         location);
      }
      const NodeId node = diagnosing.graph().find(on_tape.id());
      if (node != no_node) to.insert_or_assign(node, in_doubles<T>(value));
    }
  };
  read(options.previous_gradient, context.previous);
  read(options.updated, context.updated);
  read(options.velocity, context.velocity);
}

template <class T>
Diagnosis diagnose_in_double(V loss, std::span<const NamedValue<T>> hand,
                             const DiagnoseOptions<T>& options, SourceLocation location) {
  if (options.tolerance && !(*options.tolerance > 0 && *options.tolerance < 1)) {
    throw UsageError("diagnose",
                     fmt::format("a tolerance of {}: expected one between 0 and 1, norm-wise and "
                                 "relative",
                                 *options.tolerance),
                     location);
  }
  const std::vector<Given> given = read_hand(loss.tape(), hand, location);
  Diagnosing diagnosing(loss, given, static_cast<double>(std::numeric_limits<T>::epsilon()),
                        options.tolerance);
  read_context(loss.tape(), diagnosing, options, location);
  return diagnosing.run();
}

template <class T>
void expect_scalar(Var<T> loss, SourceLocation location) {
  if (loss.shape(location).size() == 1) return;
  throw UsageError(
      "diagnose",
      fmt::format("the loss has shape {}: expected one element", to_string(loss.shape())),
      location);
}

}  // namespace

template <class T>
Diagnosis diagnose(Var<T> loss, std::span<const NamedValue<std::type_identity_t<T>>> hand,
                   const DiagnoseOptions<std::type_identity_t<T>>& options,
                   SourceLocation location) {
  expect_scalar(loss, location);
  if constexpr (std::is_same_v<T, double>) {
    return diagnose_in_double<double>(loss, hand, options, location);
  } else {
    DoubleRecording recording(loss.tape());
    const std::optional<V> twin = recording.find(loss.id());
    if (!twin) {
      throw UsageError("diagnose",
                       fmt::format("the loss depends on '{}', an operation of your own that is not "
                                   "known in double: record the step on a Tape<double>",
                                   recording.without_twin().front()),
                       location);
    }
    return diagnose_in_double<float>(*twin, hand, options, location);
  }
}

template Diagnosis diagnose(Var<float>, std::span<const NamedValue<float>>,
                            const DiagnoseOptions<float>&, SourceLocation);
template Diagnosis diagnose(Var<double>, std::span<const NamedValue<double>>,
                            const DiagnoseOptions<double>&, SourceLocation);

}  // namespace chainrule
