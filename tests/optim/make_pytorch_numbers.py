"""Makes pytorch_numbers.csv: what PyTorch's optimizers do on one small problem, in double.

    make_pytorch_numbers.py FILE           writes FILE
    make_pytorch_numbers.py --check FILE   compares FILE with what is computed now, to 1e-12
                                           (exit status 77, skipped, where torch is missing)

The problem is a classifier of 12 rows of 3 numbers into 2 classes: softmax cross-entropy, mean over
the rows, of tanh(X W1) W2. Its data and its initial weights are fractions of powers of two, so that
both sides have the same bits without a file. pytorch.cpp has the same problem and the same settings.
One line for each of the first three steps, and every tenth: the learning rate of the step, the loss
before it, the norm of all gradients before clipping, and the weights after it, W1 and then W2.
"""
import csv
import sys

STEPS = 100
ROWS, INPUTS, HIDDEN, CLASSES = 12, 3, 3, 2


def problem(torch):
    x = [[((7 * i + 5 * j + i * j) % 13 - 6) / 4 for j in range(INPUTS)] for i in range(ROWS)]
    y = [(i * i + i // 3) % CLASSES for i in range(ROWS)]
    w1 = [[((5 * i + 3 * j) % 7 - 3) / 4 for j in range(HIDDEN)] for i in range(INPUTS)]
    w2 = [[((3 * i + 4 * j) % 5 - 2) / 2 for j in range(CLASSES)] for i in range(HIDDEN)]
    double = lambda rows: torch.tensor(rows, dtype=torch.float64)
    return double(x), torch.tensor(y), double(w1).requires_grad_(), double(w2).requires_grad_()


def settings(torch):
    """Name, optimizer, schedule or None, norm to clip to or None."""
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    rates = torch.optim.lr_scheduler
    betas = dict(betas=(0.8, 0.95), eps=1e-3)

    def warm_up_cosine(optimizer):
        return rates.SequentialLR(optimizer, [
            rates.LinearLR(optimizer, start_factor=1 / 16, total_iters=15),
            rates.CosineAnnealingLR(optimizer, T_max=85, eta_min=0.04 * 0.2),
        ], milestones=[15])

    return [
        ("sgd", lambda p: sgd(p, lr=0.3), None, None),
        ("sgd_decay", lambda p: sgd(p, lr=0.3, weight_decay=0.03), None, None),
        ("momentum", lambda p: sgd(p, lr=0.1, momentum=0.8), None, None),
        ("momentum_decay", lambda p: sgd(p, lr=0.1, momentum=0.8, weight_decay=0.02), None, None),
        ("nesterov", lambda p: sgd(p, lr=0.15, momentum=0.7, nesterov=True), None, None),
        ("nesterov_decay",
         lambda p: sgd(p, lr=0.15, momentum=0.7, weight_decay=0.02, nesterov=True), None, None),
        ("adam", lambda p: adam(p, lr=0.03, **betas), None, None),
        ("adam_decay", lambda p: adam(p, lr=0.03, weight_decay=0.05, **betas), None, None),
        ("adamw", lambda p: adamw(p, lr=0.04, weight_decay=0.3, **betas), None, None),
        ("sgd_step",
         lambda p: sgd(p, lr=0.2, momentum=0.6, weight_decay=0.01),
         lambda o: rates.StepLR(o, step_size=15, gamma=0.7), None),
        ("adam_cosine",
         lambda p: adam(p, lr=0.04, weight_decay=0.02, **betas),
         lambda o: rates.CosineAnnealingLR(o, T_max=100, eta_min=0.04 * 0.1), None),
        ("adamw_warm_up_cosine",
         lambda p: adamw(p, lr=0.04, weight_decay=0.3, **betas), warm_up_cosine, None),
        ("nesterov_clipped",
         lambda p: sgd(p, lr=0.3, momentum=0.7, weight_decay=0.01, nesterov=True), None, 0.07),
        ("adamw_clipped_step",
         lambda p: adamw(p, lr=0.04, weight_decay=0.3, **betas),
         lambda o: rates.StepLR(o, step_size=20, gamma=0.6), 0.07),
    ]


def rows(torch):
    norm_of = torch.nn.utils.clip_grad_norm_
    for name, make_optimizer, make_schedule, max_norm in settings(torch):
        x, y, w1, w2 = problem(torch)
        optimizer = make_optimizer([w1, w2])
        schedule = make_schedule(optimizer) if make_schedule else None
        for step in range(1, STEPS + 1):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(torch.tanh(x @ w1) @ w2, y)
            loss.backward()
            norm = norm_of([w1, w2], float("inf") if max_norm is None else max_norm)
            rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            if schedule:
                schedule.step()
            if step <= 3 or step % 10 == 0:
                weights = w1.flatten().tolist() + w2.flatten().tolist()
                yield [name, step, rate, loss.item(), norm.item(), *weights]


def main():
    check = sys.argv[1:2] == ["--check"]
    if len(sys.argv) != 2 + check:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        import torch
    except ImportError:
        print("SKIPPED: torch is not installed")
        return 77 if check else 1
    torch.set_num_threads(1)
    header = ["setting", "step", "rate", "loss", "norm"]
    header += [f"W1[{i}]" for i in range(INPUTS * HIDDEN)]
    header += [f"W2[{i}]" for i in range(HIDDEN * CLASSES)]
    made = [header, *rows(torch)]
    path = sys.argv[-1]
    if not check:
        with open(path, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(made)
        return 0
    with open(path, newline="") as file:
        found = list(csv.reader(file))
    if len(found) != len(made) or found[0] != header:
        print(f"{path}: {len(found)} lines, expected {len(made)}, or another header")
        return 1
    worst = 0.0
    for was, now in zip(found[1:], made[1:]):
        if was[:2] != [now[0], str(now[1])]:
            print(f"{path}: {was[:2]}, expected {now[:2]}")
            return 1
        worst = max([worst] + [abs(float(a) - b) for a, b in zip(was[2:], now[2:], strict=True)])
    print(f"torch {torch.__version__}: the largest difference is {worst:.1e}")
    return 0 if worst <= 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main())
