#include "step.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/data/npz.hpp>
#include <chainrule/data/safetensors.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace check_derivation {

using namespace chainrule;

namespace {

using Matrix = Tensor<double>;

Matrix transposed(const Matrix& a) {
  Matrix result({a.shape()[1], a.shape()[0]});
  for (std::int64_t i = 0; i < a.shape()[0]; ++i) {
    for (std::int64_t j = 0; j < a.shape()[1]; ++j) result(j, i) = a(i, j);
  }
  return result;
}

Matrix with_ones(const Matrix& x) {
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  Matrix result = Matrix::filled({rows, columns + 1}, 1);
  for (std::int64_t n = 0; n < rows; ++n) {
    std::copy_n(x.data() + n * columns, columns, result.data() + n * (columns + 1));
  }
  return result;
}

class Reader {
 public:
  explicit Reader(const Options& options)
      : options_(options),
        layers_(static_cast<int>(options.widths.size()) - 1),
        biases_(options.bias == Bias::per_layer) {
    const std::string extension = options.file.extension().string();
    if (extension != ".npz" && extension != ".safetensors") {
      fail("expected a file called .npz or .safetensors");
    }
    for (NamedTensor& tensor : read_file(extension == ".npz")) {
      const bool single = std::holds_alternative<Tensor<float>>(tensor.value);
      Matrix value =
          std::visit([](const auto& v) { return v.template cast<double>(); }, tensor.value);
      if (is_turned(tensor.name) && value.shape().rank() == 2) value = transposed(value);
      if (!tensors_.emplace(tensor.name, Found{std::move(value), single}).second) {
        fail("the name '{}' stands twice", tensor.name);
      }
    }
  }

  Step read() {
    refuse_unknown();
    Step step;
    step.Y = take("Y", {0, options_.widths.back()});
    const std::int64_t N = step.Y.shape()[0], inputs = options_.widths.front();
    step.X = take("X", {N, biases_ ? inputs : inputs - 1});
    step.single_inputs = is_single("X");
    if (!biases_) step.X = with_ones(step.X);
    if (std::any_of(step.Y.begin(), step.Y.end(), [](double y) { return y < 0; })) {
      fail("Y has a negative target");
    }
    for (int l = 1; l <= layers_; ++l) {
      step.W.push_back(take(fmt::format("W{}", l), weight_shape(l)));
      step.single_inputs = step.single_inputs && is_single(fmt::format("W{}", l));
      if (!biases_) continue;
      step.b.push_back(take(fmt::format("b{}", l), bias_shape(l)));
      step.single_inputs = step.single_inputs && is_single(fmt::format("b{}", l));
    }
    // From the loss down, as one would look.
    for (int l = layers_; l >= 1; --l) {
      for (const char* symbol : {"Z", "A", "dA", "dZ", "dW", "db"}) {
        const std::string name = fmt::format("{}{}", symbol, l);
        if (!tensors_.contains(name)) continue;
        Found& found = tensors_.at(name);
        step.single = step.single || found.single;
        if (std::string_view(symbol) == "db") found.value = as_vector(found.value, l);
        step.hand.emplace_back(name, std::move(found.value));
      }
    }
    const auto is_gradient = [](const auto& named) {
      return named.first.starts_with("dW") || named.first.starts_with("db");
    };
    if (std::none_of(step.hand.begin(), step.hand.end(), is_gradient)) {
      fail("no gradient in it: expected dW1{}, ...", biases_ ? ", db1" : ", dW2");
    }
    step.previous = optional_group("previous_d");
    step.updated = optional_group("updated_");
    step.velocity = optional_group("velocity_");
    return step;
  }

 private:
  struct Found {
    Matrix value;
    bool single;
  };

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw FileError("check_derivation",
                    fmt::format("{}: {}", options_.file.string(),
                                fmt::format(format, std::forward<Args>(args)...)));
  }

  /// All of the file. Where a dtype is not taken, also says what would make it one that is.
  std::vector<NamedTensor> read_file(bool npz) const {
    try {
      return npz ? read_npz(options_.file) : read_safetensors(options_.file, Bytes::as_float);
    } catch (const FileError& error) {
      // "... member 'Y.npy': dtype '<i8', expected ...", "... tensor 'Y': dtype I64, expected ..."
      const std::string message = error.what();
      const std::size_t end = message.rfind("': dtype ");
      const std::size_t quote = end == std::string::npos ? end : message.rfind('\'', end - 1);
      if (quote == std::string::npos) throw;
      std::string name = message.substr(quote + 1, end - quote - 1);
      if (npz && name.ends_with(".npy")) name.resize(name.size() - 4);
      throw FileError("check_derivation",
                      fmt::format("{}; write {}.astype(np.float64){}", message, name,
                                  npz ? "" : fmt::format(", or {}.double()", name)));
    }
  }

  Shape weight_shape(int l) const {
    const auto index = static_cast<std::size_t>(l);
    return {options_.widths[index - 1], options_.widths[index]};
  }
  Shape bias_shape(int l) const { return Shape{options_.widths[static_cast<std::size_t>(l)]}; }

  /// Whether the file has it transposed: all but the weights and what goes with them, dW1,
  /// updated_W1, ..., is by samples.
  bool is_turned(std::string_view name) const {
    return name.find('W') != name.npos ? options_.weights_out_in : options_.samples_in_columns;
  }

