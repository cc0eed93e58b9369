// Subnormal numbers, which processors are slow with: for training in float that can do without.
#pragma once

#include <cstdint>

namespace chainrule {

/// While it lives, the calling thread takes subnormal numbers (below 1.2e-38 in float, 2.2e-308 in
/// double) for zero, as operands and as results: FTZ and DAZ on x86-64, FZ on AArch64, nothing
/// elsewhere. A multiplication with one takes a hundred times as long as others do; with saturated
/// units, whose derivative is that small, a whole step in float takes several times as long
/// (docs/performance.md). Gradients and checks keep subnormal numbers unless a program asks for
/// this, as with torch.set_flush_denormal. Threads that run already, those of OpenBLAS among them,
/// keep them. At its end the thread is as it was before; to be destroyed by the thread that made it.
class FlushSubnormals {
 public:
  /// Switches it on; nothing changes where it is on already.
  FlushSubnormals() noexcept;
  /// Switches it off again, if it was off.
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  std::uint64_t before_;  // the processor's control register
};

}  // namespace chainrule
