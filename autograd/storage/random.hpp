// Random numbers that depend on nothing but their key and their place: counter-based Philox.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace chainrule {

/// What a stream of random numbers is for. Streams of one seed and different purposes are
/// independent; the numbers are part of the file formats, so they never change.
enum class Purpose : std::uint32_t {
  weights = 1,  ///< initial weights
  shuffle = 2,  ///< the order of the training set
  digits = 3,   ///< synthetic digits
  check = 4,    ///< points, directions and cotangents of gradient checks
  test = 5,     ///< the tests' own
  dropout = 6,  ///< masks of dropout; the epoch is the step
};

/// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011),
/// key = seed (64 bits), counter = (low and high word of the block's number, epoch, purpose), four
/// 32-bit words. There is no state: the same place gives the same number in any order, on any
/// thread, with any compiler, so that a resumed run continues exactly. One sequence is read at its
/// indices 0, 1, 2, ..., two to a block; `epoch` names the sequence.
class Random {
 public:
  /// Draws nothing yet. A sequence is named by all three.
  Random(std::uint64_t seed, Purpose purpose, std::uint32_t epoch = 0)
      : seed_(seed), purpose_(purpose), epoch_(epoch) {}

  /// Four uniform 32-bit words: block number `block` of the sequence.
  std::array<std::uint32_t, 4> block(std::uint64_t block) const;
  /// 64 uniform bits: half of block index / 2, its lower word first.
  std::uint64_t bits(std::uint64_t index) const;
  /// Uniform in the open interval (0, 1): an odd multiple of 2^-53, never 0, never 1.
  double uniform(std::uint64_t index) const;
  /// Uniform between low and high, which rounding may reach.
  double uniform(std::uint64_t index, double low, double high) const {
    return low + (high - low) * uniform(index);
  }
  /// Standard normal, by the inverse distribution function (Wichura's AS 241) of uniform(index).
  double normal(std::uint64_t index) const;
  /// Uniform in {0, ..., count - 1}. (A multiply-shift: the bias is below count / 2^64.) Throws
  /// UsageError for a count of 0.
  std::uint64_t below(std::uint64_t index, std::uint64_t count) const;
  /// A uniform permutation of 0 ... count - 1 (Fisher and Yates, from the end), where the number at
  /// index i chooses the partner of place i. Throws UsageError for a negative count.
  std::vector<std::int32_t> permutation(std::int32_t count) const;
  /// The same into `order`, whose size is the count; allocates nothing.
  void permute(std::vector<std::int32_t>& order) const;

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint32_t epoch_;
};

/// The inverse of the standard normal distribution function for 0 < p < 1, to about 1e-15 relative
/// (M. J. Wichura, Algorithm AS 241, PPND16, Applied Statistics 37, 1988). It uses nothing but IEEE
/// arithmetic and square root, so it is the same everywhere. -inf at 0, inf at 1, NaN outside.
double normal_quantile(double p);

}  // namespace chainrule
