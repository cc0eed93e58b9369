// check_derivation from outside: files that NumPy wrote, what it prints of them, exit statuses, and
// one clear error for each bad file.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <chainrule/data/npz.hpp>
#include <chainrule/data/safetensors.hpp>
#include <cstdlib>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include <tests/data/temporary.hpp>

using namespace chainrule;
using Json = nlohmann::json;

namespace {

const fs::path source = PROJECT_SOURCE;
const fs::path plants = source / "tests/check/plants";

struct Outcome {
  int status;
  std::string out, err;
};

Outcome run(const std::string& arguments) {
  const TemporaryDirectory directory;
  const fs::path out = directory / "out", err = directory / "err";
  const int raw = std::system(
      fmt::format("'{}' {} >'{}' 2>'{}'", CHECK_DERIVATION, arguments, out.string(), err.string())
          .c_str());
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : -1, read(out), read(err)};
}

std::string quoted(const fs::path& path) { return fmt::format("'{}'", path.string()); }

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text + separator);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::set<std::string> ids(const Json& json) {
  std::set<std::string> result;
  for (const Json& mistake : json.at("mistakes")) {
    result.insert(mistake.at("id").get<std::string>());
    BOOST_TEST(!mistake.at("text").get<std::string>().empty());
  }
  return result;
}

/// Every row of plants.csv, with the files of `directory`.
void check_plants(const fs::path& directory) {
  auto lines = split(read(directory / "plants.csv"), '\n');
  BOOST_REQUIRE(lines.size() > 40u);
  for (std::size_t i = 1; i < lines.size() && !lines[i].empty(); ++i) {
    const auto row = split(lines[i], ',');
    BOOST_REQUIRE(row.size() == 7u);
    const Outcome outcome =
        run(fmt::format("--model {} --activation {} --bias {} {} --json '{}'", row[1], row[2],
                        row[3], row[4], (directory / row[0]).string()));
    const bool right = row[6].empty();
    BOOST_TEST(outcome.status == (right ? 0 : 1), row[0] << ": " << outcome.err);
    if (outcome.status == 2) continue;
    const Json json = Json::parse(outcome.out);
    const auto mistakes = split(row[6], ' ');
    const std::set<std::string> expected =
        right ? std::set<std::string>() : std::set<std::string>(mistakes.begin(), mistakes.end());
    BOOST_TEST((ids(json) == expected), row[0] << ": " << outcome.out);
    const bool shape =
        row[0].starts_with("bias_not_summed") || row[0].starts_with("bias_over_units");
    BOOST_TEST(json.at("verdict") == (right ? "right" : shape ? "shape" : "wrong"), row[0]);
    BOOST_TEST(json.at("layer") == std::stoi(row[5]), row[0] << ": " << outcome.out);
    for (const char* key : {"tensor", "scale", "residual"}) {
      BOOST_TEST(json.contains(key), row[0] << " has no " << key);
    }
  }
}

bool has_python(const char* modules) {
  return std::system(fmt::format("python3 -c 'import {}' 2>/dev/null", modules).c_str()) == 0;
}

/// A right step, to be spoilt: 6-5-5-4, improved sigmoid, bias trick.
using Tensors = std::vector<NamedTensor>;
const std::string right_options = "--model 6-5-5-4 --activation improved --bias trick ";

Tensor<double>& find(Tensors& tensors, const std::string& name) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name == name) return std::get<Tensor<double>>(tensor.value);
  }
  throw std::runtime_error("no " + name);
}

