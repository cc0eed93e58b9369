#include <chainrule/autograd/storage/subnormals.hpp>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

namespace chainrule {

namespace {

#if defined(__x86_64__)
constexpr std::uint64_t flush = 0x8040;  // flush to zero (bit 15), denormals are zero (bit 6)
std::uint64_t control() { return _mm_getcsr(); }
void set_control(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
constexpr std::uint64_t flush = std::uint64_t{1} << 24;  // FZ
std::uint64_t control() {
  std::uint64_t value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_control(std::uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
constexpr std::uint64_t flush = 0;
std::uint64_t control() { return 0; }
void set_control(std::uint64_t) {}
#endif

}  // namespace

FlushSubnormals::FlushSubnormals() noexcept : before_(control()) { set_control(before_ | flush); }

FlushSubnormals::~FlushSubnormals() {
  // The flags of what has happened since stay; only what was switched on here is switched back.
  set_control((control() & ~flush) | (before_ & flush));
}

}  // namespace chainrule
