import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture, DType
from nas_search.space.model import HybridLM

HYBRID = "w64 d f m2 f a[qk_norm=yes] f swa[window=8] f"
RECURRENT = "w64 m[state=12] f m2 d gd gla r7"
MAMBA_STATE = 12
NOTATIONS = (
    HYBRID,
    "w64 vocab=300 meta=7 untied m2 f a f",
    "w64 meta=3 d swa[window=6] a",
    "w96 f",
    "w64 vocab=50 untied a",
)


def build(notation: str, seed: int = 0) -> HybridLM:
    return HybridLM(Architecture.parse(notation), seed=seed)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


def some_tokens(model: HybridLM, length: int, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(length)
    return torch.randint(model.architecture.vocabulary, (batch, length), generator=generator)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_parameters_are_those_of_the_architecture(notation: str) -> None:
    model = build(notation)
    assert sum(p.numel() for p in model.parameters()) == model.architecture.parameters


def test_parameters_of_a_billion_are_those_of_the_architecture() -> None:
    architecture = Architecture.parse("w2048 vocab=131072 meta=256 (d f m2 f a f m2 f)x2 (d f m2 f)x2")
    with torch.device("meta"):
        model = HybridLM(architecture)
    assert sum(p.numel() for p in model.parameters()) == architecture.parameters == 965_389_440


@pytest.mark.parametrize("notation", NOTATIONS)
def test_state_is_that_of_the_architecture(notation: str) -> None:
    model = build(notation)
    state = model.new_state(3, 40)
    elements = sum(part.numel() for layer in state.layers for part in layer)
    assert 4 * elements == model.architecture.state_bytes(40, "float32", batch=3)


FORMATS: tuple[DType, ...] = ("bfloat16", "float16", "float32", "float64")


@pytest.mark.parametrize("state_dtype", [None, *FORMATS])
@pytest.mark.parametrize("dtype", FORMATS)
def test_only_recurrent_memories_have_a_format_of_their_own(dtype: DType, state_dtype: DType | None) -> None:
    model = build(RECURRENT + " a swa[window=8]").to(getattr(torch, dtype))
    state = model.new_state(3, 40, state_dtype and getattr(torch, state_dtype))
    assert sum(part.nbytes for layer in state.layers for part in layer) == model.architecture.state_bytes(
        40, dtype, batch=3, state_dtype=state_dtype
    )
    memory = state_dtype or ("float64" if dtype == "float64" else "float32")
    for layer, are_memories in zip(state.layers, state.memory_parts, strict=True):
        for part, is_memory in zip(layer, are_memories, strict=True):
            assert part.dtype == getattr(torch, memory if is_memory else dtype)
            # Memories are matrices by head, or by channel; inputs of convolutions and the last token are not.
            assert is_memory == (part.dim() == 4 or part.shape[-1] == MAMBA_STATE)


@pytest.mark.parametrize("state_dtype", [None, *FORMATS])
@pytest.mark.parametrize("dtype", FORMATS)
def test_every_format_of_memories_decodes_beside_every_format_of_weights(
    dtype: DType, state_dtype: DType | None
) -> None:
    exact = build(RECURRENT)
    model = build(RECURRENT).to(getattr(torch, dtype))
    tokens = some_tokens(model, 40)
    state = model.new_state(2, 40, state_dtype and getattr(torch, state_dtype))
    with torch.inference_mode():
        found = [model.prefill(tokens[:, :20], state)]
        found += [model.step(tokens[:, t], state) for t in range(20, 40)]
        expected = exact(tokens)[:, 19:]
    assert all(logits.dtype == model.embedding.dtype for logits in found)
    assert relative_error(torch.stack(found, 1).float(), expected) <= 3e-2


def test_a_memory_in_half_precision_drifts_and_the_default_does_not() -> None:
    model = build("w64 (d)x2").bfloat16()
    tokens = some_tokens(model, 200)
    with torch.inference_mode():
        whole = model(tokens)
        errors = []
        for state_dtype in (None, torch.bfloat16):
            state = model.new_state(2, 200, state_dtype)
            steps = torch.stack([model.step(token, state) for token in tokens.unbind(1)], 1)
            errors.append(relative_error(steps[:, -20:], whole[:, -20:]))
    default, half = errors
    assert default < half / 2


@pytest.mark.parametrize("prompt", [1, 5, 64])
@pytest.mark.parametrize("notation", NOTATIONS)
def test_prefill_and_steps_equal_forward(notation: str, prompt: int) -> None:
    model = build(notation)
    tokens = some_tokens(model, 70)
    state = model.new_state(2, 70)
    with torch.inference_mode():
        logits = model(tokens)
        found = [model.prefill(tokens[:, :prompt], state)]
        found += [model.step(tokens[:, t], state) for t in range(prompt, 70)]
    torch.testing.assert_close(torch.stack(found, 1), logits[:, prompt - 1 :], atol=2e-6, rtol=1e-5)


def test_decoding_can_start_without_a_prompt() -> None:
    model = build(HYBRID)
    tokens = some_tokens(model, 20)
    state = model.new_state(2, 20)
    with torch.inference_mode():
        found = torch.stack([model.step(tokens[:, t], state) for t in range(20)], 1)
        torch.testing.assert_close(found, model(tokens), atol=2e-6, rtol=1e-5)


def test_meta_tokens_stand_before_the_sequence() -> None:
    model = build("w64 meta=3 a f")
    assert model.meta_tokens is not None
    tokens = some_tokens(model, 6)
    before = model(tokens)
    assert before.shape == (2, 6, 256)
    with torch.no_grad():
        model.meta_tokens.neg_()
    assert not torch.allclose(model(tokens), before)


def test_loss_is_the_mean_cross_entropy_of_the_next_token() -> None:
    model = build(HYBRID)
    tokens = some_tokens(model, 33)
    log_probabilities = functional.log_softmax(model(tokens[:, :-1]), -1)
    expected = -log_probabilities.gather(-1, tokens[:, 1:, None]).mean()
    torch.testing.assert_close(model.loss(tokens), expected)


def test_a_fresh_head_of_its_own_prefers_no_token() -> None:
    model = build("w64 untied d f m2 f")
    assert model.loss(some_tokens(model, 33)).item() == pytest.approx(math.log(256), abs=0.1)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_parameter_gets_a_gradient(notation: str) -> None:
    model = build(notation)
    model.loss(some_tokens(model, 33)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_a_few_steps_of_training_learn_a_sequence() -> None:
    model = build(HYBRID)
    tokens = some_tokens(model, 33)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    before = model.loss(tokens).item()
    for _ in range(30):
        optimiser.zero_grad()
        loss = model.loss(tokens)
        loss.backward()
        optimiser.step()
    assert loss.item() < before / 2


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = build(HYBRID, seed=3)
    torch.manual_seed(2)
    second, other = build(HYBRID, seed=3), build(HYBRID, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.embedding, other.embedding)


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build(HYBRID, seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_residual_writes_are_scaled_by_depth() -> None:
    shallow, deep = build("w64 f"), build("w64 (f)x16")
    ratio = deep.layers[0].mixer.out_proj.weight.std() / shallow.layers[0].mixer.out_proj.weight.std()
    assert ratio.item() == pytest.approx(0.25, rel=0.05)


def test_greedy_generation_takes_the_likeliest_token() -> None:
    model = build(HYBRID)
    tokens = some_tokens(model, 9)
    output = model.generate(tokens, 6, temperature=0.0)
    assert torch.equal(output[:, :9], tokens)
    with torch.inference_mode():
        assert torch.equal(output[:, 9:], model(output)[:, 8:-1].argmax(-1))


def test_sampling_depends_on_the_seed_alone() -> None:
    model = build(HYBRID)
    tokens = some_tokens(model, 4)
    first = model.generate(tokens, 12, seed=5)
    torch.manual_seed(77)
    assert torch.equal(first, model.generate(tokens, 12, seed=5))
    assert not torch.equal(first, model.generate(tokens, 12, seed=6))


def test_top_k_of_one_is_greedy() -> None:
    model = build(HYBRID)
    tokens = some_tokens(model, 4)
    assert torch.equal(model.generate(tokens, 8, top_k=1, seed=5), model.generate(tokens, 8, temperature=0.0))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"new_tokens": 0}, "new_tokens=0"),
        ({"new_tokens": 1, "temperature": -1.0}, "temperature=-1"),
        ({"new_tokens": 1, "temperature": math.nan}, "temperature=nan"),
        ({"new_tokens": 1, "top_k": 0}, "top_k=0"),
    ],
)
def test_impossible_sampling_is_refused(options: dict[str, float], said: str) -> None:
    model = build("w64 f")
    with pytest.raises(InputError, match=said):
        model.generate(some_tokens(model, 3), **options)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="non-empty"):
        build("w64 f").generate(torch.zeros(1, 0, dtype=torch.int64), 3)


