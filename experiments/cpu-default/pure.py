"""Part two: is the winner at least as good as pure networks of equal measured latency?

    python experiments/cpu-default/pure.py --out DIR [--seeds 0 1 2] [--tokens 196608]

DIR is that of ``searches.py``, whose first default search gives the winner. For every mixer M of the space and
every number of blocks, ``(M f)xN`` and ``(M)xN`` are widened as far as they are measured to be no slower than the
winner. All are trained on the lowest rung, the best three of every mixer on the top rung; the best one, and the
winner, are trained for the last budget with every seed. Results are kept in DIR/pure/, so that an interrupted
run goes on.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
from searches import interval

from nas_search.files import write_text_atomic
from nas_search.profiler.device import resolve_device
from nas_search.profiler.measure import measure_architectures
from nas_search.profiler.workload import Workload
from nas_search.proxies.data import Corpus, load_corpus
from nas_search.search.study import Study
from nas_search.space.architecture import Architecture

Job = tuple[str, int, int]
"""Notation, tokens and seed."""

# Finer and wider than the space's own widths, in favour of the pure networks.
WIDTHS = (32, 64, 96, 128, 160, 192, 224, 256, 320, 384)
BLOCKS = range(1, 7)
# A pure network may be this much slower than the winner: widths come in steps.
TOLERANCE = 1.02


def candidates(study: Study, winner: Architecture) -> dict[str, list[tuple[Architecture, float]]]:
    """For every mixer the widest network at each depth that is no slower than the winner, with its latency (ms)."""
    mixers = [spec.notation for spec in study.space.operator_specs() if spec.mixes_tokens]
    patterns = [(mixer, f"({block})x{n}") for mixer in mixers for block in (f"{mixer} f", mixer) for n in BLOCKS]
    networks = [
        [Architecture(width=width, operators=operators, vocabulary=winner.vocabulary) for width in WIDTHS]
        for _, operators in patterns
    ]
    workload = Workload.parse(study.config.workload)
    flat = [network for widths in networks for network in widths]
    limit, *measured = (
        m.latency_ms for m in measure_architectures([winner, *flat], workload, seed=study.config.seed, clock="cpu")
    )
    latency = dict(zip(flat, measured, strict=True))
    chosen = {"winner": [(winner, limit)]}
    for (mixer, _), widths in zip(patterns, networks, strict=True):
        fits = [network for network in widths if latency[network] <= TOLERANCE * limit]
        if fits:
            chosen.setdefault(mixer, []).append((fits[-1], latency[fits[-1]]))
    return chosen


def score(job: Job, *, study_dir: Path, corpus_path: Path, folder: Path) -> float:
    """Bits per byte of one network, token budget and seed; kept in a file of its own."""
    notation, tokens, seed = job
    architecture = Architecture.parse(notation)
    kept = folder / f"{architecture.fingerprint}-{tokens}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())["bits_per_byte"]
    import torch

    from nas_search.proxies.short_training import train_rung

    torch.set_num_threads(1)
    result = train_rung(
        architecture,
        Corpus.open(corpus_path),
        Study.open(study_dir).config.recipe,
        rungs=[tokens],
        rung=0,
        seed=seed,
        checkpoint_dir=folder / f"{architecture.fingerprint}-{seed}",
    )
    if result.bits_per_byte is None:
        raise SystemExit(f"{notation}: {result.failure}")
    write_text_atomic(
        kept, json.dumps({"architecture": notation, "tokens": tokens, "bits_per_byte": result.bits_per_byte})
    )
    return result.bits_per_byte


def main() -> None:
    """Choose, screen, train, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tokens", type=int, help="budget of the last comparison (default: that of confirmation)")
    arguments = parser.parse_args()
    study = Study.open(arguments.out / f"gp-{arguments.seeds[0]}")
    winner = study.winner()
    if winner is None:
        raise SystemExit(f"{study.run_dir}: no winner yet")
    folder = arguments.out / "pure"
    folder.mkdir(exist_ok=True)
    chosen = _kept_candidates(folder / "candidates.json", study, Architecture.parse(winner.architecture))
    corpus = load_corpus(study.config.data, study.config.tokenizer)
    work = partial(score, study_dir=study.run_dir, corpus_path=corpus.path, folder=folder)
    with get_context("spawn").Pool(study.config.worker_count) as pool:
        few = _screen(pool, work, chosen, study.config.lowest_rung, keep=3)
        finalists = _screen(pool, work, few, study.config.tokens, keep=1)
        best = {mixer: networks[0] for mixer, networks in finalists.items()}
        tokens = arguments.tokens or study.config.resolved().confirm_tokens
        jobs = [(notation, tokens, seed) for notation, _ in best.values() for seed in arguments.seeds]
        losses = np.array(pool.map(work, jobs, chunksize=1)).reshape(len(best), len(arguments.seeds))
    _print(best, losses, tokens)


def _kept_candidates(path: Path, study: Study, winner: Architecture) -> dict[str, list[tuple[str, float]]]:
    if not path.exists():
        found = candidates(study, winner)
        plain = {mixer: [(network.notation, ms) for network, ms in rows] for mixer, rows in found.items()}
        write_text_atomic(path, json.dumps(plain))
    return {mixer: [(notation, ms) for notation, ms in rows] for mixer, rows in json.loads(path.read_text()).items()}


def _screen(
    pool: Pool, work: Callable[[Job], float], chosen: dict[str, list[tuple[str, float]]], tokens: int, keep: int
) -> dict[str, list[tuple[str, float]]]:
    """The ``keep`` networks of every mixer with the lowest loss after ``tokens``."""
    rows = [(mixer, notation, ms) for mixer, networks in chosen.items() for notation, ms in networks]
    losses = pool.map(work, [(notation, tokens, 0) for _, notation, _ in rows], chunksize=1)
    kept: dict[str, list[tuple[str, float]]] = {}
    for _, (mixer, notation, ms) in sorted(zip(losses, rows, strict=True)):
        if len(kept.setdefault(mixer, [])) < keep:
            kept[mixer].append((notation, ms))
    return {mixer: kept[mixer] for mixer in chosen}


def _print(best: dict[str, tuple[str, float]], losses: np.ndarray, tokens: int) -> None:
    device = resolve_device("cpu")
    print(f"device: {device.description}; {tokens:,} tokens, {losses.shape[1]} seeds")
    rows = []
    for (mixer, (notation, ms)), row in zip(best.items(), losses, strict=True):
        against = interval(row, losses[0])
        rows.append(
            {"mixer": mixer, "architecture": notation, "latency_ms": ms, "bits_per_byte": row.tolist(), **against}
        )
        print(
            f"{mixer:16} {ms:7.3f} ms  {row.mean():.4f} bits/byte  minus winner {against['difference']:+.4f} "
            f"[{against['low']:+.4f}, {against['high']:+.4f}]  {notation}"
        )
    print(json.dumps({"device": device.id, "tokens": tokens, "rows": rows}))


if __name__ == "__main__":
    main()
