#!/usr/bin/env bash
# Prints what the library weighs: the time in which a user's first program compiles against the
# installed package, and the size of the stripped libraries.
#
#   scripts/measure_package.sh [BUILD [TIMES]]     BUILD: a release build, build/release by default; how
#                                                  often the program is compiled, 5 by default
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
cxx=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null

# The least of several: other programs only ever add. CPU time leaves out the waiting for them.
program=tests/package/consumer/hello.cpp
TIMEFORMAT="%R %U %S"
for _ in $(seq "${2:-5}"); do
  { time "$cxx" -std=c++20 -O2 -I"$work/prefix/include" -c "$program" -o "$work/hello.o"; } 2>&1
done | awk -v program="$program" '
  { cpu = $2 + $3; if (NR == 1 || $1 < wall) wall = $1; if (NR == 1 || cpu < least) least = cpu }
  END { printf "%s compiles in %.2f s (%.2f s of CPU time)\n", program, wall, least }'

mapfile -t libraries < <(find "$work/prefix" -type f \( -name 'libchainrule_*.a' -o -name 'libchainrule_*.so*' \) | sort)
strip --strip-unneeded "${libraries[@]}"
for library in "${libraries[@]}"; do
  printf '%9d %s\n' "$(stat -c %s "$library")" "$(basename "$library")"
done
printf '%9d bytes, stripped, in all\n' "$(cat "${libraries[@]}" | wc -c)"
