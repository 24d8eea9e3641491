"""What transformers expects of any causal language model, on a network with every kind of state."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from exported import Pair, tokens
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, DynamicCache

NOTATION = "w32 meta=2 r7 a swa[window=6] m2 d f"


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(NOTATION)


@pytest.fixture(scope="module")
def model(both: Pair) -> Any:
    """Not to be changed."""
    return both.theirs


def logits(model: Any, prompt: Tensor, **options: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(prompt, **options).logits
    return found


def greedy(model: Any, prompt: Tensor, **options: Any) -> Tensor:
    found: Tensor = model.generate(prompt, **{"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, **options})
    return found


def cache_of(output: Any) -> Any:
    return output.get("cache") or output.get("past_key_values")


def test_saved_again_it_is_the_same(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    assert {"modeling_nas_search.py", "configuration_nas_search.py"} <= {path.name for path in tmp_path.iterdir()}
    again = AutoModelForCausalLM.from_pretrained(tmp_path, trust_remote_code=True)
    assert torch.equal(logits(again, tokens(2, 20)), logits(model, tokens(2, 20)))
    assert again.config.to_dict()["layers"] == model.config.to_dict()["layers"]


@pytest.mark.parametrize("head", ["", "untied "])
def test_the_head_is_tied_where_the_architecture_says_so(pair: Callable[..., Pair], head: str, tmp_path: Path) -> None:
    model = pair(f"w32 {head}f").load()
    shared = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert shared == (not head)
    model.save_pretrained(tmp_path)
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) == bool(head)


def test_embeddings_can_be_resized(both: Pair) -> None:
    model = both.load()
    before = logits(model, tokens(1, 9))
    model.resize_token_embeddings(260)
    assert model.config.vocab_size == 260
    after = logits(model, tokens(1, 9))
    assert after.shape == (1, 9, 260)
    torch.testing.assert_close(after[..., :256], before)


def test_without_its_head(both: Pair, model: Any) -> None:
    body = AutoModel.from_pretrained(both.folder, trust_remote_code=True)
    with torch.no_grad():
        hidden = body(tokens(2, 9)).last_hidden_state
        torch.testing.assert_close(model.lm_head(hidden), model(tokens(2, 9)).logits)


def test_hidden_states(model: Any) -> None:
    for mask in (None, torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])):
        with torch.no_grad():
            output = model(tokens(2, 5), mask, output_hidden_states=True)
        assert len(output.hidden_states) == 7
        assert {state.shape for state in output.hidden_states} == {(2, 5, 32)}
        torch.testing.assert_close(model.lm_head(output.hidden_states[-1]), output.logits)
        torch.testing.assert_close(output.hidden_states[0][1], model.get_input_embeddings()(tokens(2, 5))[1])
    steps = model.generate(
        tokens(2, 5), max_new_tokens=3, do_sample=False, output_hidden_states=True, return_dict_in_generate=True
    )
    assert [step[-1].shape for step in steps.hidden_states] == [(2, 5, 32), (2, 1, 32), (2, 1, 32)]


def test_fewer_logits(model: Any) -> None:
    prompt = tokens(2, 9)
    every = logits(model, prompt)
    torch.testing.assert_close(logits(model, prompt, logits_to_keep=2), every[:, -2:])
    torch.testing.assert_close(logits(model, prompt, logits_to_keep=torch.tensor([1, 4])), every[:, [1, 4]])


def test_embeddings_instead_of_tokens(model: Any) -> None:
    prompt = tokens(2, 9)
    embedded = model.get_input_embeddings()(prompt)
    torch.testing.assert_close(logits(model, None, inputs_embeds=embedded), logits(model, prompt))
    found = model.generate(inputs_embeds=embedded, max_new_tokens=8, do_sample=False)
    assert torch.equal(found, greedy(model, prompt)[:, 9:])


def test_tuples(model: Any) -> None:
    prompt = tokens(2, 9)
    with torch.no_grad():
        found = model(prompt, labels=prompt, use_cache=False, return_dict=False)
    assert len(found) == 2 and found[0].dim() == 0
    torch.testing.assert_close(found[1], logits(model, prompt))


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"num_beams": 2, "num_return_sequences": 2}])
def test_generation_is_the_same_without_a_cache(model: Any, options: dict[str, int]) -> None:
    prompt = tokens(2, 11)
    assert torch.equal(greedy(model, prompt, **options), greedy(model, prompt, use_cache=False, **options))


def test_beams_find_what_is_likelier(model: Any) -> None:
    """So beams are not all the same, and states follow them."""
    prompt = tokens(3, 11)

    def score(text: Tensor) -> Tensor:
        likely = logits(model, text)[:, 10:-1].log_softmax(-1)
        return likely.gather(2, text[:, 11:, None]).sum((1, 2))

    one, four = greedy(model, prompt), greedy(model, prompt, num_beams=4)
    assert not torch.equal(one, four)
    assert (score(four) >= score(one) - 1e-4).all() and (score(four) > score(one) + 1e-4).any()


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_padding_changes_nothing(model: Any, side: str) -> None:
    """Rows of different lengths in a batch, against each of them alone."""
    prompt, lengths = tokens(4, 12), (12, 5, 9, 5)
    starts = {"left": [12 - n for n in lengths], "right": [0] * 4, "both": [(12 - n) // 2 for n in lengths]}[side]
    mask = torch.zeros(4, 12, dtype=torch.int64)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        mask[row, start : start + length] = 1
    for use_cache in (False, True):
        found = logits(model, prompt, attention_mask=mask, use_cache=use_cache)
        for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            part = slice(start, start + length)
            alone = logits(model, prompt[row : row + 1, part])
            torch.testing.assert_close(found[row : row + 1, part], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"use_cache": False}])
def test_generation_from_left_padded_prompts(model: Any, options: dict[str, Any]) -> None:
    prompt, lengths = tokens(3, 12), (12, 5, 9)
    mask = torch.tensor([[int(column >= 12 - length) for column in range(12)] for length in lengths])
    found = greedy(model, prompt, attention_mask=mask, **options)
    for row, length in enumerate(lengths):
        alone = greedy(model, prompt[row : row + 1, 12 - length :], **options)
        assert torch.equal(found[row, 12:], alone[0, length:])


def test_a_cache_is_read_on_from(model: Any) -> None:
    """In pieces, beyond what it had room for at first, padded, and from a copy."""
    text = tokens(2, 300)
    every = logits(model, text)
    with torch.no_grad():
        first = model(text[:, :40], use_cache=True)
        cache = cache_of(first)
        kept = copy.deepcopy(cache)
        second = model(text[:, 40:44], past_key_values=cache)
        assert cache_of(second) is cache and cache.get_seq_length() == 44
        rest = [model(text[:, at : at + 1], cache=cache).logits for at in range(44, 300)]
        again = model(text[:, 40:41], past_key_values=kept).logits
    found = torch.cat((first.logits, second.logits, *rest), 1)
    torch.testing.assert_close(found, every, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(again, second.logits[:, :1])


def test_generation_goes_on_from_a_cache(model: Any) -> None:
    prompt = tokens(2, 10)
    first = greedy(model, prompt, max_new_tokens=5, return_dict_in_generate=True)
    name = "cache" if "cache" in type(first).__dataclass_fields__ else "past_key_values"
    more = greedy(model, first.sequences, max_new_tokens=4, **{name: cache_of(first)})
    assert torch.equal(more, greedy(model, prompt, max_new_tokens=9))


def test_a_cache_costs_no_gradient(both: Pair) -> None:
    prompt, found = tokens(2, 9), []
    for use_cache in (False, True):
        model = both.load()
        output = model(prompt, labels=prompt, use_cache=use_cache)
        output.loss.backward()
        found.append([weight.grad for weight in model.parameters()])
    cache = cache_of(output)
    torch.testing.assert_close(found[1], found[0])
    text = torch.cat((prompt, tokens(2, 1, seed=5)), 1)
    step = model(text[:, -1:], past_key_values=cache).logits
    torch.testing.assert_close(step, logits(model, text)[:, -1:], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="no gradient goes through it"):
        model(text[:, -1:], past_key_values=cache, labels=text[:, -1:])


def test_gradient_checkpointing(both: Pair) -> None:
    prompt, found = tokens(2, 9), []
    for checkpointing in (False, True):
        model = both.load().train()
        if checkpointing:
            model.gradient_checkpointing_enable()
            assert model.is_gradient_checkpointing
        model(prompt, labels=prompt).loss.backward()
        found.append([weight.grad for weight in model.parameters()])
    torch.testing.assert_close(found[1], found[0])


def test_a_training_step_lowers_the_loss(both: Pair) -> None:
    model, text = both.load().train(), tokens(2, 30)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(5):
        loss = model(text, labels=text).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


def test_labels_can_be_left_out(model: Any) -> None:
    prompt = tokens(2, 9)
    labels = prompt.clone()
    labels[:, :5] = -100
    with torch.no_grad():
        found = model(prompt, labels=labels).loss
    exact = logits(model, prompt)[:, 4:-1].flatten(0, 1)
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(exact, prompt[:, 5:].flatten()))


def test_fresh_weights_are_ours(both: Pair) -> None:
    """From a configuration alone, and where a checkpoint lacks some."""
    config = AutoConfig.from_pretrained(both.folder, trust_remote_code=True)
    torch.manual_seed(0)
    fresh = AutoModelForCausalLM.from_config(config, trust_remote_code=True)
    names = {"embedding": "model.embed_tokens.weight"}
    ours = type(both.ours)(both.ours.architecture, seed=0)
    for name, weight in ours.named_parameters():
        theirs = fresh.get_parameter(names.get(name, f"model.{name}"))
        noise = weight.std(correction=0) / weight.numel() ** 0.5
        assert (theirs.mean() - weight.mean()).abs() <= 6 * noise + 1e-6, name
        if weight.numel() >= 500:
            torch.testing.assert_close(theirs.std(), weight.std(), rtol=0.2, atol=1e-6)


def test_missing_weights_are_fresh(both: Pair, tmp_path: Path) -> None:
    both.theirs.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lacking = [name for name in weights if name.endswith(("A_log", "mix", "rate.up.bias", "layers.5.norm.weight"))]
    assert len(lacking) == 4
    save_file(
        {name: weight for name, weight in weights.items() if name not in lacking},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    found = AutoModelForCausalLM.from_pretrained(tmp_path, trust_remote_code=True)
    fresh = type(both.ours)(both.ours.architecture, seed=0)
    for name, weight in found.named_parameters():
        if name not in lacking:
            assert torch.equal(weight, weights[name]), name
        elif not name.endswith("A_log"):  # its rates are random
            torch.testing.assert_close(weight, fresh.get_parameter(name.removeprefix("model.")))
        else:
            assert ((weight >= 0) & (weight <= torch.tensor(16.0).log())).all()


def test_what_it_cannot_do_is_refused(model: Any) -> None:
    prompt, hole = tokens(2, 4), torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1]])
    with pytest.raises(ValueError, match="sequence 0 has padding between its tokens"):
        model(prompt, hole)
    with pytest.raises(ValueError, match="sequence 1 has no token"):
        model(prompt, torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"needs \(2, 4\)"):
        model(prompt, torch.ones(2, 1, 4, 4))
    with pytest.raises(ValueError, match="position_ids is not supported"):
        model(prompt, position_ids=torch.arange(4)[None])
    with pytest.raises(ValueError, match="output_attentions is not supported"):
        model(prompt, output_attentions=True)
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        model()
    with torch.no_grad():
        cache = cache_of(model(prompt, use_cache=True))
    with pytest.raises(ValueError, match="cache is of 2 sequences, tokens of 1"):
        model(prompt[:1, :1], past_key_values=cache)
    with pytest.raises(ValueError, match="padding after the first call"):
        model(prompt[:, :1], torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]), past_key_values=cache)
    with pytest.raises(TypeError, match="a DynamicCache cannot hold these states"):
        model(prompt, past_key_values=DynamicCache())
    with pytest.raises(ValueError, match="stateful"):
        greedy(model, prompt[:1], assistant_model=model)
    layers = [{"operator": "zzz"}]
    config = type(model.config)(layers=layers, vocab_size=8, hidden_size=8)
    with pytest.raises(ValueError, match="operator 'zzz' is none of those"):
        type(model)(config)