Tensor<double> transposed(const Tensor<double>& a) {
  Tensor<double> result({a.shape()[1], a.shape()[0]});
  for (std::int64_t i = 0; i < a.shape()[0]; ++i) {
    for (std::int64_t j = 0; j < a.shape()[1]; ++j) result(j, i) = a(i, j);
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_plant_of_numpy_is_named) { check_plants(plants); }

BOOST_AUTO_TEST_CASE(so_are_those_of_the_installed_numpy) {
  if (!has_python("numpy, safetensors")) {
    BOOST_TEST_MESSAGE("skipped: NumPy and safetensors are not installed");
    return;
  }
  const TemporaryDirectory directory;
  BOOST_REQUIRE(
      std::system(fmt::format("python3 '{}' '{}' >/dev/null", (plants / "make_plants.py").string(),
                              directory.path().string())
                      .c_str()) == 0);
  check_plants(directory.path());
}

BOOST_AUTO_TEST_CASE(a_page_for_people) {
  const Outcome outcome = run("--model 6-5-5-4 --activation improved --bias layer '" +
                              (plants / "inner_slope_missing.safetensors").string() + "'");
  BOOST_TEST(outcome.status == 1);
  for (const char* part :
       {"layer 2, dW2 (5 x 5): WRONG, first fault is here", "1.5 x the correct one",
        "the inner slope 2/3 of 1.7159 tanh(2z/3) is missing", "dZ2 = 1.7159 sech^2(2 Z2/3) o dA2",
        "layer 3, dW3 (5 x 4): right"}) {
    BOOST_TEST(outcome.out.find(part) != std::string::npos, part << " is not in " << outcome.out);
  }
}

/// The last line of a text that ends in one.
std::string last_line(const std::string& text) {
  BOOST_REQUIRE(text.ends_with('\n'));
  const std::size_t begin = text.rfind('\n', text.size() - 2);
  return text.substr(begin + 1, text.size() - begin - 2);
}

BOOST_AUTO_TEST_CASE(another_activation_that_makes_all_right_is_named) {
  for (const auto& [file, options, activation] :
       {std::tuple{"right.safetensors", "--bias layer", "tanh"},
        std::tuple{"right_trick.npz", "--bias trick", "improved"},
        std::tuple{"right_float.safetensors", "--bias layer", "sigmoid"}}) {
    for (const std::string other : {"sigmoid", "improved", "tanh", "relu"}) {
      const auto command = fmt::format("--model 6-5-5-4 --activation {} {} {}", other, options,
                                       quoted(plants / file));
      const Outcome outcome = run(command);
      const Json json = Json::parse(run("--json " + command).out);
      if (other == activation) {
        BOOST_TEST(outcome.status == 0);
        BOOST_TEST(outcome.out.find("checked as") == std::string::npos, outcome.out);
        BOOST_TEST(!json.contains("activation"));
        continue;
      }
      BOOST_TEST(outcome.status == 1);
      BOOST_TEST(last_line(outcome.out) ==
                 fmt::format("with --activation {} all of it is right", activation));
      BOOST_TEST(outcome.out.find(fmt::format("\nchecked as 6-5-5-4, {}, {}\n", other, options)) !=
                     std::string::npos,
                 outcome.out);
      BOOST_TEST(json.value("activation", "") == activation);
      BOOST_TEST(json.at("verdict") == "wrong");
    }
  }
}

// Half of it right, or a mistake that has a name, or none with any activation: nothing is promised.
BOOST_AUTO_TEST_CASE(no_activation_is_named_that_does_not_make_all_right) {
  const TemporaryDirectory directory;
  const auto says_nothing = [](const std::string& command, const std::string& as) {
    const Outcome outcome = run(command);
    BOOST_TEST(outcome.status == 1);
    BOOST_TEST(last_line(outcome.out) == "checked as " + as);
    BOOST_TEST(!Json::parse(run("--json " + command).out).contains("activation"));
  };
  says_nothing("--model 6-5-5-4 --bias layer " + quoted(plants / "sign.npz"),
               "6-5-5-4, sigmoid, --bias layer");
  says_nothing("--model 6-5-5-4 --activation tanh --bias layer --weight-decay 0.5 " +
                   quoted(plants / "unknown_derivative.npz"),
               "6-5-5-4, tanh, --bias layer, --weight-decay 0.5");
  // right but for one entry, by more and by less than what a quick look would see
  for (const double off : {1.5, 1 + 1e-6}) {
    Tensors tensors = read_npz(plants / "right_trick.npz");
    find(tensors, "dW1")(1, 2) *= off;
    const fs::path path = directory / "off.safetensors";
    write_safetensors(path, tensors);
    says_nothing("--model 6-5-5-4 " + quoted(path), "6-5-5-4, sigmoid, --bias trick");
  }
  Tensors tensors = read_npz(plants / "right_trick.npz");
  for (NamedTensor& tensor : tensors) {
    auto& value = std::get<Tensor<double>>(tensor.value);
    value = transposed(value);
  }
  const fs::path path = directory / "columns.safetensors";
  find(tensors, "dW1")(1, 2) += 0.5;
  write_safetensors(path, tensors);
  says_nothing(right_options + "--transposed " + quoted(path),
               "6-5-5-4, improved, --bias trick, --transposed");
}

BOOST_AUTO_TEST_CASE(transposed_files_say_the_same) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "columns.safetensors";
  for (const auto& [file, options, expected] :
       {std::tuple{"right_trick.npz", right_options, std::string()},
        std::tuple{"outer_slope_missing.npz", right_options, std::string("outer-slope-missing")},
        std::tuple{"derivative_missing.npz",
                   std::string("--model 6-5-5-4 --activation tanh --bias layer "),
                   std::string("derivative-missing")}}) {
    Tensors tensors = read_npz(plants / file);
    for (NamedTensor& tensor : tensors) {
      auto& value = std::get<Tensor<double>>(tensor.value);
      if (value.shape().rank() == 2) value = transposed(value);
    }
    write_safetensors(path, tensors);
    const Outcome outcome = run(options + "--transposed --json '" + path.string() + "'");
    BOOST_TEST(outcome.status == (expected.empty() ? 0 : 1), outcome.err);
    const auto found = ids(Json::parse(outcome.out));
    BOOST_TEST(fmt::format("{}", fmt::join(found, " ")) == expected);
  }
}

