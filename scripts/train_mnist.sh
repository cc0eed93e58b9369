#!/usr/bin/env bash
# Installs what is missing, builds, and runs the main job; all arguments go to train_mnist.
# Only the program itself writes on standard output.
set -euo pipefail
cd "$(dirname "$0")/.."
{
  scripts/install_dependencies.sh
  cmake --preset release
  cmake --build --preset release --target train_mnist
} >&2
cd - >/dev/null
exec "$(dirname "$0")/../build/release/examples/train_mnist" "$@"
