"""The written files, run in onnxruntime beside our network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas_search.errors import RunError
from nas_search.results.export.onnx.graphs import PREFILL_FILE, STEP_FILE

if TYPE_CHECKING:
    from nas_search.space.model import HybridLM

LARGEST_DIFFERENCE = 1e-4
_BATCH, _PROMPT, _STEPS = 2, 5, 3

Array = NDArray[Any]


def check_files(network: HybridLM, folder: Path) -> float:
    """The largest difference of logits from ours over a short random text, as a share of our largest logit.

    Raises RunError if it is above :data:`LARGEST_DIFFERENCE`.
    """
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(network.architecture.vocabulary, (_BATCH, _PROMPT + _STEPS), generator=generator)
    ours = _our_logits(network, tokens)
    theirs = list(_their_logits(folder, tokens.numpy()))
    difference = max(float(np.abs(one - other).max()) for one, other in zip(ours, theirs, strict=True))
    share = difference / max(float(np.abs(logits).max()) for logits in ours)
    if not share <= LARGEST_DIFFERENCE:
        raise RunError(
            f"format 'onnx': in onnxruntime logits differ by {share:.1e} of the largest; "
            f"{LARGEST_DIFFERENCE:.0e} is allowed"
        )
    return share


@torch.inference_mode()
def _our_logits(network: HybridLM, tokens: Tensor) -> list[Array]:
    """Logits after the prompt and after each further token."""
    state = network.new_state(*tokens.shape)
    after_prompt = network.prefill(tokens[:, :_PROMPT], state)
    return [x.cpu().numpy() for x in (after_prompt, *(network.step(x, state) for x in tokens[:, _PROMPT:].unbind(1)))]


def _their_logits(folder: Path, tokens: Array) -> Iterator[Array]:
    logits, *states = _session(folder / PREFILL_FILE).run(None, {"tokens": tokens[:, :_PROMPT]})
    yield logits
    # The first session is gone by now: each has a copy of the weights.
    step = _session(folder / STEP_FILE)
    names = [port.name for port in step.get_inputs()]
    for position in range(_PROMPT, tokens.shape[1]):
        inputs = (tokens[:, position], np.array([position]), *states)
        logits, *states = step.run(None, dict(zip(names, inputs, strict=True)))
        yield logits


def _session(path: Path) -> Any:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return InferenceSession(path, options, providers=["CPUExecutionProvider"])
