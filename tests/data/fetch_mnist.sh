#!/usr/bin/env bash
# Tests scripts/fetch_mnist.sh (its path is the argument) on mirrors of file:// addresses: small fake
# files, which it must reject, and files with the right checksums.
set -euo pipefail
script=$1

if ! command -v curl >/dev/null; then
  echo "SKIPPED: curl is not installed, and wget knows no file:// addresses"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
names=(train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz
       t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz)

fail() {
  echo "FAILED: $*"
  echo "--- the script said:"
  cat "$work/log"
  exit 1
}
# run MIRRORS DIR: its exit status in $status, its words in $work/log.
run() {
  status=0
  CHAINRULE_MNIST_MIRROR=$1 bash "$script" "$2" >"$work/log" 2>&1 || status=$?
}
says() { grep -qF -- "$1" "$work/log" || fail "expected to read '$1'"; }
files_in() { find "$1" -mindepth 1 | wc -l; }

# Usage.
status=0
bash "$script" >"$work/log" 2>&1 || status=$?
[ "$status" -eq 2 ] || fail "no argument: exit status $status, expected 2"
says "usage: fetch_mnist.sh DIR"

# Fake files: every checksum is wrong, so every one is rejected and nothing is left behind.
mkdir "$work/fake"
for name in "${names[@]}"; do echo "not MNIST" >"$work/fake/$name"; done
run "file://$work/fake/" "$work/a b"
[ "$status" -eq 1 ] || fail "fake files: exit status $status, expected 1"
says "$(sha256sum <"$work/fake/${names[0]}" | cut -d ' ' -f 1), expected 440fcabf73cc546f"
says "4 of 4 files could not be fetched"
[ "$(files_in "$work/a b")" -eq 0 ] || fail "fake files left something behind"

# A wrong file that was there before stays as it was when no right one can be had.
echo "mine" >"$work/a b/${names[2]}"
run "file://$work/fake" "$work/a b"
[ "$status" -eq 1 ] || fail "wrong file: exit status $status, expected 1"
says "${names[2]} is there, but its checksum is wrong"
[ "$(cat "$work/a b/${names[2]}")" = "mine" ] || fail "a file of the user's was touched"
[ "$(files_in "$work/a b")" -eq 1 ] || fail "a wrong file left something behind"

# A mirror that has nothing.
mkdir "$work/empty"
run "file://$work/empty" "$work/none"
[ "$status" -eq 1 ] || fail "empty mirror: exit status $status, expected 1"
says "cannot be fetched from file://$work/empty"
[ "$(files_in "$work/none")" -eq 0 ] || fail "an empty mirror left something behind"

# Files with the right checksums: a copy of the script that expects those of the fake files, so that
# nothing but the numbers differs.
mkdir "$work/good"
cp "$script" "$work/copy.sh"
for name in "${names[@]}"; do
  echo "stands for $name" >"$work/good/$name"
  sum=$(sha256sum <"$work/good/$name" | cut -d ' ' -f 1)
  sed -i "s/\"$name [0-9a-f]\{64\}\"/\"$name $sum\"/" "$work/copy.sh"
done
script=$work/copy.sh

# Behind one mirror with wrong files and one with none.
run "file://$work/fake file://$work/empty file://$work/good" "$work/real"
[ "$status" -eq 0 ] || fail "good files: exit status $status, expected 0"
for name in "${names[@]}"; do
  cmp -s "$work/good/$name" "$work/real/$name" || fail "$name differs from the original"
done
[ "$(files_in "$work/real")" -eq 4 ] || fail "more than the four files"

# What is there and right is kept, without any mirror; what is damaged is replaced.
run "file://$work/empty" "$work/real"
[ "$status" -eq 0 ] || fail "kept files: exit status $status, expected 0"
says "${names[3]} is there and right"
echo "damage" >>"$work/real/${names[1]}"
run "file://$work/good" "$work/real"
[ "$status" -eq 0 ] || fail "damaged file: exit status $status, expected 0"
says "${names[1]} fetched from"
cmp -s "$work/good/${names[1]}" "$work/real/${names[1]}" || fail "the damage stayed"
echo "passed"
