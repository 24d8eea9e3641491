"""Training speed of our chunked operators on a CPU, against the PyTorch fallbacks of transformers.

    python experiments/benchmarks/training_throughput.py [--quick]

One thread, float32, forward and backward on the same weights and inputs; outputs are checked to agree before
anything is timed. Contestants of one comparison run in turn, in rounds, in one process, so that a busy machine
slows all of them alike. Times are CPU time of the thread; a ratio is the median over rounds of theirs / ours, with a
95 % bootstrap interval. ``transformers`` has no DeltaNet without a gate: its layer is built from the fallback
functions of its Qwen3-Next (convolution, gated delta rule with the gate at zero, norm). The last
line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer, mamba2_chunk_scan
from transformers.models.qwen3_next.modeling_qwen3_next import causal_conv1d_fn, torch_chunk_gated_delta_rule

from nas_search.space.architecture import Architecture
from nas_search.space.model import HybridLM
from nas_search.space.operators.deltanet.delta_rule import chunked_delta_rule
from nas_search.space.operators.deltanet.module import DeltaNetModule
from nas_search.space.operators.deltanet.spec import DeltaNet
from nas_search.space.operators.mamba2.module import Mamba2Module
from nas_search.space.operators.mamba2.scan import chunked_scan
from nas_search.space.operators.mamba2.spec import Mamba2
from nas_search.space.operators.rms_norm import l2_normalise

BATCH, TOKENS = 8, 256
TARGET_RATIO = 1.3
AGREEMENT = 1e-4
MODELS = ("d f m2 f a f m2 f", "m2 f m2 f m2 f m2 f", "d f d f d f d f", "a f a f a f a f")

Step = Callable[[], Tensor]


@dataclass(frozen=True)
class Comparison:
    """Contestants that compute the same; ours is the first."""

    name: str
    contestants: dict[str, Step]


@dataclass(frozen=True)
class Row:
    """One contestant's figures; the ratio is its time over ours."""

    comparison: str
    contestant: str
    n: int
    median_ms: float
    quartiles_ms: tuple[float, float]
    ratio: float
    ratio_low: float
    ratio_high: float


def delta_rule_of_transformers(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
    """Their gated delta rule without decay, queries and keys normalised inside."""
    gate = torch.zeros_like(beta)
    return torch_chunk_gated_delta_rule(q, k, v, gate, beta, use_qk_l2norm_in_kernel=True)[0]


class DeltaNetOfTransformers(nn.Module):
    """A DeltaNet layer from Qwen3-Next's fallbacks, with the weights of ours."""

    def __init__(self, ours: DeltaNetModule) -> None:
        super().__init__()
        self.heads, self.head_dim = ours.heads, ours.head_dim
        self.in_proj, self.out_proj, self.norm = ours.in_proj, ours.out_proj, ours.norm.weight
        self.conv_weight = nn.Parameter(ours.conv.weight.detach().T.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] to [B, T, C]."""
        qkv, beta = self.in_proj(x).split([3 * x.shape[-1], self.heads], -1)
        qkv = causal_conv1d_fn(qkv.transpose(1, 2), self.conv_weight, activation="silu").transpose(1, 2)
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in qkv.chunk(3, -1))
        y = delta_rule_of_transformers(q, k, v, beta.sigmoid())
        return self.out_proj((functional.rms_norm(y, (self.head_dim,), eps=1e-5) * self.norm).flatten(2))


def mamba2_of_transformers(ours: Mamba2Module, width: int, chunk: int) -> nn.Module:
    """Their mixer with the weights of ours."""
    sizes = ours.sizes
    config = Mamba2Config(
        hidden_size=width,
        num_heads=sizes.heads,
        head_dim=sizes.head_dim,
        state_size=sizes.state,
        n_groups=sizes.groups,
        expand=sizes.inner // width,
        chunk_size=chunk,
        num_hidden_layers=1,
        use_bias=False,
        layer_norm_epsilon=1e-5,
    )
    theirs = Mamba2Mixer(config, 0)
    weights = ours.state_dict()
    weights["conv1d.weight"] = weights.pop("conv.weight").T.unsqueeze(1)
    weights["conv1d.bias"] = weights.pop("conv.bias")
    theirs.load_state_dict(weights)
    return theirs


def both_ways(function: Callable[..., Tensor], *inputs: Tensor) -> Step:
    """Forward and backward from random-looking but fixed output gradients."""
    generator = torch.Generator().manual_seed(1)
    gradient = torch.randn(function(*inputs).shape, generator=generator)

    def step() -> Tensor:
        output = function(*inputs)
        output.backward(gradient)
        return output.detach()

    return step


def leaves(*shapes: tuple[int, ...]) -> Iterator[Tensor]:
    """Inputs that want gradients, from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(shape, generator=generator).requires_grad_() for shape in shapes)


def layer_comparisons(width: int) -> Iterator[Comparison]:
    """Whole layers: projections, convolution, recurrence, norm."""
    torch.manual_seed(0)
    (x,) = leaves((BATCH, TOKENS, width))
    ours = Mamba2Module(Mamba2(), width)
    steps = {"nas-search": both_ways(ours, x)}
    for chunk in (64, 256):
        steps[f"transformers, chunk {chunk}"] = both_ways(mamba2_of_transformers(ours, width, chunk), x)
    yield Comparison(f"Mamba-2 layer, width {width}", steps)
    delta = DeltaNetModule(DeltaNet(), width)
    theirs = both_ways(DeltaNetOfTransformers(delta), x)
    yield Comparison(f"DeltaNet layer, width {width}", {"nas-search": both_ways(delta, x), "transformers": theirs})


