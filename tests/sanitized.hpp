// Whether AddressSanitizer watches: a program then runs some 20 times as long (nothing is optimised in
// that build), and what it does a thousand times for the numbers' sake it may do fewer times.
#pragma once

namespace support {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace support
