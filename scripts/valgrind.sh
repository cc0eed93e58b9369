#!/usr/bin/env bash
# valgrind (memcheck) on a small run of everything: a build with debugging symbols and a little
# optimisation, some examples, and tests of every folder. Exit status 0 when there is no error and no leak.
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

# What a case does thousands of times for the numbers' sake, some thirty times as long here, is left out;
# the same code runs in other cases.
programs=(
  quickstart:examples/quickstart
  custom_op:examples/custom_op
  backprop_by_hand:examples/backprop_by_hand
  test_autograd_tape:tests/autograd/test_autograd_tape
  test_autograd_gradients:tests/autograd/test_autograd_gradients
  test_autograd_plan:tests/autograd/test_autograd_plan
  test_autograd_storage_tensor:tests/autograd/storage/test_autograd_storage_tensor
  "test_autograd_storage_blas:tests/autograd/storage/test_autograd_storage_blas
    --run_test=!gemm_agrees_with_loops_in_a_trainers_sizes*"
  test_ops_errors:tests/ops/test_ops_errors
  test_ops_values:tests/ops/test_ops_values
  "test_ops_softmax:tests/ops/test_ops_softmax --run_test=!rows_of_any_length*"
  test_models_mlp:tests/models/test_models_mlp
  test_data_idx:tests/data/test_data_idx
  test_data_safetensors:tests/data/test_data_safetensors
  test_data_npz:tests/data/test_data_npz
  test_optim_training:tests/optim/test_optim_training
  test_optim_checkpoint:tests/optim/test_optim_checkpoint
  test_optim_adam:tests/optim/test_optim_adam
  test_reference_vectorised:tests/reference/test_reference_vectorised
  test_check_compare:tests/check/test_check_compare
  test_check_gradcheck:tests/check/test_check_gradcheck
  "test_check_diagnose:tests/check/test_check_diagnose
    --run_test=!a_wrong_derivative_comes_back_as_a_curve"
  test_witness_edge_cases:tests/witness/test_witness_edge_cases
  "$@"
)
cmake --build "$build" -j "${CHAINRULE_JOBS:-$(nproc)}" --target "${programs[@]%%:*}"
# An instruction set that valgrind knows, for OpenBLAS; for Highway the program chooses what it is shown.
export OPENBLAS_CORETYPE=Haswell
# Boost.Test would take valgrind's signals for its own.
export BOOST_TEST_CATCH_SYSTEM_ERRORS=no
bad=0
for program in "${programs[@]#*:}"; do
  read -r -d '' -a command <<<"$program" || true
  started=$SECONDS
  if valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
      --error-exitcode=99 --log-file="$build/valgrind.log" \
      "$build/${command[0]}" "${command[@]:1}" >"$build/out.log" 2>&1; then
    echo "clean: ${command[0]}, $((SECONDS - started)) s"
  else
    echo "NOT clean: ${command[0]}"
    tail -40 "$build/out.log" "$build/valgrind.log"
    bad=$((bad + 1))
  fi
done
echo "${#programs[@]} programs, $bad not clean, $SECONDS s"
[ $bad -eq 0 ]
