#!/usr/bin/env bash
# Fetches the four files of MNIST into a directory and verifies them. Nothing in chainrule calls this
# by itself; the synthetic digits need no download.
#
#   scripts/fetch_mnist.sh DIR        then: export CHAINRULE_DATA=DIR (as an absolute path)
#
# A file that is there and right is kept. A file appears under its name only when its checksum is
# right. CHAINRULE_MNIST_MIRROR, one or more base addresses separated by spaces, replaces the mirrors.
set -euo pipefail

say() { echo "fetch_mnist.sh: $*" >&2; }

if [ $# -ne 1 ] || [ -z "$1" ] || [ "${1#-}" != "$1" ]; then
  echo "usage: fetch_mnist.sh DIR    (fetches MNIST, 11 MB, into DIR)" >&2
  exit 2
fi
directory=$1

read -r -a mirrors <<<"${CHAINRULE_MNIST_MIRROR:-https://ossci-datasets.s3.amazonaws.com/mnist/ \
https://storage.googleapis.com/cvdf-datasets/mnist/}"

files=(
  "train-images-idx3-ubyte.gz 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
  "train-labels-idx1-ubyte.gz 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
  "t10k-images-idx3-ubyte.gz 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
  "t10k-labels-idx1-ubyte.gz f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
)

if command -v curl >/dev/null; then
  download() { curl --fail --silent --show-error --location --retry 2 --output "$2" -- "$1"; }
elif command -v wget >/dev/null; then
  download() { wget --quiet --tries=3 --output-document="$2" -- "$1"; }
else
  say "neither curl nor wget is installed"
  exit 1
fi
if command -v sha256sum >/dev/null; then
  checksum() { sha256sum <"$1" | cut -d ' ' -f 1; }
elif command -v shasum >/dev/null; then
  checksum() { shasum -a 256 <"$1" | cut -d ' ' -f 1; }
else
  say "neither sha256sum nor shasum is installed"
  exit 1
fi

mkdir -p -- "$directory"
directory=$(cd -- "$directory" && pwd)
temporary=$(mktemp "$directory/.fetch_mnist.XXXXXX")
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 130' INT TERM HUP

# fetch NAME SHA256: from the first mirror that has it right.
fetch() {
  local name=$1 expected=$2 mirror found
  for mirror in "${mirrors[@]}"; do
    if ! download "${mirror%/}/$name" "$temporary"; then
      say "$name cannot be fetched from $mirror"
      continue
    fi
    found=$(checksum "$temporary")
    if [ "$found" = "$expected" ]; then
      chmod 644 "$temporary"
      mv -f -- "$temporary" "$directory/$name"
      say "$name fetched from $mirror"
      return 0
    fi
    say "$name from $mirror has sha256 $found, expected $expected: rejected"
  done
  return 1
}

failed=0
for file in "${files[@]}"; do
  name=${file% *} expected=${file#* }
  if [ -f "$directory/$name" ]; then
    if [ "$(checksum "$directory/$name")" = "$expected" ]; then
      say "$name is there and right"
      continue
    fi
    say "$name is there, but its checksum is wrong: fetching it again"
  fi
  fetch "$name" "$expected" || failed=$((failed + 1))
done
if [ "$failed" -gt 0 ]; then
  say "$failed of ${#files[@]} files could not be fetched into $directory"
  exit 1
fi
say "MNIST is in $directory; use it with: export CHAINRULE_DATA='$directory'"
