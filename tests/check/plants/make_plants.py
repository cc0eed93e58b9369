#!/usr/bin/env python3
"""Writes steps of training with one mistake each, as a NumPy user would make it, and plants.csv,
which says what each file is: for check_derivation, and for whoever wants to try a checker.

Written from the mistakes' descriptions, independently of the library's own planted mistakes."""
import csv
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
N, I, H, K = 7, 6, 5, 4  # two hidden layers of H; I counts the column of ones under the trick


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


ACTIVATIONS = {
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "improved": (lambda z: 1.7159 * np.tanh(2 * z / 3),
                 lambda z: 1.7159 * 2 / 3 / np.cosh(2 * z / 3) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
}


class Step:
    """Forward pass and the right backward pass; a mistake changes one line of it."""

    def __init__(self, seed, activation="tanh", bias="layer", mass=1.0, sizes=(H, H)):
        random = np.random.default_rng(seed)
        self.activation, self.bias, self.sizes = activation, bias, sizes
        self.f, self.df = ACTIVATIONS[activation]
        self.features = I - 1 if bias == "trick" else I
        self.X = random.normal(size=(N, self.features))
        labels = random.integers(0, K, N)
        self.Y = np.eye(K)[labels] * mass
        widths = [self.features + (bias == "trick"), *sizes, K]
        self.widths = widths
        self.W = [random.normal(size=(a, b)) / np.sqrt(a) for a, b in zip(widths, widths[1:])]
        self.b = [random.normal(size=b) / 2 for b in widths[1:]]
        self.random = random

    def forward(self, W=None):
        W = W or self.W
        self.inputs = np.hstack([self.X, np.ones((N, 1))]) if self.bias == "trick" else self.X
        self.A, self.Z = [self.inputs], []
        for l, w in enumerate(W):
            self.Z.append(self.A[-1] @ w + (self.b[l] if self.bias == "layer" else 0))
            if l + 1 < len(W):
                self.A.append(self.f(self.Z[-1]))
        self.Yhat = softmax(self.Z[-1])

    def output_delta(self):
        mass = self.Y.sum(axis=1, keepdims=True)
        return (mass * self.Yhat - self.Y) / N

    def slope(self, l, dA):
        return self.df(self.Z[l])

    def weights(self, l):
        return self.W[l].T

    def left(self, l):
        return self.A[l]

    def backward(self):
        self.forward()
        layers = len(self.W)
        self.dZ, self.dW, self.db = [None] * layers, [None] * layers, [None] * layers
        self.dZ[-1] = self.output_delta()
        for l in reversed(range(layers)):
            self.dW[l] = self.left(l).T @ self.dZ[l]
            self.db[l] = self.dZ[l].sum(axis=0)
            if l > 0:
                dA = self.dZ[l] @ self.weights(l)
                self.dZ[l - 1] = self.slope(l - 1, dA) * dA

    def arrays(self):
        arrays = {"X": self.X, "Y": self.Y}
        for l, w in enumerate(self.W, 1):
            arrays[f"W{l}"], arrays[f"dW{l}"] = w, self.dW[l - 1]
            if self.bias == "layer":
                arrays[f"b{l}"], arrays[f"db{l}"] = self.b[l - 1], self.db[l - 1]
        return arrays


rows = []


def write(name, step, ids, layer, dtype=np.float64, extra=None, options=""):
    """ids: every catalogue entry that this gradient is; layer: the first fault from the loss down."""
    arrays = {k: np.ascontiguousarray(v, dtype) for k, v in {**step.arrays(), **(extra or {})}.items()}
    if len(rows) % 2:
        file = f"{name}.npz"
        np.savez(out / file, **arrays)
    else:
        file = f"{name}.safetensors"
        save_file(arrays, out / file)
    model = "-".join(map(str, step.widths))
    rows.append([file, model, step.activation, step.bias, options, layer, " ".join(sorted(ids))])


def plant(name, ids, layer, change=None, after=None, dtype=np.float64, options="", **kind):
    """change(step) replaces one line of the backward pass, after(step) alters what came out of it."""
    step = Step(100 + len(rows), **kind)
    if change:
        change(step)
    step.backward()
    extra = after(step) if after else None
    write(name, step, ids, layer, dtype, extra, options)


def set_method(name, function):
    return lambda step: setattr(step, name, function.__get__(step))


def scaled(factor, layers=(0, 1, 2)):
    def after(step):
        for l in layers:
            step.dW[l] = step.dW[l] * factor
            step.db[l] = step.db[l] * factor
    return after


def right_delta(step):
    return Step.output_delta(step)


# Nothing wrong: the answer is "right".
plant("right", [], 0)
plant("right_trick", [], 0, bias="trick", activation="improved")
plant("right_float", [], 0, dtype=np.float32, activation="sigmoid")

# Constant factors.
plant("sign", ["sign", "label-prediction-swapped", "erratum-e1"], 3, after=scaled(-1))
plant("sign_mass_half", ["sign"], 3, after=scaled(-1), mass=0.5)
plant("mean_missing", ["mean-missing", "erratum-e4"], 3, after=scaled(N), bias="trick")
plant("mean_missing_float", ["mean-missing", "erratum-e4"], 3, after=scaled(N), dtype=np.float32)
plant("mean_missing_some", ["mean-missing-some"], 2, after=scaled(N, [1]))
plant("mean_doubled", ["mean-doubled"], 3, after=scaled(1 / N))
plant("mean_n_minus_1", ["mean-n-minus-1"], 3, after=scaled(N / (N - 1)))
plant("mean_n_k", ["mean-n-k"], 3, after=scaled(1 / K))
plant("factor_half", ["factor-half"], 3, after=scaled(0.5))

# The activation's derivative.
plant("other_derivative", ["other-activation-derivative"], 2,
      set_method("slope", lambda s, l, dA: s.A[l + 1] * (1 - s.A[l + 1])), activation="tanh")
plant("other_derivative_improved", ["other-activation-derivative"], 2,
      set_method("slope", lambda s, l, dA: sigmoid(s.Z[l]) * (1 - sigmoid(s.Z[l]))),
      activation="improved", bias="trick")
plant("activation_recomputed", ["activation-recomputed"], 3,
      set_method("left", lambda s, l: s.A[0] if l == 0 else sigmoid(s.Z[l - 1])),
      activation="improved")
plant("derivative_missing", ["derivative-missing"], 2, set_method("slope", lambda s, l, dA: 1.0),
      activation="tanh")
plant("derivative_at_output", ["derivative-at-output"], 2,
      set_method("slope", lambda s, l, dA: s.df(s.A[l + 1])), activation="sigmoid")
plant("z_one_minus_z", ["derivative-z-one-minus-z"], 2,
      set_method("slope", lambda s, l, dA: s.Z[l] * (1 - s.Z[l])), activation="sigmoid")
plant("inner_slope_missing", ["inner-slope-missing"], 2,
      set_method("slope", lambda s, l, dA: 1.7159 / np.cosh(2 * s.Z[l] / 3) ** 2),
      activation="improved")
plant("outer_slope_missing", ["outer-slope-missing"], 2,
      set_method("slope", lambda s, l, dA: 2 / 3 / np.cosh(2 * s.Z[l] / 3) ** 2),
      activation="improved", bias="trick")
plant("one_minus_tanh_squared", ["one-minus-tanh-squared-z", "other-activation-derivative"], 2,
      set_method("slope", lambda s, l, dA: 1 - np.tanh(s.Z[l]) ** 2), activation="improved")
plant("relu_mask", ["relu-mask-wrong-tensor"], 2,
      set_method("slope", lambda s, l, dA: (dA > 0) * 1.0), activation="relu")
plant("leaky_slope", ["leaky-slope"], 2,
      set_method("slope", lambda s, l, dA: np.where(s.Z[l] > 0, 1, 0.01)), activation="relu")

# The output layer.
plant("squared_error", ["squared-error-output"], 3,
      set_method("output_delta", lambda s: (s.Yhat - s.Y) * s.Yhat * (1 - s.Yhat) / N))
plant("no_softmax_jacobian", ["softmax-jacobian-missing"], 3,
      set_method("output_delta", lambda s: -s.Y / s.Yhat / N), activation="sigmoid")


def jacobian_again(s):
    delta = right_delta(s)
    return np.stack([(np.diag(p) - np.outer(p, p)) @ d for p, d in zip(s.Yhat, delta)])


plant("softmax_twice", ["softmax-twice"], 3, set_method("output_delta", jacobian_again))
plant("sigmoid_output", ["sigmoid-output", "erratum-e13"], 3,
      set_method("output_delta", lambda s: (sigmoid(s.Z[-1]) - s.Y) / N), bias="trick")
plant("mass_assumed_one", ["mass-assumed-one"], 3,
      set_method("output_delta", lambda s: (s.Yhat - s.Y) / N), mass=0.5)


def forget_class(s):
    delta = right_delta(s)
    delta[:, 2] = 0
    return delta


plant("class_missing", ["class-missing"], 3, set_method("output_delta", forget_class))

# What is multiplied with what.
plant("other_layer_weights", ["other-layer-weights", "erratum-e3"], 2,
      set_method("weights", lambda s, l: s.W[l - 1].T if l == 2 else s.W[l].T),
      sizes=(K, K))
plant("weights_not_transposed", ["weights-not-transposed"], 1,
      set_method("weights", lambda s, l: s.W[l] if l == 1 else s.W[l].T))


def other_delta(s):
    s.dW[0] = s.A[0].T @ s.dZ[1]
    s.db[0] = s.dZ[1].sum(axis=0)


plant("other_layer_delta", ["other-layer-delta"], 1, after=other_delta)
plant("input_for_activation", ["input-for-activation"], 3,
      set_method("left", lambda s, l: s.X), sizes=(I, I))
plant("z_for_activation", ["z-for-activation", "erratum-e14"], 3,
      set_method("left", lambda s, l: s.Z[l - 1] if l > 0 else s.X), activation="sigmoid")


def drop_bias_row(s):
    s.dW[0][-1] = 0


plant("bias_row_dropped", ["bias-row-dropped"], 1, after=drop_bias_row, bias="trick")


def average_biases(s):
    s.db = [d.mean(axis=0) for d in s.dZ]


plant("bias_averaged", ["bias-averaged"], 3, after=average_biases)


def keep_samples(s):
    s.db[1] = s.dZ[1]


plant("bias_not_summed", ["bias-not-summed"], 2, after=keep_samples)


def forget_last_sample(s):
    for l in range(3):
        s.dW[l] = s.A[l][:-1].T @ s.dZ[l][:-1]
        s.db[l] = s.dZ[l][:-1].sum(axis=0)


plant("last_sample_missing", ["last-sample-missing"], 3, after=forget_last_sample)


# What needs more than the step.
def previous_gradient(s):
    other = Step(999, s.activation, s.bias, sizes=s.sizes)
    other.W, other.b = s.W, s.b
    other.backward()
    return other


def stale(s):
    other = previous_gradient(s)
    s.dW, s.db = other.dW, other.db
    return {**{f"previous_dW{l + 1}": d for l, d in enumerate(other.dW)},
            **{f"previous_db{l + 1}": d for l, d in enumerate(other.db)}}


def not_zeroed(s):
    other = previous_gradient(s)
    s.dW = [a + b for a, b in zip(s.dW, other.dW)]
    s.db = [a + b for a, b in zip(s.db, other.db)]
    return {**{f"previous_dW{l + 1}": d for l, d in enumerate(other.dW)},
            **{f"previous_db{l + 1}": d for l, d in enumerate(other.db)}}


def fold_momentum(s):
    extra = {}
    for l in range(3):
        velocity_w = s.random.normal(size=s.W[l].shape) / 10
        velocity_b = s.random.normal(size=s.b[l].shape) / 10
        s.dW[l] = s.dW[l] + 0.9 * velocity_w
        s.db[l] = s.db[l] + 0.9 * velocity_b
        extra[f"velocity_W{l + 1}"], extra[f"velocity_b{l + 1}"] = velocity_w, velocity_b
    return extra


def decay(s):
    s.dW = [d + 0.01 * w for d, w in zip(s.dW, s.W)]


plant("stale_gradient", ["stale-gradient"], 3, after=stale)
plant("accumulated_twice", ["accumulated-twice"], 3, after=not_zeroed)
plant("momentum_folded", ["momentum-folded"], 3, after=fold_momentum, options="--momentum 0.9")
plant("weight_decay_extra", ["weight-decay-extra"], 3, after=decay)
plant("weight_decay_missing", ["weight-decay-missing"], 3, options="--weight-decay 0.01")
plant("learning_rate", ["learning-rate"], 3, after=scaled(0.1), options="--learning-rate 0.1")

# The reports' errata that are not among the above.
def sum_over_weights(s, l):
    return np.tile(s.W[l].sum(axis=1), (s.W[l].shape[1], 1))


plant("erratum_e2", ["erratum-e2", "erratum-e6"], 1, set_method("weights", sum_over_weights),
      sizes=(H,), activation="sigmoid")


def e7(s, l, dA):
    return 4 / 3 * 1.7159 / np.cosh(2 * s.Z[l] / 3) ** 2


plant("erratum_e7", ["erratum-e7"], 2, set_method("slope", e7), activation="improved")

# Pixels as bytes, weights and gradients in single precision, all in Fortran's memory order.
pixels = Step(77, "sigmoid", "trick")
pixels.X = pixels.random.integers(0, 256, pixels.X.shape).astype(np.uint8)
pixels.W[0] = (pixels.W[0] / 200).astype(np.float32)
pixels.backward()
scaled(N)(pixels)
arrays = {k: np.asfortranarray(v if k == "X" else v.astype(np.float32))
          for k, v in pixels.arrays().items()}
np.savez_compressed(out / "pixels.npz", **arrays)
rows.append(["pixels.npz", "6-5-5-4", "sigmoid", "trick", "", 3, "erratum-e4 mean-missing"])

plant("square_forgotten", ["square-forgotten"], 2,
      set_method("slope", lambda s, l, dA: 1 - np.tanh(s.Z[l])), activation="tanh")
plant("square_of_sech_forgotten", ["square-forgotten"], 2,
      set_method("slope", lambda s, l, dA: 1.7159 * 2 / 3 / np.cosh(2 / 3 * s.Z[l])),
      activation="improved", bias="trick")
plant("scaled_closed_form", ["closed-form-of-scaled-a"], 2,
      set_method("slope", lambda s, l, dA: 2 / 3 * 1.7159 * (1 - s.A[l + 1] ** 2)),
      activation="improved")


def slope_in_place(s, l):  # A *= 1 - A, and only then dW
    return s.A[l] if l == 0 else s.A[l] * (1 - s.A[l])


def delta_in_place(s):  # A[...] = the delta of its layer, and only then dW
    s.dW[2] = s.dZ[1].T @ s.dZ[2]


plant("overwritten_by_slope", ["activation-overwritten"], 3, set_method("left", slope_in_place),
      activation="sigmoid")
plant("overwritten_by_delta", ["activation-overwritten"], 3, after=delta_in_place)


def other_axis(s):
    s.db[0] = s.dZ[0].sum(axis=1)


plant("bias_over_units", ["bias-summed-over-units"], 1, after=other_axis)
plant("bias_over_as_many_units", ["bias-summed-over-units"], 1, after=other_axis, sizes=(N, H))

# A derivative that is in no catalogue, with the deltas: it comes back as a curve. Not in plants.csv.
unknown = Step(200, "tanh")
set_method("slope", lambda s, l, dA: 1 / (1 + s.Z[l] ** 2))(unknown)
unknown.backward()
np.savez(out / "unknown_derivative.npz", **unknown.arrays(),
         **{f"dZ{l}": d for l, d in enumerate(unknown.dZ, 1)})

with open(out / "plants.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", "model", "activation", "bias", "options", "layer", "mistakes"])
    writer.writerows(rows)
print(len(rows), "files")
