"""Part two: is the winner at least as good as pure networks of equal measured latency?

    python experiments/cpu-default/pure.py --out DIR [--seeds 0 1 2]

DIR is that of ``searches.py``, whose first default search gives the winner. For every mixer M of the space and every number of
blocks, ``(M f)xN`` is widened as far as it is measured to be no slower than the winner. Each is screened at the top rung; the
best one of every mixer, and the winner, are trained for the confirmation budget with every seed. Results are kept in
DIR/pure/, so that an interrupted run goes on.
"""

import argparse
import json
from functools import partial
from multiprocessing import get_context
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

# Finer and wider than the space's own widths, in favour of the pure networks.
WIDTHS = (32, 64, 96, 128, 160, 192, 224, 256, 320, 384)
BLOCKS = range(1, 7)
# A pure network may be this much slower than the winner: widths come in steps.
TOLERANCE = 1.02


def candidates(study: Study, winner: Architecture) -> dict[str, list[tuple[Architecture, float]]]:
    """For every mixer the widest network at each depth that is no slower than the winner, with its latency (ms)."""
    mixers = [spec.notation for spec in study.space.operator_specs() if spec.mixes_tokens]
    networks = [
        Architecture(width=width, operators=f"({mixer} f)x{blocks}", vocabulary=winner.vocabulary)
        for mixer in mixers
        for blocks in BLOCKS
        for width in WIDTHS
    ]
    workload = Workload.parse(study.config.workload)
    measured = measure_architectures([winner, *networks], workload, seed=study.config.seed, clock="cpu")
    latency = dict(zip([winner.notation, *(n.notation for n in networks)], (m.latency_ms for m in measured), strict=True))
    limit = TOLERANCE * latency[winner.notation]
    chosen: dict[str, list[tuple[Architecture, float]]] = {mixer: [(winner, latency[winner.notation])] for mixer in ["winner"]}
    for mixer in mixers:
        for blocks in BLOCKS:
            fits = [n for n in networks if n.operators == networks_operators(mixer, blocks) and latency[n.notation] <= limit]
            if fits:
                widest = max(fits, key=lambda network: network.width)
                chosen.setdefault(mixer, []).append((widest, latency[widest.notation]))
    return chosen


def networks_operators(mixer: str, blocks: int) -> tuple:
    """The operators of ``(mixer f)xN``."""
    return Architecture(width=64, operators=f"({mixer} f)x{blocks}").operators


def score(job: tuple[str, int, int], *, study_dir: Path, corpus_path: Path, folder: Path) -> float:
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
    write_text_atomic(kept, json.dumps({"architecture": notation, "tokens": tokens, "bits_per_byte": result.bits_per_byte}))
    return result.bits_per_byte


def main() -> None:
    """Choose, screen, train, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    study = Study.open(arguments.out / f"evolution-{arguments.seeds[0]}")
    winner = study.winner()
    if winner is None:
        raise SystemExit(f"{study.run_dir}: no winner yet")
    folder = arguments.out / "pure"
    folder.mkdir(exist_ok=True)
    chosen = _kept_candidates(folder / "candidates.json", study, Architecture.parse(winner.architecture))
    corpus = load_corpus(study.config.data, study.config.tokenizer)
    work = partial(score, study_dir=study.run_dir, corpus_path=corpus.path, folder=folder)
    with get_context("spawn").Pool(study.config.worker_count) as pool:
        best = _screen(pool, work, chosen, study.config.tokens)
        tokens = study.config.resolved().confirm_tokens
        jobs = [(notation, tokens, seed) for notation, _ in best.values() for seed in arguments.seeds]
        losses = np.array(pool.map(work, jobs, chunksize=1)).reshape(len(best), len(arguments.seeds))
    _print(best, losses, tokens)


def _kept_candidates(path: Path, study: Study, winner: Architecture) -> dict[str, list[tuple[str, float]]]:
    if not path.exists():
        found = candidates(study, winner)
        plain = {mixer: [(network.notation, ms) for network, ms in rows] for mixer, rows in found.items()}
        write_text_atomic(path, json.dumps(plain))
    return {mixer: [(notation, ms) for notation, ms in rows] for mixer, rows in json.loads(path.read_text()).items()}


def _screen(pool, work, chosen: dict[str, list[tuple[str, float]]], tokens: int) -> dict[str, tuple[str, float]]:
    """The network of every mixer with the lowest loss at the top rung."""
    rows = [(mixer, notation, ms) for mixer, networks in chosen.items() for notation, ms in networks]
    losses = pool.map(work, [(notation, tokens, 0) for _, notation, _ in rows], chunksize=1)
    best: dict[str, tuple[float, str, float]] = {}
    for (mixer, notation, ms), loss in zip(rows, losses, strict=True):
        if mixer not in best or loss < best[mixer][0]:
            best[mixer] = (loss, notation, ms)
    return {mixer: (notation, ms) for mixer, (_, notation, ms) in best.items()}


def _print(best: dict[str, tuple[str, float]], losses: np.ndarray, tokens: int) -> None:
    device = resolve_device("cpu")
    print(f"device: {device.description}; {tokens:,} tokens, {losses.shape[1]} seeds")
    rows = []
    for (mixer, (notation, ms)), row in zip(best.items(), losses, strict=True):
        against = interval(row - losses[0])
        rows.append({"mixer": mixer, "architecture": notation, "latency_ms": ms, "bits_per_byte": row.tolist(), **against})
        print(
            f"{mixer:16} {ms:7.3f} ms  {row.mean():.4f} bits/byte  minus winner {against['difference']:+.4f} "
            f"[{against['low']:+.4f}, {against['high']:+.4f}]  {notation}"
        )
    print(json.dumps({"device": device.id, "tokens": tokens, "rows": rows}))


if __name__ == "__main__":
    main()
