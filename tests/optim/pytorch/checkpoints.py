"""Checkpoints between PyTorch and chainrule; needs the packages torch and safetensors.

    checkpoints.py write DIR [SEED]   models and logits by PyTorch: made the committed files of this folder
    checkpoints.py verify DIR         loads chainrule's models by load_state_dict, compares the logits
    checkpoints.py both PROGRAM       both ways, with checkpoint_files built; exit status 77 without the packages
"""

import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    from safetensors.torch import load_file, save_file
except ImportError as error:
    print(f"SKIPPED: {error}")
    sys.exit(77)

CASES = {"trick": lambda z: 1.7159 * torch.tanh(2 * z / 3), "per_layer": torch.relu}
TYPES = {"f32": torch.float32, "f64": torch.float64}


class Network(torch.nn.Module):
    """5-7-4-3. The bias trick is a bias in the first layer only."""

    def __init__(self, case, dtype):
        super().__init__()
        widths = [5, 7, 4, 3]
        self.activation = CASES[case]
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(i, o, bias=case == "per_layer" or l == 0, dtype=dtype)
            for l, (i, o) in enumerate(zip(widths, widths[1:]))
        )

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


def cases(directory):
    for case in CASES:
        for name, dtype in TYPES.items():
            stem = Path(directory) / f"{case}_{name}"
            yield case, dtype, f"{stem}.safetensors", f"{stem}.io.safetensors"


def write(directory, seed=1):
    torch.manual_seed(seed)
    for case, dtype, model_file, io_file in cases(directory):
        model = Network(case, dtype)
        x = torch.randn(8, 5, dtype=dtype)
        save_file(model.state_dict(), model_file)
        save_file({"x": x, "logits": model(x).detach()}, io_file, metadata={"format": "pt"})


def verify(directory):
    for case, dtype, model_file, io_file in cases(directory):
        model = Network(case, dtype)
        model.load_state_dict(load_file(model_file), strict=True)
        io = load_file(io_file)
        assert io["x"].dtype == dtype and io["logits"].shape == (8, 3)
        error = (model(io["x"]) - io["logits"]).abs().max().item()
        print(f"{Path(model_file).name}: logits in PyTorch differ by {error:.1e}")
        assert error <= 1e-6


def both(program):
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([program, "write", directory], check=True)
        verify(directory)
    with tempfile.TemporaryDirectory() as directory:
        write(directory, seed=secrets.randbits(32))
        subprocess.run([program, "verify", directory], check=True)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    {"write": lambda d, s="1": write(d, int(s)), "verify": verify, "both": both}[mode](*arguments)