def test_a_full_state_is_refused() -> None:
    model = build("w64 meta=2 a f")
    state = model.new_state(2, 4)
    tokens = some_tokens(model, 5)
    with torch.inference_mode():
        with pytest.raises(InputError, match="room for 6 positions, 7 asked for"):
            model.prefill(tokens, state)
        model.prefill(tokens[:, :4], state)
        with pytest.raises(InputError, match="larger max_length"):
            model.step(tokens[:, 4], state)


def test_the_loss_of_a_network_in_half_precision_is_not_rounded_to_it() -> None:
    model = build("w64 a f").bfloat16()
    assert model.loss(some_tokens(model, 20)).dtype == torch.float32


def test_a_state_that_was_read_into_or_of_another_batch_is_refused() -> None:
    model = build(HYBRID)
    state = model.new_state(2, 20)
    with torch.inference_mode():
        model.prefill(some_tokens(model, 5), state)
        with pytest.raises(InputError, match="stands at position 5"):
            model.prefill(some_tokens(model, 5), state)
        with pytest.raises(InputError, match="made for 2 sequences, tokens of 3"):
            model.step(some_tokens(model, 1, batch=3)[:, 0], state)


def test_a_random_state_stands_where_it_is_told_to() -> None:
    model = build(f"{RECURRENT} a swa[window=8]")
    state = model.new_state(2, 30)
    places = [part.data_ptr() for layer in state.layers for part in layer]
    for length in (12, 30, 0, 29):
        state.fill_random(length, torch.Generator().manual_seed(1))
        assert state.length == state.index.item() == length
    assert places == [part.data_ptr() for layer in state.layers for part in layer]
    for layer, are_memories in zip(state.layers, state.memory_parts, strict=True):
        for part, is_memory in zip(layer, are_memories, strict=True):
            assert part.std().item() == pytest.approx(0.1 if is_memory else 1, rel=0.15)
    with torch.inference_mode():
        assert model.step(some_tokens(model, 1)[:, 0], state).isfinite().all()
        assert state.length == 30


