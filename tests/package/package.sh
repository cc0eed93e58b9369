#!/usr/bin/env bash
# The library as its users get it: package.sh HOW SOURCE BUILD CMAKE GENERATOR CXX, where HOW is
# find_package, pkg_config or add_subdirectory. It installs BUILD into a temporary prefix, moves that elsewhere, and
# builds and runs a program of a few lines against it. FLAGS in the environment go to the compiler.
set -euo pipefail
how=$1 source=$2 build=$3 cmake=$4 generator=$5 cxx=$6
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

expect() { # PROGRAM, what it must print at the beginning
  local output
  output=$("$1")
  echo "$output"
  [[ $output == "$2"* ]] || { echo "package.sh: expected '$2...'" >&2; exit 1; }
}
configure() {
  "$cmake" -S "$source/tests/package/consumer" -B "$work/consumer" -G "$generator" \
    -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_EXE_LINKER_FLAGS="${FLAGS-}" "$@"
}

if [ "$how" = add_subdirectory ]; then
  configure -DSOURCE="$source"
  "$cmake" --build "$work/consumer" --target hello
  expect "$work/consumer/hello" "(2, 3)"
  exit
fi

"$cmake" --install "$build" --prefix "$work/staged" >"$work/log" || { cat "$work/log"; exit 1; }
mv "$work/staged" "$work/prefix"  # the package may not know where it was installed
if grep -rlF -e "$build" -e "$source" "$work/prefix" --include='*.cmake' --include='*.pc'; then
  echo "package.sh: these files name the source or build tree" >&2
  exit 1
fi
case $how in
  find_package)
    configure -DCMAKE_PREFIX_PATH="$work/prefix"
    "$cmake" --build "$work/consumer"
    expect "$work/consumer/hello" "loss 0."
    expect "$work/consumer/hello_all" "loss 0."
    ;;
  pkg_config)
    PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name chainrule.pc)")
    export PKG_CONFIG_PATH
    flags=$(pkg-config --cflags --libs chainrule)
    # shellcheck disable=SC2086  # flags are words
    "$cxx" -std=c++20 ${FLAGS-} "$source/tests/package/consumer/hello.cpp" -o "$work/hello" $flags \
      -Wl,-rpath,"$(pkg-config --variable=libdir chainrule)"
    expect "$work/hello" "loss 0."
    ;;
  *) echo "package.sh: unknown: $how" >&2; exit 2 ;;
esac