// As PyTorch has them: weights (out, in), samples in rows.
BOOST_AUTO_TEST_CASE(weights_may_be_out_in_by_themselves) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "step.safetensors";
  const auto turn_weights = [](Tensors& tensors) {
    for (NamedTensor& tensor : tensors) {
      if (tensor.name.find('W') == std::string::npos) continue;
      auto& value = std::get<Tensor<double>>(tensor.value);
      value = transposed(value);
    }
  };
  for (const auto& [file, options, expected] :
       {std::tuple{"right_trick.npz", right_options, std::string()},
        std::tuple{"outer_slope_missing.npz", right_options, std::string("outer-slope-missing")},
        std::tuple{"accumulated_twice.npz",
                   std::string("--model 6-5-5-4 --activation tanh --bias layer "),
                   std::string("accumulated-twice")},
        std::tuple{"derivative_missing.npz",
                   std::string("--model 6-5-5-4 --activation tanh --bias layer "),
                   std::string("derivative-missing")}}) {
    Tensors tensors = read_npz(plants / file);
    turn_weights(tensors);
    write_safetensors(path, tensors);
    const std::string command = options + "--weights out-in " + quoted(path);
    const Outcome outcome = run("--json " + command);
    BOOST_TEST(outcome.status == (expected.empty() ? 0 : 1), outcome.err);
    if (outcome.status == 2) continue;
    const auto found = ids(Json::parse(outcome.out));
    BOOST_TEST(fmt::format("{}", fmt::join(found, " ")) == expected);
    if (!expected.empty()) BOOST_TEST(last_line(run(command).out).ends_with(", --weights out-in"));
  }
}

BOOST_AUTO_TEST_CASE(a_step_of_torch_is_right_as_it_writes_it) {
  const TemporaryDirectory directory;
  write(directory / "step.py", R"(import sys
try:
    import torch
    from safetensors.torch import save_file
except ImportError:
    sys.exit(77)
torch.manual_seed(3)
first, second = torch.nn.Linear(6, 5), torch.nn.Linear(5, 4)
X, labels = torch.randn(9, 6), torch.randint(4, (9,))
Z1 = first(X)
Z1.retain_grad()
torch.nn.functional.cross_entropy(second(torch.tanh(Z1)), labels).backward()
step = {"X": X, "Y": torch.nn.functional.one_hot(labels, 4).float(), "Z1": Z1.detach(), "dZ1": Z1.grad}
for l, layer in enumerate([first, second], 1):
    step[f"W{l}"], step[f"dW{l}"] = layer.weight.data, layer.weight.grad
    step[f"b{l}"], step[f"db{l}"] = layer.bias.data, layer.bias.grad
save_file(step, "right.safetensors")
step["dW2"] = step["dW2"].T.contiguous()
save_file(step, "transposed.safetensors")
)");
  const int raw =
      std::system(fmt::format("cd {} && python3 step.py", quoted(directory.path())).c_str());
  if (WIFEXITED(raw) && (WEXITSTATUS(raw) == 77 || WEXITSTATUS(raw) == 127)) {
    BOOST_TEST_MESSAGE("skipped: PyTorch and safetensors are not installed");
    return;
  }
  BOOST_REQUIRE(raw == 0);
  const std::string options = "--model 6-5-4 --activation tanh --bias layer --weights out-in ";
  Outcome outcome = run(options + quoted(directory / "right.safetensors"));
  BOOST_TEST(outcome.status == 0, outcome.out << outcome.err);
  BOOST_TEST(outcome.out.starts_with("diagnosis: right\n"), outcome.out);
  outcome = run(options + quoted(directory / "transposed.safetensors"));
  BOOST_TEST(outcome.status == 1, outcome.out << outcome.err);
  BOOST_TEST(outcome.out.find("transpose") != std::string::npos, outcome.out);
}

