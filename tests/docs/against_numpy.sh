#!/usr/bin/env bash
# against_numpy.sh PROJECT BUILD: bench/against_numpy.sh to its end, on 160 images of noise.
set -euo pipefail
project=$1 build=$2
if ! python3 -c 'import numpy' 2>/dev/null; then echo "skipped: NumPy is not installed"; exit 0; fi
data=$(mktemp -d)
trap 'rm -rf -- "$data"' EXIT

# idx NAME COUNT: images of 28 x 28 and the labels 0, 1, ... 9, 0, ... in MNIST's format.
idx() {
  local count=$2 size
  size=$(printf '\\x%02x\\x%02x' $((count / 256)) $((count % 256)))
  {
    printf "\\x00\\x00\\x08\\x03\\x00\\x00$size\\x00\\x00\\x00\\x1c\\x00\\x00\\x00\\x1c"
    awk -v n=$((count * 784)) 'BEGIN { srand(1); for (i = 0; i < n; i++) printf "%c", 33 + int(90 * rand()) }'
  } >"$data/$1-images-idx3-ubyte"
  {
    printf "\\x00\\x00\\x08\\x01\\x00\\x00$size"
    for ((i = 0; i < count; ++i)); do printf "\\x0$((i % 10))"; done
  } >"$data/$1-labels-idx1-ubyte"
}
idx train 160
idx t10k 32

out=$("$project/bench/against_numpy.sh" "$build" "$data" 1 2>/dev/null)
echo "$out"
number='[0-9]+\.[0-9]+'
for row in 'chainrule, float' 'chainrule, double' 'NumPy, double, one' 'NumPy, double, two BLAS' \
           'NumPy, double, two processes'; do
  grep -qE "^$row.* $number\$" <<<"$out" || { echo "no figure for: $row"; exit 1; }
done
grep -qE "takes $number times as long as float, $number times as long as double" <<<"$out"
