"""``onnx``: prefill and one decode step, for onnxruntime."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nas_search.errors import InputError
from nas_search.files import write_atomic, write_text_atomic
from nas_search.results.export.base import ExportSource
from nas_search.results.winner_files import CARD_FILE, WEIGHTS_FILE
from nas_search.space.architecture import Architecture
from nas_search.space.operators.attention.spec import AttentionSpec
from nas_search.space.operators.base import OperatorSpec

if TYPE_CHECKING:
    from nas_search.space.model import HybridLM

NEEDED = ("onnx", "onnxruntime", "onnxscript")


class OnnxExporter:
    """Every architecture, as long as what its operators keep has a fixed size or is a cache of our attention."""

    name = "onnx"
    about = "prefill and one decode step as ONNX graphs, checked in onnxruntime"

    def misfit(self, architecture: Architecture) -> str | None:
        """An operator of another package whose state grows: how it grows is not known here."""
        for place, operator in enumerate(architecture.operators, 1):
            if _grows(operator, architecture.width) and not isinstance(operator, AttentionSpec):
                return f"operator {place} ({operator.notation}) is of another package and its state grows with the text"
        return None

    def write(self, source: ExportSource, folder: Path) -> None:
        """Write graphs, weights, README, configuration, and a tokenizer if there is one; run the graphs.

        Raises InputError without weights or without the packages of the extra ``export``, RunError if an operator
        cannot be traced, or if onnxruntime gets other logits.
        """
        missing = [package for package in NEEDED if find_spec(package) is None]
        if missing:
            raise InputError(f"format 'onnx' needs {', '.join(missing)}: pip install 'nas-search[export]'")
        if source.model is None:
            raise InputError("format 'onnx' has weights in it: export without --no-weights")
        _write(source, source.model, folder)


def _write(source: ExportSource, network: HybridLM, folder: Path) -> None:
    from nas_search.results.export.hf.json_files import write_json
    from nas_search.results.export.hf.tokenizer_files import write_tokenizer
    from nas_search.results.export.onnx.card import configuration, model_card
    from nas_search.results.export.onnx.check import check_files
    from nas_search.results.export.onnx.graphs import PREFILL_FILE, STEP_FILE, prefill_graph, step_graph
    from nas_search.results.export.onnx.weights import initializers, weights_file

    file = weights_file(network)
    weights = initializers(file)
    write_atomic(folder / WEIGHTS_FILE, file)
    del file
    write_atomic(folder / PREFILL_FILE, prefill_graph(network, weights).SerializeToString(deterministic=True))
    write_atomic(folder / STEP_FILE, step_graph(network, weights).SerializeToString(deterministic=True))
    difference = check_files(network, folder)
    write_json(folder / "config.json", configuration(source, network, difference))
    write_text_atomic(folder / CARD_FILE, model_card(source, network, difference))
    if source.tokenizer is not None:
        write_tokenizer(source.tokenizer, folder)


def _grows(operator: OperatorSpec, width: int) -> bool:
    """Whether a longer text leaves more behind."""
    return operator.state_elements(width, 2) > operator.state_elements(width, 1)