// np.eye(K)[labels] is double: then so are the gradients, after a forward pass in float.
BOOST_AUTO_TEST_CASE(double_gradients_of_float_inputs_may_have_the_rounding_of_float) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "mixed.safetensors";
  for (const auto& [file, activation, expected] :
       {std::tuple{"right_float.safetensors", "sigmoid", std::string()},
        std::tuple{"mean_missing_float.safetensors", "tanh",
                   std::string("erratum-e4 mean-missing")}}) {
    const auto options = fmt::format("--model 6-5-5-4 --bias layer --activation {} ", activation);
    Tensors tensors = read_safetensors(plants / file, Bytes::as_float);
    for (NamedTensor& tensor : tensors) {
      if (!tensor.name.starts_with('d') && tensor.name != "Y") continue;
      tensor.value = std::get<Tensor<float>>(tensor.value).cast<double>();
    }
    write_safetensors(path, tensors);
    const Outcome outcome = run(options + "--json " + quoted(path));
    BOOST_TEST(outcome.status == (expected.empty() ? 0 : 1), outcome.out);
    BOOST_TEST(fmt::format("{}", fmt::join(ids(Json::parse(outcome.out)), " ")) == expected);
    if (!expected.empty()) continue;
    // where the weights are double too, the same gradients are wrong
    for (NamedTensor& tensor : tensors) {
      if (tensor.name != "W1") continue;
      tensor.value = std::get<Tensor<float>>(tensor.value).cast<double>();
    }
    write_safetensors(path, tensors);
    BOOST_TEST(run(options + quoted(path)).status == 1);
  }
}

BOOST_AUTO_TEST_CASE(intermediates_and_keepdims_are_taken) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "more.safetensors";
  Tensors tensors = read_npz(plants / "bias_averaged.npz");
  for (NamedTensor& tensor : tensors) {
    auto& value = std::get<Tensor<double>>(tensor.value);
    if (value.shape().rank() == 1) value = value.reshaped({1, value.size()});
  }
  // Z1 = X W1 + b1, off by one half in one entry: a wrong forward pass is found too
  const Tensor<double>&x = find(tensors, "X"), &w = find(tensors, "W1"), &b = find(tensors, "b1");
  Tensor<double> z({x.shape()[0], w.shape()[1]});
  for (std::int64_t n = 0; n < z.shape()[0]; ++n) {
    for (std::int64_t j = 0; j < z.shape()[1]; ++j) {
      z(n, j) = b[j];
      for (std::int64_t i = 0; i < x.shape()[1]; ++i) z(n, j) += x(n, i) * w(i, j);
    }
  }
  tensors.push_back({"Z1", z});
  const std::string options = "--model 6-5-5-4 --activation tanh --bias layer --json ";
  write_safetensors(path, tensors);
  Outcome outcome = run(options + quoted(path));
  BOOST_TEST(outcome.status == 1, outcome.err);
  BOOST_TEST((ids(Json::parse(outcome.out)) == std::set<std::string>{"bias-averaged"}),
             outcome.out);
  find(tensors, "Z1")(1, 1) += 0.5;
  write_safetensors(path, tensors);
  outcome = run(options + quoted(path));
  BOOST_TEST(outcome.status == 1);
  BOOST_TEST(Json::parse(outcome.out).at("tensor") == "Z1");
}

BOOST_AUTO_TEST_CASE(a_gradient_of_another_shape_is_a_finding) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "shape.safetensors";
  Tensors tensors = read_npz(plants / "right_trick.npz");
  find(tensors, "dW1") = transposed(find(tensors, "dW1"));
  write_safetensors(path, tensors);
  const Outcome outcome = run(right_options + quoted(path));
  BOOST_TEST(outcome.status == 1);
  BOOST_TEST(outcome.out.find("transpose") != std::string::npos, outcome.out);
}

