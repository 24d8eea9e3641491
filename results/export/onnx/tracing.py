"""Modules as functions of an ONNX model, by torch's exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import Dim

if TYPE_CHECKING:
    import onnx

DOMAIN = "nas_search"
OPSET = 18
"""The oldest that torch's exporter writes natively."""


@torch.no_grad()
def trace(name: str, module: nn.Module, inputs: Sequence[tuple[Tensor, Sequence[int]]]) -> onnx.FunctionProto:
    """``module`` as an ONNX function of its inputs and, after them, its parameters in their order.

    Of each input an example is given, and which of its dimensions vary. The module must have been called before: what
    it then makes once and keeps, such as the eps of a norm, would otherwise be made by the tracer and of no use later.
    """
    weights = list(module.parameters())
    examples = (*(example for example, _ in inputs), *weights)
    varying = [dict.fromkeys(dims, Dim.DYNAMIC) for _, dims in inputs] + [{} for _ in weights]
    with _quiet():
        exported = torch.export.export(_Pure(module), examples, dynamic_shapes=(tuple(varying),), strict=False)
        program = torch.onnx.export(
            exported, dynamo=True, opset_version=OPSET, verbose=False, custom_translation_table=_translations()
        )
    assert program is not None
    return _function(name, program.model_proto)


class _Pure(nn.Module):
    """A module whose parameters are inputs, so that the tracer does not take them for constants."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._hidden = (module,)

    def forward(self, *inputs: Tensor) -> Any:
        """The module's output for its own inputs and, after them, its parameters."""
        (module,) = self._hidden
        names = [name for name, _ in module.named_parameters()]
        own = len(inputs) - len(names)
        return torch.func.functional_call(module, dict(zip(names, inputs[own:], strict=True)), inputs[:own])


def _translations() -> dict[Any, Any]:
    """What torch's exporter does not know."""
    from onnxscript import opset18 as op

    def hypot(x: Any, y: Any) -> Any:
        return op.Sqrt(op.Add(op.Mul(x, x), op.Mul(y, y)))

    return {torch.ops.aten.hypot.default: hypot}


def _function(name: str, model: onnx.ModelProto) -> onnx.FunctionProto:
    """A function that does what the model's graph does; it has no initializers, so constants become nodes."""
    from onnx import helper

    graph = model.graph
    constants = [
        helper.make_node("Constant", [], [initializer.name], value=initializer) for initializer in graph.initializer
    ]
    nodes = [*constants, *graph.node]
    _strip(nodes)
    inputs, outputs = ([value.name for value in values] for values in (graph.input, graph.output))
    return helper.make_function(DOMAIN, name, inputs, outputs, nodes, list(model.opset_import))


def _strip(nodes: Iterable[onnx.NodeProto]) -> None:
    """Take out where in our files a node is from, and the tracer's names of sizes."""
    for node in nodes:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _strip(attribute.g.node)
                attribute.g.ClearField("value_info")
                for value in (*attribute.g.input, *attribute.g.output):
                    for dim in value.type.tensor_type.shape.dim:
                        dim.ClearField("dim_param")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not installed and on its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
