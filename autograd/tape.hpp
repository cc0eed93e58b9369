// Tape: Wengert's list. Recording an operation checks its shapes, computes its value at once and
// appends one node. Var: a handle to one node.
#pragma once

#include <chainrule/autograd/op.hpp>
#include <chainrule/autograd/parameter.hpp>
#include <chainrule/autograd/storage/arena.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace chainrule {

namespace detail {

/// Sets a variable for a scope, also when an exception leaves it.
template <class V>
class Scoped {
 public:
  Scoped(V& variable, V value) : variable_(variable), old_(variable) { variable_ = value; }
  ~Scoped() { variable_ = old_; }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  V& variable_;
  V old_;
};

}  // namespace detail

/// A handle to a node: the tape, an index, and the tape's generation. A value; copying is free.
/// After tape.clear() it is stale, and every use throws UsageError. Using a Var of a destroyed tape
/// is undefined.
template <class T>
class Var {
 public:
  /// A handle to nothing; using it throws UsageError.
  Var() = default;
  /// Made by the tape.
  Var(Tape<T>* tape, NodeId id, std::uint32_t generation)
      : tape_(tape), id_(id), generation_(generation) {}

  /// A copy: the tape's records move as it grows.
  Shape shape(SourceLocation location = SourceLocation::current()) const;
  /// The value as it was computed at recording; for a leaf the user's memory. Valid until clear().
  TensorView<const T> value(SourceLocation location = SourceLocation::current()) const;
  /// The value of a tensor of one element. Throws ShapeError for any other.
  T item(SourceLocation location = SourceLocation::current()) const;
  /// The name given by named(), or "".
  std::string_view name(SourceLocation location = SourceLocation::current()) const;

  /// Throws UsageError for a handle to nothing.
  Tape<T>& tape(SourceLocation location = SourceLocation::current()) const;
  NodeId id() const { return id_; }                         ///< position on the tape
  std::uint32_t generation() const { return generation_; }  ///< of the tape at recording
  /// False for a handle to nothing. (True for a stale one.)
  explicit operator bool() const { return tape_ != nullptr; }
  /// The same node of the same recording.
  friend bool operator==(const Var&, const Var&) = default;

 private:
  friend class Tape<T>;
  Tape<T>* tape_ = nullptr;
  NodeId id_ = no_node;
  std::uint32_t generation_ = 0;
};

namespace detail {
class Graph;
}  // namespace detail

/// The list of steps. It belongs to the thread that made or last cleared it: on any other, whatever
/// takes a Var or a name, and whatever records, throws UsageError. Nothing in it recurses.
template <class T>
class Tape {
 public:
  /// Empty, and owned by the calling thread.
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // --- leaves: addresses, never copies ---------------------------------------------------------

  /// A leaf bound to a tensor, which must outlive the tape's recording and every plan made of it.
  /// A plan reads the tensor's numbers at every run. On the tape itself the values of later nodes stay
  /// those of the recording: after writing to the tensor, record anew or run a plan, since gradients()
  /// would mix old values with new ones. (Parameters have a version, and are checked.)
  Var<T> input(const Tensor<T>& tensor, SourceLocation location = SourceLocation::current());
  Var<T> input(const Tensor<T>&&, SourceLocation = {}) = delete;  // a temporary would dangle
  /// A leaf bound to memory that the caller keeps alive. Throws UsageError for a null pointer.
  Var<T> input(TensorView<const T> view, SourceLocation location = SourceLocation::current());
  /// The leaf of a parameter, named as the parameter is: the same leaf until clear(). The parameter,
  /// which is to say its model, must outlive the tape's recording and every plan made of it.
  Var<T> parameter(const Parameter<T>& parameter,
                   SourceLocation location = SourceLocation::current());
  Var<T> parameter(const Parameter<T>&&, SourceLocation = {}) = delete;
  /// Values of the tape's own: copied, here and into plans.
  Var<T> constant(TensorView<const T> values, SourceLocation location = SourceLocation::current());
  /// A constant of that shape, every entry `value`; by default of rank 0.
  Var<T> constant(T value, const Shape& shape = {},
                  SourceLocation location = SourceLocation::current());