/// The numbers of a text, in order.
std::vector<double> numbers(const std::string& text) {
  static const std::regex number(R"(-?\d+\.?\d*(e[-+]?\d+)?)");
  std::vector<double> result;
  for (std::sregex_iterator at(text.begin(), text.end(), number), end; at != end; ++at) {
    result.push_back(std::stod(at->str()));
  }
  return result;
}

/// The points of one line of a picture.
std::vector<double> points(const std::string& svg, const std::string& id) {
  const std::size_t line = svg.find("<polyline id=\"" + id + "\"");
  BOOST_REQUIRE(line != std::string::npos);
  const std::size_t begin = svg.find("points=\"", line) + 8, end = svg.find('"', begin);
  return numbers(svg.substr(begin, end - begin));
}

// The file's f' is 1 / (1 + z^2), the right one 1 - tanh^2(z), at 1 and 0.42 for z = 0 and 1.
BOOST_AUTO_TEST_CASE(a_wrong_derivative_is_drawn) {
  const TemporaryDirectory directory;
  const fs::path picture = directory / "curve.svg";
  const std::string options =
      "--model 6-5-5-4 --activation tanh --bias layer --curve " + quoted(picture) + " ";
  Outcome outcome = run(options + quoted(plants / "unknown_derivative.npz"));
  BOOST_TEST(outcome.status == 1);
  BOOST_TEST(outcome.err.empty(), outcome.err);
  BOOST_TEST(outcome.out.find("your f' is not f' of tanh") != std::string::npos, outcome.out);
  const std::string svg = read(picture);
  const auto hand = points(svg, "hand"), right = points(svg, "right");
  BOOST_REQUIRE(hand.size() == right.size());
  BOOST_REQUIRE(hand.size() >= 40u);
  // Where the axes stand follows from the right curve's points; then the other's must lie on its
  // own.
  const Json json =
      Json::parse(run("--json " + options + quoted(plants / "unknown_derivative.npz")).out)
          .at("curve");
  const auto z = json.at("z").get<std::vector<double>>();
  BOOST_REQUIRE(2 * z.size() == hand.size());
  const auto slope = [](double x) { return 1 - std::tanh(x) * std::tanh(x); };
  const std::size_t last = z.size() - 1;
  std::size_t top = 0;
  for (std::size_t i = 0; i <= last; ++i) top = std::abs(z[i]) < std::abs(z[top]) ? i : top;
  const double across = (right[2 * last] - right[0]) / (z[last] - z[0]);
  const double up = (right[2 * top + 1] - right[1]) / (slope(z[top]) - slope(z[0]));
  BOOST_TEST(across > 0);
  BOOST_TEST(up < 0);  // y runs downwards
  for (std::size_t i = 0; i <= last; ++i) {
    BOOST_TEST(hand[2 * i] == right[2 * i]);
    BOOST_TEST(std::abs(hand[2 * i] - (right[0] + across * (z[i] - z[0]))) < 0.05);
    const double expected = right[1] + up * (1 / (1 + z[i] * z[i]) - slope(z[0]));
    BOOST_TEST(std::abs(hand[2 * i + 1] - expected) < 0.05);
  }
  // The page shows this picture.
  const auto shown = numbers(read(source / "docs/recovered_derivative.svg")), drawn = numbers(svg);
  BOOST_REQUIRE(shown.size() == drawn.size());
  for (std::size_t i = 0; i < shown.size(); ++i) BOOST_TEST(std::abs(shown[i] - drawn[i]) <= 0.1);

  fs::remove(picture);
  outcome = run(options + quoted(plants / "right.safetensors"));
  BOOST_TEST(outcome.status == 0);
  BOOST_TEST(
      outcome.err.find("curve.svg is not written: no derivative is wrong") != std::string::npos,
      outcome.err);
  outcome = run(options + quoted(plants / "sign.npz"));
  BOOST_TEST(outcome.status == 1);
  BOOST_TEST(outcome.err.find("is not written: no derivative that is wrong could be told") !=
                 std::string::npos,
             outcome.err);
  BOOST_TEST(!fs::exists(picture));
  outcome = run("--model 6-5-5-4 --activation tanh --bias layer --curve " +
                quoted(directory / "none" / "curve.svg") + " " +
                quoted(plants / "unknown_derivative.npz"));
  BOOST_TEST(outcome.status == 2);
  BOOST_TEST(outcome.err.find("curve.svg cannot be written") != std::string::npos, outcome.err);
}

