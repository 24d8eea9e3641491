"""The compiled kernels, against float64 on the CPU."""

import pytest
import torch
from fused_cases import ATTENTION, CASES, cursor_at, decode, make_layer, make_tokens, names, reference, worst_error
from torch import Tensor

from nas_search.space.kernels.fused.choice import STEP_CHOICES, LayerKind, fused_steps
from nas_search.space.kernels.fused.graph_timer import time_in_graphs
from nas_search.space.operators.module import Cursor, State, StateFormat

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
# Exponentials and roots of a GPU are good to 22 bits.
FLOAT32 = 1e-5
# States and outputs have eight bits, and a state is rounded at every token.
BFLOAT16 = 1e-2
TOKENS = 6

WIDE = (
    ("a[qk_norm=yes]", 1024),
    ("swa[window=4,qk_norm=yes]", 768),
    ("m2", 1024),
    ("d", 1024),
    ("gd[expand_v=2]", 768),
    ("f", 1024),
)
every_case = pytest.mark.parametrize(("notation", "width"), CASES + WIDE, ids=names(CASES + WIDE))


@pytest.mark.parametrize(
    "formats", [(torch.float32, torch.float32), (torch.bfloat16, torch.float32), (torch.bfloat16, torch.bfloat16)]
)
@pytest.mark.parametrize("batch", [1, 2, 5])
@every_case
def test_fused_steps_equal_the_recurrence(
    notation: str, width: int, batch: int, formats: tuple[torch.dtype, torch.dtype]
) -> None:
    dtype, memory = formats
    bound = FLOAT32 if dtype == torch.float32 else BFLOAT16
    layer, tokens = make_layer(notation, width).to("cuda", dtype), make_tokens(TOKENS, batch, width).to("cuda")
    fused = decode(layer, tokens, fused_steps(), memory=memory)
    assert worst_error(fused, reference(layer, tokens)) <= bound


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, FLOAT32), (torch.bfloat16, BFLOAT16)])
@pytest.mark.parametrize(("notation", "width"), ATTENTION, ids=names(ATTENTION))
def test_a_bounded_cursor_reads_what_an_exact_one_reads(
    notation: str, width: int, dtype: torch.dtype, bound: float
) -> None:
    layer, tokens = make_layer(notation, width).to("cuda", dtype), make_tokens(TOKENS, 2, width).to("cuda")
    assert worst_error(decode(layer, tokens, fused_steps(), bounded=True), reference(layer, tokens)) <= bound


@every_case
@torch.inference_mode()
def test_a_captured_step_equals_an_eager_one(notation: str, width: int) -> None:
    layer, tokens = make_layer(notation, width).to("cuda"), make_tokens(TOKENS, 1, width).to("cuda")
    step = fused_steps()[type(layer.mixer)]
    eager, captured = (layer.mixer.new_state(1, TOKENS, StateFormat.like(tokens)) for _ in range(2))
    x, index, slots = tokens[0].clone(), torch.zeros(1, dtype=torch.int64, device="cuda"), torch.arange(TOKENS).cuda()

    def run(state: State) -> Tensor:
        y = step(layer.norm, layer.mixer, x, state, Cursor(index, TOKENS, slots <= index))
        index.add_(1)
        return y

    expected = []
    for token in tokens:
        x.copy_(token)
        expected.append(run(eager))
    index.zero_()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = run(captured)
    for token, output in zip(tokens, expected, strict=True):
        x.copy_(token)
        graph.replay()
        assert torch.equal(y, output)
    assert all(map(torch.equal, captured, eager))


@pytest.mark.parametrize("notation", ["a[head_dim=48]", "swa[window=4,head_dim=48]", "d[head_dim=48]"])
@torch.inference_mode()
def test_a_layer_decides_at_its_first_step(notation: str) -> None:
    layer, tokens = make_layer(notation, 192).to("cuda"), make_tokens(1, 3, 192).to("cuda")
    state = layer.mixer.new_state(3, 1, StateFormat.like(tokens))
    plain = layer.mixer.new_state(3, 1, StateFormat.like(tokens))
    cursor = cursor_at(0, tokens.device)
    y = layer.step(tokens[0], state, cursor)
    expected = layer.plain_step(tokens[0], plain, cursor)
    assert worst_error((y, state), (expected, plain)) <= FLOAT32
    times = STEP_CHOICES.times[LayerKind(notation, 192, "float32", 3, ("float32",) * len(state))]
    assert times.fused_ms is not None
    assert times.plain_ms is not None
    assert min(times.fused_ms, times.plain_ms) > 0


@torch.inference_mode()
def test_more_work_takes_longer() -> None:
    x = torch.randn(4096, 4096, device="cuda")
    short, long = time_in_graphs((lambda: x[:64] @ x, lambda: x @ x @ x))
    assert 0 < short < long