def test_a_random_state_depends_on_the_generator_alone() -> None:
    model = build(HYBRID)
    states = [model.new_state(2, 30) for _ in range(3)]
    with torch.inference_mode():
        model.prefill(some_tokens(model, 5), states[1])
    for state, seed in zip(states, (1, 1, 2), strict=True):
        state.fill_random(20, torch.Generator().manual_seed(seed))
    first, again, other = (torch.cat([part.flatten() for layer in state.layers for part in layer]) for state in states)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_state_made_for_inference_can_be_filled() -> None:
    model = build(HYBRID)
    with torch.inference_mode():
        state = model.new_state(2, 30)
    state.fill_random(20, torch.Generator().manual_seed(1))
    assert state.layers[0][0].any()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_nothing_overflows_in_a_thousand_steps_from_a_random_state(dtype: str) -> None:
    model = build(f"{RECURRENT} a swa[window=8]").to(getattr(torch, dtype))
    state = model.new_state(2, 1400)
    state.fill_random(400, torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for tokens in some_tokens(model, 1000).unbind(1):
            logits = model.step(tokens, state)
    assert logits.isfinite().all()
    assert all(part.abs().max() < 100 for layer in state.layers for part in layer)


def test_a_random_state_needs_room_for_its_position() -> None:
    state = build("w64 meta=2 a f").new_state(2, 4)
    state.fill_random(6, torch.Generator())
    with pytest.raises(InputError, match="room for 6 positions, 7 asked for"):
        state.fill_random(7, torch.Generator())
    assert state.length == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_state_on_a_gpu_is_filled_there() -> None:
    model = build(f"{RECURRENT} a swa[window=8]").to("cuda", torch.bfloat16)
    state = model.new_state(2, 30)
    state.fill_random(20, torch.Generator("cuda").manual_seed(1))
    with torch.inference_mode():
        assert model.step(some_tokens(model, 1)[:, 0].cuda(), state).isfinite().all()
    assert state.index.item() == state.length == 21