BOOST_AUTO_TEST_CASE(a_picture_is_drawn_over_no_other_file) {
  const TemporaryDirectory directory;
  const std::string options = "--model 6-5-5-4 --activation tanh --bias layer ";
  const std::string bytes = read(plants / "unknown_derivative.npz");
  const fs::path input = write(directory / "step.npz", bytes);
  const auto refuses = [&](const fs::path& curve, const std::string& part) {
    const Outcome outcome = run(options + "--curve " + quoted(curve) + " " + quoted(input));
    BOOST_TEST(outcome.status == 2);
    BOOST_TEST(outcome.out.empty(), outcome.out);
    BOOST_TEST(outcome.err.starts_with("check_derivation: --curve: "), outcome.err);
    BOOST_TEST(outcome.err.find(part) != std::string::npos, outcome.err);
    BOOST_TEST((read(input) == bytes));
  };
  refuses(input, "that is the input file, which the picture would overwrite");
  // by other names
  fs::create_directory(directory / "sub");
  refuses(directory / "sub" / ".." / "step.npz", "that is the input file");
  fs::create_symlink(input, directory / "soft.svg");
  refuses(directory / "soft.svg", "that is the input file");
  fs::create_hard_link(input, directory / "hard.svg");
  refuses(directory / "hard.svg", "that is the input file");
  for (const char* name : {"curve.png", "curve", "other.npz", "svg", "curve.svg.gz"}) {
    refuses(directory / name, "expected a name that ends in .svg");
    BOOST_TEST(!fs::exists(directory / name));
  }
  const std::string other = read(write(directory / "other.npz", "kept"));
  refuses(directory / "other.npz", "expected a name that ends in .svg");
  BOOST_TEST(read(directory / "other.npz") == other);
}