  // --- recording -------------------------------------------------------------------------------

  /// Checks the inputs and their shapes, evaluates, appends a node. If anything throws, the tape is
  /// as before. Throws UsageError for a Var that is stale or of another tape, for a bound tensor
  /// that was given other memory since, and for a tape that belongs to another thread; ShapeError
  /// and LabelError as the operation says; UsageError for an operation without a shape rule or a kernel.
  /// The tape refers to `op` by its address, so it must outlive the tape and its plans.
  Var<T> record(const Op<T>& op, std::span<const Var<T>> inputs, const Attributes& attributes = {},
                SourceLocation location = SourceLocation::current());
  /// The same for a braced list: record(op, {x, y}).
  Var<T> record(const Op<T>& op, std::initializer_list<Var<T>> inputs,
                const Attributes& attributes = {},
                SourceLocation location = SourceLocation::current()) {
    return record(op, std::span<const Var<T>>(inputs.begin(), inputs.size()), attributes, location);
  }

  Var<T> record(const Op<T>&&, std::span<const Var<T>>, const Attributes& = {},
                SourceLocation = {}) = delete;  // a temporary would dangle
  Var<T> record(const Op<T>&&, std::initializer_list<Var<T>>, const Attributes& = {},
                SourceLocation = {}) = delete;

  /// See the free function gradients() in gradients.hpp. With `name` false the names "d" + ... are
  /// left free: for passes that are only a step to another derivative.
  std::span<const Var<T>> gradients(Var<T> y, std::span<const Var<T>> wrt, Var<T> cotangent,
                                    SourceLocation location, bool name = true);

  /// Forgets every node, keeps the memory, makes every Var stale, and takes the tape over for the
  /// calling thread.
  /// Throws UsageError where the kernel or the rule of an operation calls it.
  void clear(SourceLocation location = SourceLocation::current());

  /// Has every value checked as it is recorded from now on, leaves and backward nodes included: the
  /// first infinity or NaN throws NumericError, which names the operation, the entry, the shapes,
  /// the user's line, and for a backward node whose rule recorded it; the tape is as before. Off at
  /// first; clear() does not change it. A plan has a switch of its own.
  void set_check_finite(bool on, SourceLocation location = SourceLocation::current()) {
    expect_thread("set_check_finite", location);
    check_finite_ = on;
  }

  // --- names -----------------------------------------------------------------------------------

  /// Gives a node a name. Throws NameError when the name is taken on this tape, or is empty.
  void set_name(Var<T> var, std::string_view name,
                SourceLocation location = SourceLocation::current());
  /// The same for names that the library gives: a taken one gets the suffix #2, #3, ...
  void set_automatic_name(Var<T> var, std::string_view name,
                          SourceLocation location = SourceLocation::current());
  /// The node of that name. Throws NameError, with the names that there are.
  Var<T> find(std::string_view name, SourceLocation location = SourceLocation::current());
  /// Whether find() would find it.
  bool has_name(std::string_view name, SourceLocation location = SourceLocation::current()) const;
  /// All names in order of their nodes, with their nodes.
  std::vector<std::pair<std::string, Var<T>>> names(
      SourceLocation location = SourceLocation::current());

  // --- the list itself -------------------------------------------------------------------------

  /// Number of nodes, leaves included.
  NodeId size() const { return static_cast<NodeId>(nodes_.size()); }
  /// Valid until something is recorded: the list moves as it grows.
  const Node<T>& node(NodeId id) const { return nodes_[id]; }
  /// Raised by clear(): a Var of another generation is stale.
  std::uint32_t generation() const { return generation_; }
  /// The handle of node id < size(), unchecked.
  Var<T> var(NodeId id) { return {this, id, generation_}; }
  /// Bytes held for values and records.
  std::size_t capacity() const;
  /// Throws UsageError unless `var` belongs to this recording of this tape, and the tape to the
  /// calling thread.
  void expect_own(Var<T> var, std::string_view operation, SourceLocation location) const;

