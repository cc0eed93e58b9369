#!/usr/bin/env python3
"""The ten experiments of bench/experiments.cpp in NumPy, in double, by the same protocol.

  OPENBLAS_NUM_THREADS=1 experiments.py DATA EPOCHS [PROCESSES]

Vectorised as the course's code is: one matrix product a layer, the softmax and the activations on
whole arrays; updates in place. Evaluation takes blocks of rows, which is faster than whole sets.
Prints the seconds of each experiment and of all together, without reading the data.
"""
import gzip
import multiprocessing
import os
import sys
import time

import numpy as np

BLOCK = 500  # rows of an evaluation block: the fastest of 200, 500, 1000, 2000 and whole sets


def read_idx(directory, name):
    for path in (os.path.join(directory, name), os.path.join(directory, name + ".gz")):
        if os.path.exists(path):
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
                data = file.read()
            dimensions = data[3]
            shape = np.frombuffer(data, ">u4", dimensions, 4).astype(int)
            return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    sys.exit(f"experiments.py: {directory}: no {name}")


def load(directory):
    x = read_idx(directory, "train-images-idx3-ubyte")[:20000]
    y = read_idx(directory, "train-labels-idx1-ubyte")[:20000]
    xv = read_idx(directory, "t10k-images-idx3-ubyte")
    yv = read_idx(directory, "t10k-labels-idx1-ubyte")
    mean, deviation = x.mean(), x.std()

    def prepare(images):
        rows = ((images - mean) / deviation).reshape(len(images), -1)
        return np.hstack([rows, np.ones((len(rows), 1))])

    return prepare(x), np.eye(10)[y], y, prepare(xv), np.eye(10)[yv], yv


class Network:
    def __init__(self, hidden, improved_sigmoid, improved_weights, momentum, rng):
        widths = [785] + hidden + [10]
        self.improved = improved_sigmoid
        self.momentum = momentum
        self.w = []
        for fan_in, fan_out in zip(widths, widths[1:]):
            if improved_weights:
                self.w.append(rng.normal(0, 1 / np.sqrt(fan_in), (fan_in, fan_out)))
            else:
                self.w.append(rng.uniform(-1, 1, (fan_in, fan_out)))
        self.v = [np.zeros_like(w) for w in self.w]

    def activate(self, z):
        if self.improved:
            return 1.7159 * np.tanh(2 / 3 * z)
        return 1 / (1 + np.exp(-z))

    def derivative(self, a):
        if self.improved:  # 1.7159 (2/3) (1 - tanh^2)
            return 2 / 3 * (1.7159 - a * a / 1.7159)
        return a * (1 - a)

    def forward(self, x):
        self.a = [x]
        for w in self.w[:-1]:
            self.a.append(self.activate(self.a[-1] @ w))
        z = self.a[-1] @ self.w[-1]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def step(self, x, y, rate):
        yhat = self.forward(x)
        loss = -np.sum(y * np.log(yhat)) / len(x)
        delta = (yhat - y) / len(x)
        for l in range(len(self.w) - 1, -1, -1):
            gradient = self.a[l].T @ delta
            if l > 0:
                delta = (delta @ self.w[l].T) * self.derivative(self.a[l])
            if self.momentum > 0:
                self.v[l] *= self.momentum
                self.v[l] += gradient
                gradient = self.v[l]
            self.w[l] -= rate * gradient
        return loss

    def evaluate(self, x, y, labels):
        loss, correct = 0.0, 0
        for i in range(0, len(x), BLOCK):
            yhat = self.forward(x[i : i + BLOCK])
            loss -= np.sum(y[i : i + BLOCK] * np.log(yhat))
            correct += np.sum(yhat.argmax(axis=1) == labels[i : i + BLOCK])
        return loss / len(x), correct / len(x)


# name, hidden, improved sigmoid, improved weights, momentum, learning rate
EXPERIMENTS = [
    ("R11", [64] * 10, True, True, 0.9, 0.02),
    ("R9-128", [128], True, True, 0.9, 0.02),
    ("R10-2x60", [60, 60], True, True, 0.9, 0.02),
    ("R1", [64], False, False, 0, 0.1),
    ("R3", [64], False, True, 0, 0.1),
    ("R4", [64], True, False, 0, 0.1),
    ("R5", [64], False, False, 0.9, 0.02),
    ("R6", [64], True, True, 0, 0.1),
    ("R7", [64], True, True, 0.9, 0.02),
    ("R9-32", [32], True, True, 0.9, 0.02),
]


def run(experiment):
    name, hidden, improved_sigmoid, improved_weights, momentum, rate = experiment
    x, y, labels, xv, yv, labels_v = DATA
    rng = np.random.default_rng(0)
    network = Network(hidden, improved_sigmoid, improved_weights, momentum, rng)
    start = time.perf_counter()
    per_epoch = len(x) // 32
    steps = EPOCHS * per_epoch
    validations = 0
    for step in range(steps):
        if step % per_epoch == 0:
            order = rng.permutation(len(x))
        rows = order[step % per_epoch * 32 : (step % per_epoch + 1) * 32]
        network.step(x[rows], y[rows], rate)
        if step % (per_epoch // 5) == 0 or step == steps - 1:
            network.evaluate(x, y, labels)
            accuracy = network.evaluate(xv, yv, labels_v)[1]
            validations += 1
    seconds = time.perf_counter() - start
    print(f"{name:<9} {seconds:7.2f} s  {steps} steps, {validations} validations, "
          f"accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: experiments.py DATA EPOCHS [PROCESSES]")
    DATA, EPOCHS = load(sys.argv[1]), int(sys.argv[2])
    processes = int(sys.argv[3]) if len(sys.argv) == 4 else 1
    BLOCK = int(os.environ.get("BLOCK", BLOCK))
    begin = time.perf_counter()
    if processes > 1:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            pool.map(run, EXPERIMENTS, chunksize=1)
    else:
        for e in EXPERIMENTS:
            run(e)
    print(f"all {time.perf_counter() - begin:.3f}")