def recurrence_comparisons(head_dim: int, heads: int = 4) -> Iterator[Comparison]:
    """The recurrences alone."""
    wide, shared = (BATCH, TOKENS, heads, head_dim), (BATCH, TOKENS, 1, head_dim)
    x, dt, b, c = leaves(wide, (BATCH, TOKENS, heads), shared, shared)
    rate = -torch.linspace(1, 16, heads)

    def our_scan(x: Tensor, dt: Tensor, b: Tensor, c: Tensor) -> Tensor:
        dt = functional.softplus(dt - 3)
        return chunked_scan(x * dt.unsqueeze(-1), dt * rate, b, c)

    def their_scan(x: Tensor, dt: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return mamba2_chunk_scan(x, functional.softplus(dt - 3), rate, b, c, chunk_size=64)

    scans = {
        "nas-search": both_ways(our_scan, x, dt, b, c),
        "transformers, chunk 64": both_ways(their_scan, x, dt, b, c),
    }
    yield Comparison(f"Mamba-2 scan, {heads} heads of {head_dim}", scans)

    def our_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        return chunked_delta_rule(l2_normalise(q) * head_dim**-0.5, l2_normalise(k), v, beta.sigmoid())[0]

    def their_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        return delta_rule_of_transformers(q, k, v, beta.sigmoid())

    inputs = tuple(leaves(wide, wide, wide, (BATCH, TOKENS, heads)))
    rules = {"nas-search": both_ways(our_rule, *inputs), "transformers": both_ways(their_rule, *inputs)}
    yield Comparison(f"delta rule, {heads} heads of {head_dim}", rules)


def check_agreement(comparison: Comparison) -> None:
    """Raise RuntimeError unless all contestants give the same output."""
    expected, *others = (step() for step in comparison.contestants.values())
    for name, output in zip(list(comparison.contestants)[1:], others, strict=True):
        error = ((output - expected).norm() / expected.norm()).item()
        if not error < AGREEMENT:
            raise RuntimeError(f"{comparison.name}: {name} differs from ours by {error:.1e}")


def cpu_ms(step: Callable[[], object]) -> float:
    """CPU time of this thread for one call."""
    start = time.thread_time_ns()
    step()
    return (time.thread_time_ns() - start) / 1e6


def compare(comparison: Comparison, rounds: int) -> list[Row]:
    """Time all contestants in turn, after one round of warm-up."""
    check_agreement(comparison)
    steps = comparison.contestants
    times = np.array([[cpu_ms(step) for step in steps.values()] for _ in range(rounds + 1)])[1:]
    draws = np.random.default_rng(0).integers(rounds, size=(2000, rounds))
    rows = []
    for name, column in zip(steps, times.T, strict=True):
        ratios = column / times[:, 0]
        low, high = np.quantile(np.median(ratios[draws], axis=1), (0.025, 0.975))
        quartiles = np.quantile(column, (0.25, 0.75))
        figures = (float(np.median(ratios)), float(low), float(high))
        spread = (float(quartiles[0]), float(quartiles[1]))
        rows.append(Row(comparison.name, name, rounds, float(np.median(column)), spread, *figures))
    return rows


def model_tokens_per_second(operators: str, width: int, rounds: int) -> float:
    """Median training speed of a whole network, forward and backward, without the optimiser."""
    model = HybridLM(Architecture.parse(f"w{width} {operators}"))
    tokens = torch.randint(256, (BATCH, TOKENS + 1), generator=torch.Generator().manual_seed(0))
    times = [cpu_ms(lambda: model.loss(tokens).backward()) for _ in range(rounds + 1)][1:]
    return BATCH * TOKENS / float(np.median(times)) * 1e3


def comparison_table(rows: list[Row]) -> Table:
    """All comparisons, for people."""
    table = Table(title=f"forward + backward, batch {BATCH} x {TOKENS} tokens, one thread, CPU time")
    for column in ("comparison", "contestant"):
        table.add_column(column)
    for column in ("n", "median ms", "quartiles ms", "time / ours [95 %]"):
        table.add_column(column, justify="right")
    for row in rows:
        spread = f"{row.quartiles_ms[0]:.1f} - {row.quartiles_ms[1]:.1f}"
        ratio = f"{row.ratio:.2f} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]"
        table.add_row(row.comparison, row.contestant, str(row.n), f"{row.median_ms:.1f}", spread, ratio)
    return table


def model_table(speeds: dict[str, float]) -> Table:
    """Whole networks, for people."""
    table = Table(title="whole networks, forward + backward")
    table.add_column("architecture")
    table.add_column("tokens/s", justify="right")
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:,.0f}")
    return table


def main() -> None:
    """Run all comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and only the narrow sizes")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    rounds, widths, head_dims = (7, (128,), (32,)) if quick else (25, (128, 256), (32, 64))
    comparisons = [c for width in widths for c in layer_comparisons(width)]
    comparisons += [c for head_dim in head_dims for c in recurrence_comparisons(head_dim)]
    rows = [row for comparison in comparisons for row in compare(comparison, rounds)]
    speeds = {
        f"w{width} {operators}": model_tokens_per_second(operators, width, max(3, rounds // 5))
        for width in ((128,) if quick else (64, 128, 256))
        for operators in MODELS
    }
    console = Console(width=120)
    console.print(comparison_table(rows), model_table(speeds))
    reached = all(row.ratio_low >= TARGET_RATIO for row in rows if row.contestant != "nas-search")
    console.print(f"target: every interval above {TARGET_RATIO}: {'reached' if reached else 'NOT reached'}")
    versions = {name: version(name) for name in ("torch", "transformers")} | {"machine": platform.processor()}
    print(json.dumps({"rows": [asdict(row) for row in rows], "tokens_per_second": speeds, "versions": versions}))


if __name__ == "__main__":
    main()
