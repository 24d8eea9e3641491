"""Targets that people type or write: notation, YAML, workloads, budgets, limits, objectives, picks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml
from mutation import mutated_text, mutated_tree
from target import Case, Target

NOTATIONS = (
    "w64 a",
    "w256 (d f m2 f)x2",
    "w2048 vocab=131072 meta=256 (d f m2 f a f m2 f)x2 (d f m2 f)x2",
    "w128 untied (a[heads=4,kv=2] f[ratio=2.5])x3 swa[window=64] f",
    "w64 ((m2 f)x2 (gla r7)x3)x4",
    "w512 gd m gla r7 a[head_dim=64,rope_theta=1e6,qk_norm=yes] f",
)
NOTATION_WORDS = (
    "w", "w64", "a", "swa", "m", "m2", "d", "gd", "gla", "r7", "f", "(", ")", "x2", "x999999999", "[", "]", "[heads=4]",
    "[heads=0]", "[heads=-1]", "[kv=3]", "[window=1]", "[ratio=1e999]", "[ratio=nan]", "[rope_theta=inf]", "heads=",
    "vocab=", "vocab=999999999", "meta=", "meta=65537", "untied", "w1048577", "w0", ",", "=", "a[", "(" * 40, "x512",
)  # fmt: skip
SPACE: dict[str, Any] = {
    "name": "tiny", "stages": ["early", "late"], "options": {"a": {"heads": [2, 4]}, "f": {"ratio": [2, 3]}},
    "mixers": ["a", "m2[state=16]", "d"], "ffn": "f", "ratios": ["1:1", "1:2"], "ffns": [1, "between"],
    "max_repeats": 3, "interleave": ["none", "early-late"], "widths": [32, 64],
    "width": "gene", "max_operators": 16, "vocabulary": 256,
    "meta_tokens": 0, "tied_head": True,
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "device": "cpu", "space": "cpu", "workload": "decode:64", "objectives": ["loss", "memory:256"],
    "limits": ["parameters<=5M"], "latency_budget": "3x", "sampler": "evolution",
    "sampler_options": {"population": 20, "sample_size": 5}, "trials": 4, "tokens": 12288, "seed": 3, "hours": 1.5,
    "recipe": {"batch": 2, "learning_rate": 0.002, "warmup_tokens": 8192}, "warm_start": ["runs/a"],
}  # fmt: skip
RECIPE: dict[str, Any] = {
    "architecture": "w64 (a f)x2", "data": "embedded", "tokenizer": "bpe:300", "corpus": "0123456789abcdef",
    "tokens": 100_000, "seed": 1, "device": "auto", "recipe": {"sequence_length": 64, "optimizer": "muon"},
}  # fmt: skip
QUESTIONS = (
    "workload decode:256", "workload prefill:512,batch=4", "workload generate:128,prompt=64,dtype=bfloat16",
    "workload throughput:32768,state=bfloat16,dtype=bfloat16", "budget 12ms", "budget 15s", "budget 3x",
    "budget nemotron-flash-1b", "budget w64 (a f)x2", "limit prefill:512<=20ms", "limit memory:32768<=2GiB",
    "limit parameters<=5M", "limit throughput:1024>=500", "objective energy:256", "objective loss", "pick budget=12ms",
    "pick trial=17", "pick knee", "tokenizer bpe:300", "architecture qwen3-0.6b", "space paper", "formats hf",
)  # fmt: skip


SECRET = "s3cr3t-Pa55"
STORAGES = (
    f"postgresql://me:{SECRET}@db.example:5432/studies", f"postgresql+psycopg://me:{SECRET}@db/studies?sslmode=require",
    f"postgres://me:{SECRET}@[::1]/studies", "sqlite:///studies.db",
)  # fmt: skip
STORAGE_WORDS = (
    "@",
    ":",
    "/",
    "?",
    "#",
    "%40",
    "%",
    "[",
    "]",
    "//",
    "?password=x",
    "&sslpassword=x",
    "mysql",
    ":memory:",
)


def _text(seeds: Sequence[str], words: Sequence[str], read: Callable[[str], Any]) -> Case:
    def draw(rng: Random) -> bytes:
        text = mutated_text(rng.choice(seeds), rng, words, rng.choice(seeds))
        return text.encode("utf-8", "surrogatepass")

    return Case(draw, lambda data: read(data.decode("utf-8", "replace")))


def yaml_case(tree: dict[str, Any], words: Sequence[str], read: Callable[[str], Any]) -> Case:
    """Half of the inputs are trees with other values, half are texts with other characters."""
    flat = yaml.safe_dump(tree, sort_keys=False)

    def draw(rng: Random) -> bytes:
        if rng.random() < 0.5:
            kept = {key: value for key, value in tree.items() if rng.random() < 0.8}
            return json.dumps(mutated_tree(kept, rng)).encode("utf-8", "surrogatepass")
        return mutated_text(flat, rng, words, flat).encode("utf-8", "surrogatepass")

    return Case(draw, lambda data: read(data.decode("utf-8", "replace")))


def _notation(folder: Path) -> Case:
    from nas_search.space.architecture import Architecture
    from nas_search.space.zoo import resolve_architecture

    def read(text: str) -> None:
        found = resolve_architecture(text)
        if Architecture.parse(found.notation) != found:
            raise AssertionError(f"{found.notation} reads back as something else")

    return _text(NOTATIONS, NOTATION_WORDS, read)


def _architecture(folder: Path) -> Case:
    from nas_search.space.architecture import Architecture

    tree = {"width": 64, "operators": "(a f)x2 m2[state=16]", "vocabulary": 256, "meta_tokens": 2, "tied_head": False}

    def read(text: str) -> None:
        found = Architecture.from_yaml(text, "net.yaml")
        found.parameters, found.flops(64), found.state_bytes(64)

    return yaml_case(tree, NOTATION_WORDS, read)


def _space(folder: Path) -> Case:
    import numpy as np

    from nas_search.space.search_space import load_space

    file = folder / "space.yaml"

    def read(text: str) -> None:
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        space = load_space(file)
        genome = space.sample(np.random.default_rng(0))
        space.decode(space.canonical(genome)), space.largest(), space.size

    return yaml_case(SPACE, ("!!int", "a[heads=3]", "99:99", "x" * 300, "512", "1048576"), read)


def _config(folder: Path) -> Case:
    from nas_search.search.config import SearchConfig
    from nas_search.search.goals import Goals
    from nas_search.search.rungs import Ladder

    def read(text: str) -> None:
        config = SearchConfig.from_yaml(text, "config.yaml")
        Goals.of(config)
        Ladder.build(config.tokens, config.lowest_rung)
        SearchConfig.from_yaml(config.to_yaml(), "config.yaml")

    return yaml_case(CONFIG, ("executor: ray", "storage: postgresql://a:b@c/d", "study: ../x", "hours: .inf"), read)


def _recipe(folder: Path) -> Case:
    from nas_search.proxies.schedule import check_rungs
    from nas_search.proxies.training_plan import TrainingPlan

    def read(text: str) -> None:
        plan = TrainingPlan.from_yaml(text, "recipe.yaml")
        check_rungs(plan.recipe, [plan.tokens])
        TrainingPlan.from_yaml(plan.to_yaml(), "recipe.yaml")

    return yaml_case(RECIPE, NOTATION_WORDS, read)


def _question(folder: Path) -> Case:
    from nas_search.profiler.workload import Workload
    from nas_search.proxies.tokenizer import bpe_size
    from nas_search.results.export.export import named_exporters
    from nas_search.results.export.pick import parse_pick
    from nas_search.search.budget import parse_budget
    from nas_search.search.objectives import Limit, Quantity
    from nas_search.space.search_space import load_space
    from nas_search.space.zoo import resolve_architecture

    readers: dict[str, Callable[[str], Any]] = {
        "workload": lambda text: Workload.parse(str(Workload.parse(text))),
        "budget": parse_budget,
        "limit": lambda text: Limit.parse(str(Limit.parse(text))),
        "objective": Quantity.parse,
        "pick": parse_pick,
        "tokenizer": bpe_size,
        "architecture": resolve_architecture,
        "space": load_space,
        "formats": lambda text: named_exporters(text.split(",")),
    }
    words = ("batch=", "prompt=", "dtype=float64", "<=", ">=", "GiB", "ms", "1e5", ".5", "1e-400", "x", ",", "budget=")

    def draw(rng: Random) -> bytes:
        kind, _, text = rng.choice(QUESTIONS).partition(" ")
        _, _, other = rng.choice(QUESTIONS).partition(" ")
        return f"{kind} {mutated_text(text, rng, words, other)}".encode("utf-8", "surrogatepass")

    def read(data: bytes) -> None:
        kind, _, text = data.decode("utf-8", "replace").partition(" ")
        if kind in readers:
            readers[kind](text)

    return Case(draw, read)


def _storage(folder: Path) -> Case:
    """URLs of databases, whose password must never be seen again."""
    from nas_search.errors import InputError
    from nas_search.search.config import SearchConfig
    from nas_search.search.storage.url import described, engine_url, public_url

    whole = f":{SECRET}@"

    def draw(rng: Random) -> bytes:
        url = rng.choice(STORAGES)
        if whole not in url or rng.random() < 0.5:
            return mutated_text(url, rng, STORAGE_WORDS, rng.choice(STORAGES)).encode("utf-8", "surrogatepass")
        before, _, after = url.partition(whole)
        changed = mutated_text(before, rng, STORAGE_WORDS), mutated_text(after, rng, STORAGE_WORDS)
        return whole.join(changed).encode("utf-8", "surrogatepass")

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        said: list[str] = []
        refused: InputError | None = None
        try:
            said.append(public_url(text))
            said += [engine_url(said[0]), described(said[0])]
            said.append(SearchConfig.checked({"storage": text}).to_yaml())
        except InputError as error:
            refused = error
            said.append(str(error))
        # Elsewhere in a URL, or in the name of a file, it is no password.
        secret = whole in text and text.count(SECRET) == 1 and not text.startswith("sqlite:")
        if secret and any(SECRET in one for one in said):
            raise AssertionError("the password is told")
        if refused is not None:
            raise refused

    return Case(draw, read)


TARGETS = (
    Target("notation", "an architecture as people type it", 340, _notation),
    Target("question", "workloads, budgets, limits, objectives, picks and names", 280, _question),
    Target("architecture", "an architecture's YAML", 30, _architecture),
    Target("space", "a search space's YAML", 15, _space),
    Target("config", "a search's YAML", 15, _config),
    Target("storage", "the URL of a storage", 20, _storage),
    Target("recipe", "a training's YAML", 15, _recipe),
)
