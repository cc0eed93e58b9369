#!/usr/bin/env bash
# Installs the Debian packages that building and testing chainrule needs, and only those that are
# missing. Needs root or sudo when something is missing; does nothing otherwise. Packages that are given
# as arguments are installed as well.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libopenblas-dev        # GEMM
  libfmt-dev             # text
  libhwy-dev             # vectorised exp, log, tanh
  librandom123-dev       # Philox
  zlib1g-dev             # gzip
  nlohmann-json3-dev     # reports, headers of safetensors files
  libcli11-dev           # options of the examples
  libboost-dev libboost-test-dev
  gnuplot-nox            # curves as a picture (optional at run time)
  "$@"
)
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  echo "install_dependencies.sh: these packages are missing and neither root nor sudo is at hand:" >&2
  echo "  apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]}" >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
