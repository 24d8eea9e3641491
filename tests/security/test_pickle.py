"""Nothing that others hand over is unpickled."""

import ast
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_search.errors import InputError
from nas_search.proxies.data import Corpus

ROOT = Path(__file__).parents[2]
PACKAGE = ("space", "profiler", "proxies", "search", "results", "src/nas_search")
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
CALLS = {
    "torch.load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "eval",
    "exec",
}


def sources() -> list[Path]:
    """Our own code, each file once."""
    found = {path.resolve() for folder in PACKAGE for path in (ROOT / folder).rglob("*.py")}
    assert len(found) > 300
    return sorted(found)


def test_no_module_unpickles_or_evaluates() -> None:
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                found += [f"{path}:{node.lineno} {name}" for name in names if name.split(".")[0] in UNPICKLERS]
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
                found.append(f"{path}:{node.lineno} {ast.unparse(node.func)}")
    assert not found


def test_arrays_are_read_without_pickle() -> None:
    """And every reader of arrays says so, whatever the default becomes."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"np.load", "numpy.load"}:
                allowed = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert allowed.get("allow_pickle") == "False", f"{path}:{node.lineno}"


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_tokens_that_are_a_pickle(tmp_path: Path) -> None:
    mark, tokens = tmp_path / "mark", np.empty(1, dtype=object)
    tokens[0] = _Trap(mark)
    (tmp_path / "corpus.json").write_text(
        '{"name": "x", "vocabulary": 256, "bytes_per_token": 1, "tokenizer": "bytes", "hash": "x", "format": 1, '
        '"train_tokens": 1, "validation_tokens": 1}'
    )
    for name in ("train", "validation"):
        np.save(tmp_path / f"{name}.npy", tokens, allow_pickle=True)
    with pytest.raises(InputError, match="corpus"):
        Corpus.open(tmp_path)
    assert not mark.exists()


def test_weights_that_are_a_pickle(tmp_path: Path) -> None:
    from nas_search.results.loaded_model import load_model

    mark = tmp_path / "mark"
    (tmp_path / "architecture.yaml").write_text("width: 32\noperators: a f\n")
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(_Trap(mark)))
    with pytest.raises(InputError, match="no readable safetensors"):
        load_model(tmp_path)
    assert not mark.exists()
