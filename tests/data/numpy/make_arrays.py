#!/usr/bin/env python3
"""Writes the arrays that tests/data/npz.cpp reads, to the directory given (default: beside this
file). The entry of number i in row-major order is i / 4 - 3, for uint8 it is i."""
import pathlib
import sys

import numpy as np

out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)


def values(shape, dtype):
    count = int(np.prod(shape, dtype=np.int64))
    numbers = np.arange(count) if dtype == np.uint8 else np.arange(count) / 4 - 3
    return numbers.astype(dtype).reshape(shape)


arrays = {
    "single": values((3, 4), np.float32),
    "double": values((3, 4), np.float64),
    "bytes": values((2, 3), np.uint8),
    "fortran": np.asfortranarray(values((3, 4), np.float64)),
    "fortran3": np.asfortranarray(values((2, 3, 4), np.float32)),
    "fortran_bytes": np.asfortranarray(values((2, 3), np.uint8)),
    "scalar": values((), np.float64),
    "vector": values((5,), np.float32),
    "rank4": values((2, 1, 3, 2), np.float64),
    "empty": values((0, 3), np.float64),
}
np.savez(out / "stored.npz", **arrays)
np.savez_compressed(out / "deflated.npz", **arrays)
np.save(out / "fortran.npy", arrays["fortran"])
np.savez(out / "integers.npz", X=np.arange(3))
