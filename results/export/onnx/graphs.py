"""The graphs of a network: its layers' functions, called one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_search import __version__
from nas_search.results.export.onnx.layers import Phase, layer_function, norm_function
from nas_search.results.export.onnx.states import BATCH, LENGTH, StatePart, network_states
from nas_search.results.export.onnx.tracing import DOMAIN, OPSET

if TYPE_CHECKING:
    import onnx

    from nas_search.space.model import HybridLM

PREFILL_FILE, STEP_FILE = "prefill.onnx", "step.onnx"
IR_VERSION = 10


class Port(NamedTuple):
    """An input or output of a graph; sizes that vary have a name."""

    name: str
    type: str
    shape: tuple[int | str, ...]


class Signature(NamedTuple):
    """What goes in and what comes out, in this order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def prefill_signature(network: HybridLM) -> Signature:
    """Tokens to logits of the next token and the states after the last one."""
    meta = network.architecture.meta_tokens
    after = _states(network, "present", f"tokens + {meta}" if meta else "tokens")
    return Signature((Port("tokens", "int64", (BATCH, "tokens")),), (_logits(network), *after))


def step_signature(network: HybridLM) -> Signature:
    """A token of each sequence, the number of tokens before it and states, to logits and the states after it."""
    given = (Port("tokens", "int64", (BATCH,)), Port("position", "int64", (1,)))
    before, after = _states(network, "past", LENGTH), _states(network, "present", f"{LENGTH} + 1")
    return Signature((*given, *before), (_logits(network), *after))


def prefill_graph(network: HybridLM, weights: Sequence[onnx.TensorProto]) -> onnx.ModelProto:
    """The graph of :func:`prefill_signature`. Raises RunError if torch cannot trace an operator."""
    nodes, x = [_node("Gather", ["embedding", "tokens"], "embedded")], "embedded"
    if network.meta_tokens is not None:
        nodes += [
            _node("Shape", ["tokens"], "batch", start=0, end=1),
            _node("Constant", [], "ones", value_ints=[1, 1]),
            _node("Concat", ["batch", "ones"], "repeats", axis=0),
            _node("Expand", ["meta_tokens", "repeats"], "prefix"),
            _node("Concat", ["prefix", x], "prefixed", axis=1),
        ]
        x = "prefixed"
    calls, x = _layers(network, "prefill", [x])
    nodes += [
        *calls,
        _node("Constant", [], "last", value_int=-1),
        _node("Gather", [x, "last"], "last_token", axis=1),
        *_head(network, "last_token"),
    ]
    return _model(network, "prefill", nodes, weights)


def step_graph(network: HybridLM, weights: Sequence[onnx.TensorProto]) -> onnx.ModelProto:
    """The graph of :func:`step_signature`. Raises RunError if torch cannot trace an operator."""
    calls, x = _layers(network, "step", ["embedded", "place"])
    nodes = [
        _node("Gather", ["embedding", "tokens"], "embedded"),
        _node("Constant", [], "meta", value_ints=[network.architecture.meta_tokens]),
        _node("Add", ["position", "meta"], "place"),
        *calls,
        *_head(network, x),
    ]
    return _model(network, "step", nodes, weights)


def _layers(network: HybridLM, phase: Phase, inputs: Sequence[str]) -> tuple[list[onnx.NodeProto], str]:
    """Calls of all layers, x first among their inputs, and what x is called after the last."""
    x, *others = inputs
    nodes = []
    layers = zip(network._layers(), network.architecture.operators, network_states(network), strict=True)
    for place, (layer, operator, states) in enumerate(layers):
        function = layer_function(operator, network.architecture.width, phase)
        before = [f"past.{part.name}" for part in states] if phase == "step" else []
        weights = [f"layers.{place}.{name}" for name, _ in layer.named_parameters()]
        after = [f"present.{part.name}" for part in states]
        nodes.append(_call(function, [x, *others, *before, *weights], [f"x.{place}", *after], f"layer {place}"))
        x = f"x.{place}"
    return nodes, x


def _head(network: HybridLM, x: str) -> list[onnx.NodeProto]:
    head = "embedding" if network.head is None else "head"
    norm = _call(norm_function(network.architecture.width), [x, "norm.weight"], ["normed"], "norm")
    return [norm, _node("Gemm", ["normed", head], "logits", transB=1)]


def _model(
    network: HybridLM, phase: Phase, nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto]
) -> onnx.ModelProto:
    """A model of these nodes, the functions that they call, and weights that lie elsewhere."""
    from onnx import helper

    signature = prefill_signature(network) if phase == "prefill" else step_signature(network)
    inputs, outputs = ([_value(port) for port in ports] for ports in signature)
    width = network.architecture.width
    used = {name for node in nodes for name in node.input}
    layers = {operator: layer_function(operator, width, phase) for operator in network.architecture.operators}
    model: onnx.ModelProto = helper.make_model(
        helper.make_graph(nodes, phase, inputs, outputs, [weight for weight in weights if weight.name in used]),
        functions=[*layers.values(), norm_function(width)],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
        ir_version=IR_VERSION,
        producer_name="nas-search",
        producer_version=__version__,
    )
    return model


def _node(operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    from onnx import helper

    node: onnx.NodeProto = helper.make_node(operation, inputs, [output], **attributes)
    return node


def _call(function: onnx.FunctionProto, inputs: Sequence[str], outputs: Sequence[str], name: str) -> onnx.NodeProto:
    from onnx import helper

    node: onnx.NodeProto = helper.make_node(function.name, inputs, outputs, name=name, domain=DOMAIN)
    return node


def _states(network: HybridLM, when: str, length: str) -> list[Port]:
    parts = [part for layer in network_states(network) for part in layer]
    return [Port(f"{when}.{part.name}", "float32", _with_length(part, length)) for part in parts]


def _with_length(part: StatePart, length: str) -> tuple[int | str, ...]:
    return tuple(length if size == LENGTH else size for size in part.shape)


def _logits(network: HybridLM) -> Port:
    return Port("logits", "float32", (BATCH, network.architecture.vocabulary))


def _value(port: Port) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    types = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    value: onnx.ValueInfoProto = helper.make_tensor_value_info(port.name, types[port.type], port.shape)
    return value
