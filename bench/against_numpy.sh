#!/usr/bin/env bash
# against_numpy.sh BUILD DATA [ROUNDS [EPOCHS]]: the ten experiments R1, R3-R7, R9 (32, 128), R10
# (2x60) and R11, one seed, the same number of steps, in chainrule and in NumPy, on two cores.
#
#   bench/against_numpy.sh build/release mnist
#
# All variants take turns, ROUNDS times (3); the table has the median of the seconds, and the median
# over the rounds of NumPy's seconds by chainrule's, where NumPy is at its best of one and two BLAS
# threads. The last row, two NumPy processes of one thread each, is what NumPy could do by the same
# means as chainrule, which runs experiments side by side.
set -euo pipefail
build=${1:?usage: against_numpy.sh BUILD DATA [ROUNDS [EPOCHS]]} data=${2:?no data directory}
rounds=${3:-3} epochs=${4:-1}
here=$(dirname "$(readlink -f "$0")")
python3 -c 'import numpy' || { echo "against_numpy.sh: NumPy is not installed" >&2; exit 2; }

total() { awk '$1 == "all" { print $2 }'; }
numpy() { OPENBLAS_NUM_THREADS=$1 MKL_NUM_THREADS=$1 python3 "$here/peers/experiments.py" "$data" "$epochs" "$2" | total; }
ours() { "$build/bench/experiments" "$data" "$1" "$epochs" 2 | total; }

for ((round = 1; round <= rounds; ++round)); do
  echo "$(ours float) $(numpy 1 1) $(ours double) $(numpy 2 1) $(numpy 1 2)"
  echo "round $round of $rounds" >&2
done | awk '
  function median(values, n,    i, j, t) {
    for (i = 2; i <= n; i++)
      for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
        t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
      }
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
  }
  NF != 5 { print "a run failed: " $0; failed = 1; exit 1 }
  {
    f[NR] = $1; one[NR] = $2; d[NR] = $3; two[NR] = $4; side[NR] = $5
    best = $2 < $4 ? $2 : $4
    rf[NR] = best / $1; rd[NR] = best / $3; sf[NR] = $5 / $1; sd[NR] = $5 / $3
  }
  END {
    if (failed || !NR) exit 1
    printf "%-44s %9s\n", "ten experiments", "seconds"
    printf "%-44s %9.2f\n", "chainrule, float, two threads", median(f, NR)
    printf "%-44s %9.2f\n", "chainrule, double, two threads", median(d, NR)
    printf "%-44s %9.2f\n", "NumPy, double, one BLAS thread", median(one, NR)
    printf "%-44s %9.2f\n", "NumPy, double, two BLAS threads", median(two, NR)
    printf "%-44s %9.2f\n", "NumPy, double, two processes of one thread", median(side, NR)
    printf "NumPy at its best of one and two BLAS threads takes %.2f times as long as float, %.2f times as long as double\n", median(rf, NR), median(rd, NR)
    printf "two NumPy processes take %.2f times as long as float, %.2f times as long as double\n", median(sf, NR), median(sd, NR)
  }'
