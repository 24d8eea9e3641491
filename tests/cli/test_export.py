"""``nas-search export`` and ``nas-search train`` on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from heavy_imports import imported
from study_maker import make_study

import nas_search as package
from nas_search.results.export.registry import EXPORTERS

Cli = Callable[..., Any]
HEAVY = {"torch", "transformers", "onnx", "onnxruntime", "onnxscript", "fla", "pandas", "optuna", "plotly", "scipy"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without weights."""
    return make_study(tmp_path_factory.mktemp("run")).run_dir


@pytest.mark.parametrize(
    "arguments", [["export", "--help"], ["train", "--help"], ["export", "w64 (d f m2 f)x2", "--list"]]
)
def test_answers_without_heavy_imports(arguments: list[str]) -> None:
    assert imported(arguments, HEAVY) == set()


def test_listing_the_formats_of_a_run_imports_no_torch(run: Path) -> None:
    arguments = ["export", str(run), "--pick", "knee", "--list"]
    assert imported(arguments, {"torch", "transformers", "onnx"}) == set()


def test_list_mentions_every_format_and_why_one_does_not_fit(nas_search: Cli) -> None:
    outcome = nas_search("export", "w64 vocab=7 a[heads=2] r7", "--list")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    for exporter in EXPORTERS:
        assert any(line.split()[0] == exporter.name for line in lines[1:])
    (recipe,) = (line for line in lines if line.startswith("recipe"))
    assert recipe.split()[1] == "no" and "a vocabulary of 7" in recipe


def test_list_for_machines(nas_search: Cli, run: Path) -> None:
    document = nas_search("export", run, "--list", "--json").document
    assert [row["name"] for row in document["formats"]] == [exporter.name for exporter in EXPORTERS]
    for row in document["formats"]:
        assert row["fits"] == (row["misfit"] is None)


def test_export_for_people_and_for_machines(nas_search: Cli, run: Path, tmp_path: Path) -> None:
    arguments = ("export", run, "--pick", "knee", "--format", "yaml", "--format", "recipe", "--out", tmp_path / "out")
    outcome = nas_search(*arguments)
    assert outcome.code == 0
    assert "trial 23 of" in outcome.out and "yaml: architecture.yaml" in outcome.out
    document = nas_search(*arguments, "--json").document
    assert document["files"] == {"yaml": ["architecture.yaml"], "recipe": ["recipe.yaml"]}
    assert document["architecture"] == "w256 a a"
    assert "n = 41" in document["figures"]["latency"]
    assert document["out"] == str(tmp_path / "out")
    assert nas_search("show", tmp_path / "out" / "yaml" / "architecture.yaml", "--json").code == 0


def test_notes_are_told(nas_search: Cli, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    run = make_study(tmp_path / "run", confirm=False, unfinished=True).run_dir
    outcome = nas_search("export", run, "--pick", "trial=5", "--format", "yaml", "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "The run is unfinished" in outcome.err
    assert "was not confirmed" in outcome.err and "predicted (table)" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w64 a f", "--format", "yaml"], "--out is missing"),
        (["w64 a f", "--out", "OUT"], "no format is given; there are yaml, recipe"),
        (["w64 a f", "--out", "OUT", "--format", "gguf"], "no format 'gguf'"),
        (["w64 a zz", "--out", "OUT", "--format", "yaml"], "unknown operator 'zz'"),
        (["w64 a f", "--out", "OUT", "--format", "yaml", "--pick", "knee"], "is no run"),
        (["w64 vocab=7 a", "--out", "OUT", "--format", "recipe"], "a vocabulary of 7"),
        (["RUN", "--out", "OUT", "--format", "yaml", "--pick", "best"], "not one of winner, knee"),
        (["RUN", "--out", "OUT", "--format", "yaml", "--pick", "trial=99"], "no trial 99; there are 0 to 39"),
        (["RUN", "--out", "OUT", "--format", "yaml", "--pick", "budget=1us"], "no member of the front is within"),
        (["RUN", "--out", "RUN", "--format", "yaml"], "not empty and no earlier export"),
        (["missing", "--list"], "missing"),
        (["w64 (a f)x2", "--list", "--out", "x"], "--list writes nothing"),
        ([], "RUN|ARCH"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    nas_search: Cli, run: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    places = {"RUN": str(run), "OUT": str(tmp_path / "out")}
    outcome = nas_search("export", *(places.get(argument, argument) for argument in arguments))
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    assert not (tmp_path / "out").exists()


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of seconds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "rhyme.txt").write_text("".join(f"{i % 10} little ducks went out one day\n" for i in range(2000)))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"architecture: w32 a f\ndata: {tmp_path / 'rhyme.txt'}\ntokens: 1000000\ndevice: cpu\n"
        "recipe: {sequence_length: 32, batch: 2, warmup_tokens: 256, validation_tokens: 512}\n"
    )
    return path


def test_train_prints_the_loss_with_its_n_and_writes_what_loads(nas_search: Cli, recipe: Path, tmp_path: Path) -> None:
    arguments = ("train", recipe, "--out", tmp_path / "net", "--tokens", 2048)
    outcome = nas_search(*arguments)
    assert outcome.code == 0
    assert "2,048 tokens of" in outcome.err
    assert "n = 16 held-out windows with 512 tokens, one seed" in outcome.out
    document = nas_search(*arguments, "--json").document
    assert document["tokens"] == 2048 and document["low"] < document["bits_per_byte"] < document["high"]
    assert f"{document['bits_per_byte']:.4f} (" in outcome.out
    assert package.load(tmp_path / "net").architecture.notation == "w32 a f"


def test_an_exported_recipe_trains(nas_search: Cli, recipe: Path, tmp_path: Path) -> None:
    exported, net = tmp_path / "exported", tmp_path / "net"
    nas_search("train", recipe, "--out", net, "--tokens", 2048)
    assert nas_search("export", net, "--format", "recipe", "--out", exported).code == 0
    again = nas_search("train", exported, "--out", tmp_path / "again", "--tokens", 2048, "--json").document
    assert again == nas_search("train", recipe, "--out", net, "--tokens", 2048, "--json").document | {
        "out": str(tmp_path / "again")
    }


def test_ctrl_c_says_how_to_go_on(nas_search: Cli, recipe: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_search.results.train.train_plan", interrupted)
    outcome = nas_search("train", recipe, "--out", tmp_path / "net")
    assert outcome.code == 130
    assert "The same command goes on" in outcome.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("tokens: 3", "architecture"),
        ("architecture: [", "not YAML"),
        ("architecture: w32 vocab=300 a\ntokens: 100000", "but the architecture has 300"),
    ],
)
def test_bad_recipes_are_one_line_and_exit_code_2(
    nas_search: Cli, tmp_path: Path, text: str | None, message: str, recipe: Path
) -> None:
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(f"{text}\ndata: {tmp_path / 'rhyme.txt'}\n" if "w32" in text else text)
    outcome = nas_search("train", path, "--out", tmp_path / "net")
    assert outcome.code == 2
    assert message in outcome.err.splitlines()[-1]
    assert not (tmp_path / "net").exists()