BOOST_AUTO_TEST_CASE(bad_files_and_options_get_one_clear_line) {
  const TemporaryDirectory directory;
  const auto complains = [](const std::string& arguments, const std::string& part) {
    const Outcome outcome = run(arguments);
    BOOST_TEST(outcome.status == 2, arguments << ": " << outcome.out);
    BOOST_TEST(outcome.out.empty());
    BOOST_TEST(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1, outcome.err);
    BOOST_TEST(outcome.err.find(part) != std::string::npos,
               "'" << part << "' is not in " << outcome.err);
  };
  const auto spoilt = [&](const std::function<void(Tensors&)>& spoil, const std::string& part,
                          const std::string& options = right_options) {
    Tensors tensors = read_npz(plants / "right_trick.npz");
    spoil(tensors);
    const fs::path path = directory / "spoilt.safetensors";
    write_safetensors(path, tensors);
    complains(options + quoted(path), part);
  };
  const auto drop = [](const std::string& name) {
    return [name](Tensors& tensors) {
      std::erase_if(tensors, [&](const NamedTensor& t) { return t.name.starts_with(name); });
    };
  };
  const std::string right = quoted(plants / "right_trick.npz");
  complains("", "--model");
  complains("--model 6-5-5-4", "file");
  complains("--model 785 " + right, "--model: '785': expected two widths or more");
  complains("--model 6-x-4 " + right, "--model: '6-x-4'");
  complains("--model 6-5-5-4 --activation gelu " + right, "--activation: 'gelu': expected");
  complains("--model 6-5-5-4 --learning-rate nan " + right,
            "--learning-rate: 'nan': expected a positive number");
  for (const char* bad : {"0", "-0.1", "inf", "x", "0.1x"}) {
    complains(fmt::format("--model 6-5-5-4 --learning-rate {} {}", bad, right),
              fmt::format("--learning-rate: '{}': expected a positive number", bad));
  }
  for (const char* bad : {"1", "-0.1", "nan"}) {
    complains(fmt::format("--model 6-5-5-4 --momentum {} {}", bad, right),
              fmt::format("--momentum: '{}': expected 0 <= X < 1", bad));
  }
  for (const char* bad : {"-1e-4", "inf"}) {
    complains(fmt::format("--model 6-5-5-4 --weight-decay {} {}", bad, right),
              fmt::format("--weight-decay: '{}': expected a number that is not negative", bad));
  }
  BOOST_TEST(
      run(right_options + "--momentum 0 --weight-decay 0 --learning-rate 1e-3 " + right).status ==
      0);
  // An unknown option is all that is said, wherever it stands; not what it leaves over or undone.
  for (const std::string& arguments :
       {"--model 6-5-5-4 --activaton tanh " + right, "--model 6-5-5-4 " + right + " --activaton",
        "--activaton=tanh --model 6-5-5-4 " + right, "--activaton tanh " + right}) {
    complains(arguments, "check_derivation: unknown option --activaton (");
  }
  complains(right_options + right + " other.npz",
            "is one argument too many: expected one file (check_derivation --help");
  complains(right_options + "none.npz", "none.npz");
  // the program's name once
  complains(right_options + quoted(plants / "plants.csv"),
            "check_derivation: " + (plants / "plants.csv").string() + ": expected a file");
  complains(right_options + quoted(plants / "plants.csv"), "a file called .npz or .safetensors");
  complains(right_options + quoted(write(directory / "cut.npz",
                                         read(plants / "right_trick.npz").substr(0, 900))),
            "cut.npz: truncated: it has no end record");
  complains(right_options + quoted(write(directory / "cut.safetensors",
                                         read(plants / "right.safetensors").substr(0, 900))),
            "cut.safetensors: truncated");
  complains("--model 6-5-5-3 --activation improved " + right, "Y is (7, 4): expected (N, 3)");
  complains("--model 6-4-5-4 --activation improved " + right, "W1 is (6, 5): expected (6, 4)");
  complains("--model 6-5-4 --activation improved " + right, "unknown name 'W3'");
  complains(right_options + "--transposed " + right, "Y is (7, 4): expected (4, N)");
  const auto no_samples = [](Tensors& t) {
    find(t, "X") = Tensor<double>({0, 5});
    find(t, "Y") = Tensor<double>({0, 4});
  };
  spoilt(no_samples, "Y is (0, 4): no rows: expected at least one sample");
  spoilt(
      [](Tensors& t) {
        find(t, "X") = Tensor<double>({5, 0});
        find(t, "Y") = Tensor<double>({4, 0});
      },
      "Y is (4, 0): no columns: expected at least one sample", right_options + "--transposed ");
  spoilt(drop("W2"), "'W2' is missing");
  spoilt(drop("X"), "'X' is missing");
  spoilt(drop("dW"), "no gradient in it: expected dW1");
  spoilt(
      [](Tensors& t) {
        t.push_back({"b1", Tensor<double>(Shape{5})});
      },
      "unknown name 'b1': expected X, Y, W1, dW1, Z1, A1, dZ1, dA1, ... up to W3 and Z3; b1, "
      "db1, ... are those of --bias layer");
  spoilt(
      [](Tensors& t) {
        t.push_back({"a\n\x1b[31mb", Tensor<double>(Shape{5})});
      },
      "unknown name 'a  [31mb'");
  spoilt([](Tensors& t) { find(t, "X")(2, 3) = NAN; }, "X has an entry that is nan");
  spoilt([](Tensors& t) { find(t, "Y")(0, 1) = -1; }, "Y has a negative target");
  spoilt(
      [](Tensors& t) {
        find(t, "X") = Tensor<double>({7, 6});
      },
      "X is (7, 6): expected (7, 5), without the column of ones");
  spoilt([](Tensors& t) { find(t, "W1") = transposed(find(t, "W1")); },
         "W1 is (5, 6): expected (6, 5); the other way round is --weights out-in, or --transposed "
         "when samples are columns too\n");
  spoilt([](Tensors& t) { find(t, "X") = transposed(find(t, "X")); },
         "X is (5, 7): expected (7, 5); the other way round is --transposed\n");
  complains(right_options + "--weights out-in " + right,
            "W1 is (6, 5): expected (5, 6) with --weights out-in\n");
  complains(right_options + "--weights out " + right, "--weights: 'out': expected in-out|out-in");
  complains(right_options + "--weights in-out --transposed " + right, "excludes");
  spoilt([](Tensors&) {}, "W1 is (6, 5): expected (5, 5)", "--model 5-5-5-4 --bias layer ");
}

/// The same bytes with `from` replaced by `to`, which is as long.
std::string patched(std::string bytes, const std::string& from, const std::string& to) {
  BOOST_REQUIRE(from.size() == to.size());
  const std::size_t at = bytes.find(from);
  BOOST_REQUIRE(at != std::string::npos);
  return bytes.replace(at, from.size(), to);
}

