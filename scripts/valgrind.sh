#!/usr/bin/env bash
# valgrind (memcheck) on a small run of everything: a build with debugging symbols and a little
# optimisation, the quickstart, and tests of the tape, plans, operations, optimizers and files. Exit status 0
# when there is no error and no leak.
#
#   scripts/valgrind.sh                   as above
#   scripts/valgrind.sh TARGET:PROGRAM    one program more, by its target and its path in the build
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh valgrind
build=build/valgrind
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -g" \
  -DCHAINRULE_BUILD_BENCH=OFF >/dev/null

programs=(
  quickstart:examples/quickstart
  second_order:examples/second_order
  custom_op:examples/custom_op
  backprop_by_hand:examples/backprop_by_hand
  test_autograd_tape:tests/autograd/test_autograd_tape
  test_autograd_gradients:tests/autograd/test_autograd_gradients
  test_autograd_plan:tests/autograd/test_autograd_plan
  test_autograd_storage_blas:tests/autograd/storage/test_autograd_storage_blas
  test_ops_errors:tests/ops/test_ops_errors
  test_ops_values:tests/ops/test_ops_values
  test_ops_softmax:tests/ops/test_ops_softmax
  test_models_mlp:tests/models/test_models_mlp
  test_data_idx:tests/data/test_data_idx
  test_data_safetensors:tests/data/test_data_safetensors
  test_optim_training:tests/optim/test_optim_training
  test_optim_checkpoint:tests/optim/test_optim_checkpoint
  test_check_compare:tests/check/test_check_compare
  "$@"
)
cmake --build "$build" -j "${CHAINRULE_JOBS:-$(nproc)}" --target "${programs[@]%%:*}"
# An instruction set that valgrind knows, for OpenBLAS; for Highway the program chooses what it is shown.
export OPENBLAS_CORETYPE=Haswell
# Boost.Test would take valgrind's signals for its own.
export BOOST_TEST_CATCH_SYSTEM_ERRORS=no
bad=0
for program in "${programs[@]#*:}"; do
  if valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
      --error-exitcode=99 "$build/$program" >"$build/out.log" 2>"$build/valgrind.log"; then
    echo "clean: $program"
  else
    echo "NOT clean: $program"
    cat "$build/valgrind.log"
    bad=$((bad + 1))
  fi
done
echo "${#programs[@]} programs, $bad not clean"
[ $bad -eq 0 ]
