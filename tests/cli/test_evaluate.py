"""``nas-search eval`` on tiny tasks, without a network."""

import errno
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from eval_maker import QUESTIONS, TEXTS, block_network, make_network, make_tasks, save_winner
from study_maker import make_study

import nas_search as package
from nas_search.results.evaluation.record import EVALUATION_FILE, read_evaluations

Cli = Callable[..., Any]
TASKS = "tiny_choice,tiny_text,tiny_answer"


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    block_network(monkeypatch, tmp_path_factory.mktemp("prepared"))


@pytest.fixture(params=["bytes", "bpe:400"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_network(tmp_path / "net", tokenizer=request.param)


def test_answers_help_without_heavy_imports() -> None:
    heavy = {"torch", "lm_eval", "datasets", "transformers", "pandas", "optuna"}
    code = (
        "import sys\nsys.argv = ['nas-search', 'eval', '--help']\nfrom nas_search.cli.main import main\n"
        f"try:\n    main()\nfinally:\n    print('heavy:', *sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "heavy:"


def test_scores_are_those_of_the_network(nas_search: Cli, network: Path, tasks: Path) -> None:
    outcome = nas_search("eval", network, "--include", tasks, "--tasks", TASKS, "--device", "cpu", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("\n") == 1
    document = outcome.document
    scores = {(score["task"], score["metric"]): score for score in document["scores"]}
    choice = scores["tiny_choice", "acc"]
    assert (choice["n"], choice["version"], choice["higher_is_better"]) == (4, "1.0", True)
    assert choice["value"] == pytest.approx(_accuracy(network))
    share = choice["value"]
    assert choice["stderr"] == pytest.approx(math.sqrt(share * (1 - share) / 3))
    text = scores["tiny_text", "bits_per_byte"]
    assert (text["n"], text["higher_is_better"]) == (3, False)
    assert text["value"] == pytest.approx(_bits_per_byte(network), rel=1e-5)
    assert scores["tiny_answer", "exact_match"]["n"] == 3
    (kept,) = read_evaluations(network)
    assert kept.model_dump(mode="json") == document


def _nats(network: Path, context: str, text: str) -> float:
    loaded = package.load(network)
    before, whole = (loaded.tokenizer.encode(part).tolist() for part in (context, context + text))
    start = [] if context else loaded.tokenizer.encode("\n").tolist()
    tokens = [*start, *whole]
    logits = loaded.model(torch.tensor(tokens)[None])[0].double().log_softmax(-1)
    begin = len(start) + len(before)
    return sum(float(logits[place - 1, tokens[place]]) for place in range(begin, len(tokens)))


def _accuracy(network: Path) -> float:
    right = 0
    for question in QUESTIONS:
        context: str = question["question"]  # type: ignore[assignment]
        known = context.rstrip()
        choices: list[str] = question["choices"]  # type: ignore[assignment]
        nats = [_nats(network, known, context[len(known) :] + choice) for choice in choices]
        right += nats.index(max(nats)) == question["answer"]
    return right / len(QUESTIONS)


def _bits_per_byte(network: Path) -> float:
    nats = sum(_nats(network, "", text) for text in TEXTS)
    return -nats / sum(len(text.encode()) for text in TEXTS) / math.log(2)


def test_the_table_has_version_n_and_spread(nas_search: Cli, tasks: Path, tmp_path: Path) -> None:
    net = make_network(tmp_path / "net")
    arguments = ("eval", net, "--include", tasks, "--tasks", "tiny_choice", "--tasks", "tiny_text", "--device", "cpu")
    outcome = nas_search(*arguments, "--limit-samples", 2, "--max-length", 20, "--out", tmp_path / "scores.json")
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert "weights" in lines[1] and "lm-eval" in lines[2]
    heading = ["task", "version", "shots", "n", "metric", "better", "value", "stderr"]
    rows = [dict(zip(heading, line, strict=False)) for line in lines[lines.index(heading) + 1 :]]
    assert [row["metric"] for row in rows][:2] == ["acc", "acc_norm"]
    assert {(row["version"], row["shots"], row["n"]) for row in rows} == {("1.0", "0", "2")}
    document = json.loads((tmp_path / "scores.json").read_text())
    assert [f"{score['value']:.4f}" for score in document["scores"][:2]] == [row["value"] for row in rows[:2]]
    assert document["settings"]["limit_samples"] == 2


def test_the_winner_of_a_run_and_no_network_at_all(nas_search: Cli, tasks: Path, tmp_path: Path) -> None:
    study = make_study(tmp_path, proposals=12)
    arguments = ("eval", tmp_path, "--include", tasks, "--tasks", "tiny_text", "--device", "cpu", "--json")
    refused = nas_search(*arguments)
    assert refused.code == 2 and "no weights of trial" in refused.err
    save_winner(study)
    first, again = nas_search(*arguments, "--batch", 1).document, nas_search(*arguments).document
    winner = study.winner()
    assert winner is not None
    assert first["origin"] == f"trial {winner.number} of {tmp_path}"
    assert [score["value"] for score in again["scores"]] == pytest.approx([s["value"] for s in first["scores"]])
    assert len(read_evaluations(tmp_path)) == 1


def test_a_long_context_is_told(nas_search: Cli, tasks: Path, tmp_path: Path) -> None:
    net = make_network(tmp_path / "net")
    options = ("--include", tasks, "--tasks", "tiny_choice", "--shots", 3, "--max-length", 30, "--device", "cpu")
    outcome = nas_search("eval", net, *options)
    assert outcome.code == 0
    assert "contexts were longer than 30 tokens and were cut." in outcome.err


def test_a_full_disk_does_not_lose_the_scores(
    nas_search: Cli, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nas_search.results.evaluation.record.write_text_atomic", full)
    net = make_network(tmp_path / "net")
    outcome = nas_search("eval", net, "--include", tasks, "--tasks", "tiny_text", "--device", "cpu")
    assert outcome.code == 0 and "bits_per_byte" in outcome.out
    assert outcome.err == f"{net / EVALUATION_FILE}: not written: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["NET"], "Missing option '--tasks'"),
        (["NET", "--tasks", " , "], "--tasks: no name is given"),
        (["gone", "--tasks", "tiny_text"], "'gone': no such folder; give a run"),
        (["w32 a f", "--tasks", "tiny_text"], "'w32 a f': no such folder"),
        (["NET", "--tasks", "tiny_text", "--pick", "knee"], "is no run"),
        (["NET", "--tasks", "tiny_text", "--include", "gone"], "--include gone: no such folder"),
        (["NET", "--tasks", "tiny_text", "--max-length", "1"], "--max-length"),
        (["NET", "--tasks", "tiny_text", "--out", "gone/scores.json"], "there is no folder gone"),
        (["NET", "--tasks", "tiny_answer", "--max-length", "5", "--include", "TASKS"], "asks for 6 new tokens"),
        (["NET", "--tasks", "REMOTE"], "its data set is not on this machine and cannot be fetched"),
    ],
)
def test_bad_input_is_one_line(
    nas_search: Cli, tasks: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    remote = tmp_path / "remote.yaml"
    remote.write_text("task: remote\ndataset_path: nobody/has-this\noutput_type: multiple_choice\ntest_split: test\n")
    net = make_network(tmp_path / "net")
    places = {"NET": str(net), "TASKS": str(tasks), "REMOTE": str(remote)}
    outcome = nas_search("eval", *(places.get(argument, argument) for argument in arguments))
    assert (outcome.code, outcome.out) == (1 if "REMOTE" in arguments else 2, "")
    assert message in outcome.err and outcome.err.count("\n") == 1
    assert not (net / EVALUATION_FILE).exists()


def test_a_damaged_file_is_said_before_anything_runs(
    nas_search: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = make_network(tmp_path / "net")
    (net / EVALUATION_FILE).write_text("{")
    monkeypatch.setattr("nas_search.results.evaluation.evaluate.evaluate_network", lambda *_, **__: pytest.fail("ran"))
    outcome = nas_search("eval", net, "--tasks", "tiny_text")
    assert outcome.code == 2 and "evaluation.json: damaged" in outcome.err


def test_without_lm_eval_the_extra_is_named(nas_search: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_search.results.evaluation.evaluate.find_spec", lambda name: None)
    outcome = nas_search("eval", make_network(tmp_path / "net"), "--tasks", "tiny_text")
    assert outcome.code == 2
    assert outcome.err == "nas-search: lm-eval is not installed; pip install 'nas-search[eval]' has it\n"