BOOST_AUTO_TEST_CASE(integers_are_refused_with_the_line_that_mends_it) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "labels.safetensors";
  write_safetensors(path, Tensors{{"Y", Tensor<double>({2, 4})}});
  write(path, patched(read(path), "\"F64\"", "\"I64\""));
  Outcome outcome = run(right_options + quoted(path));
  BOOST_TEST(outcome.status == 2);
  BOOST_TEST(outcome.err.find("tensor 'Y': dtype I64, expected F32, F64 or U8; write "
                              "Y.astype(np.float64), or Y.double()\n") != std::string::npos,
             outcome.err);
  if (!has_python("numpy")) {
    BOOST_TEST_MESSAGE("skipped: NumPy is not installed");
    return;
  }
  const fs::path file = directory / "labels.npz";
  BOOST_REQUIRE(
      std::system(fmt::format("python3 -c \"import numpy as np; np.savez('{}', Y=np.eye(4, "
                              "dtype=int))\"",
                              file.string())
                      .c_str()) == 0);
  outcome = run(right_options + quoted(file));
  BOOST_TEST(outcome.status == 2);
  BOOST_TEST(outcome.err.starts_with("check_derivation: [read_npz] "), outcome.err);
  BOOST_TEST(outcome.err.find("'<i8', expected uint8 (|u1), float32 (<f4) or float64 (<f8); write "
                              "Y.astype(np.float64)\n") != std::string::npos,
             outcome.err);
}

/// Rounding is the machine's: "(residual 5e-16)" becomes "(residual #)".
std::string without_rounding(const std::string& text) {
  return std::regex_replace(text, std::regex(R"(\((error|residual) [^)]*\))"), "($1 #)");
}

// Each report on that page stands behind the options and the file that it comes from.
BOOST_AUTO_TEST_CASE(the_reports_of_the_documentation_are_true) {
  const std::string page = read(source / "docs/diagnosis.md");
  const std::string marker = "<!-- output: ",
                    fence = " -->\n<!-- test: ctest examples/check_derivation -->\n```text\n";
  int reports = 0;
  for (std::size_t at = page.find(marker); at != std::string::npos; at = page.find(marker, at)) {
    at += marker.size();
    const std::size_t end = page.find(fence, at), last = page.find("```\n", end + fence.size());
    const std::string command = page.substr(at, end - at);
    const std::size_t file = command.rfind(' ') + 1;
    const Outcome outcome = run(command.substr(0, file) + quoted(plants / command.substr(file)));
    BOOST_TEST(without_rounding(page.substr(end + fence.size(), last - end - fence.size())) ==
               without_rounding(outcome.out));
    ++reports;
  }
  BOOST_TEST(reports >= 3);
}

// docs/diagnosis.md shows a snippet that writes the file: it is run as it stands there.
BOOST_AUTO_TEST_CASE(the_snippet_of_the_documentation_works) {
  const std::string page = read(source / "docs/diagnosis.md");
  const std::size_t begin = page.find("```python\n") + 10, end = page.find("```", begin);
  BOOST_REQUIRE((begin != std::string::npos && end != std::string::npos));
  const std::string snippet = page.substr(begin, end - begin);
  BOOST_TEST(std::count(snippet.begin(), snippet.end(), '\n') <= 6);
  if (!has_python("numpy")) {
    BOOST_TEST_MESSAGE("skipped: NumPy is not installed");
    return;
  }
  const TemporaryDirectory directory;
  write(directory / "snippet.py",
        "import numpy as np\n"
        "a = dict(np.load('" +
            (plants / "mean_missing.npz").string() +
            "'))\n"
            "X, Y = a['X'], a['Y']\n"
            "weights = [a['W1'], a['W2'], a['W3']]\n"
            "gradients = [a['dW1'], a['dW2'], a['dW3']]\n" +
            snippet);
  BOOST_REQUIRE(
      std::system(("cd '" + directory.path().string() + "' && python3 snippet.py").c_str()) == 0);
  const Outcome outcome = run("--model 6-5-5-4 --activation tanh --bias trick --json '" +
                              (directory / "step.npz").string() + "'");
  BOOST_TEST(outcome.status == 1, outcome.err);
  BOOST_TEST(ids(Json::parse(outcome.out)).contains("mean-missing"));
}