 private:
  template <class U>
  friend class Var;
  friend class Adjoint<T>;
  friend class detail::Graph;  // takes back what it has recorded (check/altered.hpp)

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct NameEntry {
    std::uint32_t generation = 0;  // in which the name is taken; clear() need not visit the entries
    NodeId node = no_node;
    std::uint32_t order = 0;                // how many names had been taken before it
    const std::string* gradient = nullptr;  // "d" + the name, made once
  };
  using Names = std::unordered_map<std::string, NameEntry, Hash, std::equal_to<>>;
  struct ParameterLeaf {
    const Parameter<T>* parameter;
    NodeId node;
    std::uint64_t version;
  };

  /// What recording adds to, so that an exception can take back what was added.
  struct State {
    NodeId size;
    std::uint32_t names;
    Arena::Mark memory;
  };

  void expect_thread(std::string_view operation, SourceLocation location) const;
  /// The same, and throws UsageError while a kernel runs.
  void expect_recordable(std::string_view operation, SourceLocation location) const;
  /// Throws UsageError unless `var` belongs to this recording of this tape.
  void expect_current(Var<T> var, std::string_view operation, SourceLocation location) const;
  void expect_in_place(const Node<T>& leaf, std::string_view operation,
                       SourceLocation location) const;
  /// Throws NumericError where the value of `node`, which is not on the list yet, is not finite.
  void expect_finite(const Node<T>& node, std::string_view name) const;
  Var<T> append(Node<T>&& node);
  State state() const noexcept;
  /// Takes back all nodes recorded since, all names taken since, and the memory.
  void restore(const State& before) noexcept;
  /// A constant whose entries fill(T*) writes.
  template <class Fill>
  Var<T> constant_of(const Shape& shape, Fill fill, SourceLocation location);
  typename Names::value_type& intern(std::string_view name);
  void take_name(typename Names::value_type& entry, NodeId node);
  void set_gradient_name(NodeId of, Var<T> gradient);

  std::vector<Node<T>> nodes_;
  Arena arena_;
  Names names_;
  std::vector<ParameterLeaf> parameters_;
  std::size_t next_parameter_ = 0;  // where the search for a parameter's leaf starts
  std::uint32_t generation_ = 1;
  std::uint32_t names_taken_ = 0;  // in this generation
  NodeId adjoint_of_ = no_node;  // the node whose rule is being recorded
  bool evaluating_ = false;      // a shape rule or a kernel is being called
  bool check_finite_ = false;
  std::thread::id owner_;
};

/// Gives `var` a name and returns it: auto z1 = named(matmul(x, w1), "Z1").
/// Throws NameError when the name is taken.
template <class T>
Var<T> named(Var<T> var, std::string_view name,
             SourceLocation location = SourceLocation::current()) {
  var.tape(location).set_name(var, name, location);
  return var;
}

/// "Z1 = matmul (2, 3)" and, from the next line on, the value as a tensor prints; name and " = "
/// are left out where there is no name, and a value of rank 0 stays on the line. Throws UsageError
/// for a Var that is stale or was never assigned.
template <class T>
std::string to_string(Var<T> var);
/// Writes to_string(var).
template <class T>
std::ostream& operator<<(std::ostream& out, Var<T> var);

/// The tape as a table, a node a line: id, name, operation with its inputs (by name, or "%id" where
/// they have none), shape, and for a node of a backward pass the node whose rule recorded it.
template <class T>
std::string to_string(const Tape<T>& tape);
/// Writes to_string(tape).
template <class T>
std::ostream& operator<<(std::ostream& out, const Tape<T>& tape);

extern template class Var<float>;
extern template class Var<double>;
extern template class Adjoint<float>;
extern template class Adjoint<double>;
extern template class Tape<float>;
extern template class Tape<double>;

}  // namespace chainrule
