#!/usr/bin/env bash
# five_seeds.sh TRAIN_MNIST [options]: runs train_mnist with seeds 0 to 4, and prints the scores at the
# stop of each, their mean and their standard deviation.
#
#   bench/five_seeds.sh build/release/examples/train_mnist --data mnist --init fan-in
set -euo pipefail
program=${1:?usage: five_seeds.sh TRAIN_MNIST [options]}
shift
for seed in 0 1 2 3 4; do
  "$program" "$@" --seed "$seed" --json 2>/dev/null
done | awk '
  # The value of a key behind "at_stop" (or of a key of the object itself).
  function number(key, from,    rest) {
    rest = substr($0, index($0, from))
    if (!match(rest, "\"" key "\":[-+.0-9e]+")) { print "no " key " in: " $0; exit 1 }
    rest = substr(rest, RSTART, RLENGTH)
    return substr(rest, index(rest, ":") + 1) + 0
  }
  BEGIN {
    split("stop_epoch train_loss train_accuracy validation_loss validation_accuracy seconds", keys)
    printf "%-6s", "seed"
    for (k = 1; k <= 6; k++) printf " %19s", keys[k]
    print ""
  }
  {
    printf "%-6d", NR - 1
    for (k = 1; k <= 6; k++) {
      value = number(keys[k], k > 1 && k < 6 ? "\"at_stop\"" : "{")
      sum[k] += value; squares[k] += value * value
      printf " %19.4f", value
    }
    print ""
  }
  END {
    if (NR != 5) { print "only " NR " of 5 runs ended well"; exit 1 }
    printf "%-6s", "mean"
    for (k = 1; k <= 6; k++) printf " %19.4f", sum[k] / 5
    printf "\n%-6s", "dev."
    for (k = 1; k <= 6; k++) {
      variance = (squares[k] - sum[k] * sum[k] / 5) / 4
      printf " %19.4f", (variance > 0 ? sqrt(variance) : 0)
    }
    print ""
  }'