  /// As the file has it: what a user recognises.
  std::string show(const std::string& name, const Shape& shape) const {
    if (is_turned(name) && shape.rank() == 2) return to_string(Shape{shape[1], shape[0]});
    return to_string(shape);
  }

  /// (1, out) or (out, 1), which is (out,) to NumPy's keepdims.
  Matrix as_vector(const Matrix& value, int l) const {
    const Shape& shape = value.shape();
    const std::int64_t out = bias_shape(l)[0];
    const bool wide = shape.rank() == 2 && shape.size() == out && (shape[0] == 1 || shape[1] == 1);
    return wide ? value.reshaped(bias_shape(l)) : value;
  }

  /// A tensor of that shape and finite; rows 0 stand for any number of at least 1.
  Matrix take(const std::string& name, const Shape& expected) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail("'{}' is missing", name);
    Matrix value = std::move(found->second.value);
    if (expected.rank() == 1) value = as_vector(value, std::stoi(digits(name)));
    const Shape& shape = value.shape();
    const bool any_rows = expected.rank() == 2 && expected[0] == 0;
    const bool fits = any_rows ? shape.rank() == 2 && shape[0] >= 1 && shape[1] == expected[1]
                               : shape == expected;
    if (any_rows && shape.rank() == 2 && shape[0] == 0 && shape[1] == expected[1]) {
      fail("{} is {}: no {}: expected at least one sample", name, show(name, shape),
           options_.samples_in_columns ? "columns" : "rows");
    }
    if (!fits) {
      const std::string wanted = any_rows ? options_.samples_in_columns
                                                ? fmt::format("({}, N)", expected[1])
                                                : fmt::format("(N, {})", expected[1])
                                          : show(name, expected);
      fail("{} is {}: expected {}{}", name, show(name, shape), wanted, hint(name, shape, expected));
    }
    for (const double x : value) {
      if (!std::isfinite(x)) fail("{} has an entry that is {}", name, x);
    }
    return value;
  }

  bool is_single(const std::string& name) const { return tensors_.at(name).single; }

  /// What is probably meant.
  std::string hint(const std::string& name, const Shape& shape, const Shape& expected) const {
    if (shape.rank() != 2 || expected.rank() != 2) return {};
    if (name == "X" && !biases_ && shape == Shape{expected[0], expected[1] + 1}) {
      return ", without the column of ones";
    }
    if (shape[0] == expected[1] && (expected[0] == 0 || shape[1] == expected[0])) {
      if (options_.samples_in_columns) return " with --transposed";
      if (options_.weights_out_in && is_turned(name)) return " with --weights out-in";
      return name.find('W') == name.npos
                 ? "; the other way round is --transposed"
                 : "; the other way round is --weights out-in, or --transposed when samples are "
                   "columns too";
    }
    return {};
  }

  static std::string digits(const std::string& name) {
    return name.substr(std::min(name.find_first_of("0123456789"), name.size()));
  }

  void refuse_unknown() const {
    std::set<std::string> known{"X", "Y"};
    for (int l = 1; l <= layers_; ++l) {
      for (const char* symbol : {"W", "dW", "Z", "dZ", "previous_dW", "updated_W", "velocity_W"}) {
        known.insert(fmt::format("{}{}", symbol, l));
      }
      if (biases_) {
        for (const char* symbol : {"b", "db", "previous_db", "updated_b", "velocity_b"}) {
          known.insert(fmt::format("{}{}", symbol, l));
        }
      }
      if (l < layers_) known.insert({fmt::format("A{}", l), fmt::format("dA{}", l)});
    }
    for (const auto& [name, found] : tensors_) {
      if (known.contains(name)) continue;
      const bool bias = !biases_ && (name.starts_with("b") || name.starts_with("db"));
      fail("unknown name '{}': expected {}{}", name, fmt::join(first_names(), ", "),
           bias ? "; b1, db1, ... are those of --bias layer" : "");
    }
  }
  std::vector<std::string> first_names() const {
    std::vector<std::string> names{"X", "Y", "W1", "dW1"};
    if (biases_) names.insert(names.end(), {"b1", "db1"});
    names.insert(names.end(), {"Z1", "A1", "dZ1", "dA1"});
    names.push_back(fmt::format("... up to W{} and Z{}", layers_, layers_));
    return names;
  }

  /// "previous_d" finds previous_dW1, and calls it dW1; "updated_" finds updated_W1, W1;
  /// "velocity_" finds velocity_W1, and calls it W1.
  Named optional_group(const std::string& prefix) {
    Named group;
    const std::string kept = prefix.ends_with('d') ? "d" : "";
    for (int l = 1; l <= layers_; ++l) {
      for (const char* symbol : {"W", "b"}) {
        const std::string name = fmt::format("{}{}{}", prefix, symbol, l);
        if (!tensors_.contains(name)) continue;
        group.emplace_back(fmt::format("{}{}{}", kept, symbol, l),
                           take(name, *symbol == 'W' ? weight_shape(l) : bias_shape(l)));
      }
    }
    return group;
  }

  const Options& options_;
  int layers_;
  bool biases_;
  std::map<std::string, Found> tensors_;
};

}  // namespace

Step read_step(const Options& options) { return Reader(options).read(); }

}  // namespace check_derivation
