"""Published architectures and everything else that names an architecture."""

from pathlib import Path

import pytest

from nas_search.errors import InputError
from nas_search.space.architecture import Architecture
from nas_search.space.zoo import load_zoo, resolve_architecture, zoo_names

# Exact counts: Nemotron-Flash from its published sizes, the others from their published checkpoints.
PARAMETERS = {
    "h2o-danube3-4b": 3_961_839_360,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "nemotron-flash-1b": 965_389_440,
    "nemotron-flash-3b": 2_749_998_624,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "smollm2-1.7b": 1_711_376_384,
}


def test_every_architecture_of_the_zoo_has_its_published_number_of_parameters() -> None:
    assert {name: load_zoo(name).parameters for name in zoo_names()} == PARAMETERS


@pytest.mark.parametrize("name", zoo_names())
def test_zoo_names_resolve_and_their_notation_and_files_say_the_same(name: str, tmp_path: Path) -> None:
    architecture = load_zoo(name)
    assert resolve_architecture(f" {name} ") == architecture
    assert resolve_architecture(architecture.notation) == architecture
    (tmp_path / "it.yaml").write_text(architecture.to_yaml())
    (tmp_path / "it.json").write_text(architecture.model_dump_json())
    assert resolve_architecture(str(tmp_path / "it.yaml")) == architecture
    assert resolve_architecture(str(tmp_path / "it.json")) == architecture


def test_a_notation_resolves() -> None:
    assert resolve_architecture("w64 (d f m2 f)x2") == Architecture.parse("w64 d f m2 f d f m2 f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nemotron-flash-1", "did you mean 'nemotron-flash-1b'"),
        ("Qwen3-0.6B ", "did you mean 'qwen3-0.6b'"),
        ("zzz", "there are h2o-danube3-4b, llama-3.2-1b, "),
        ("", "no notation"),
        ("w64", "no notation"),
        ("w64 (d f", "column 9: '\\)' is missing"),
        ("w64 zz", "column 5: unknown operator 'zz'"),
        ("w100 a", "does not divide the width 100"),
        ("no/such.yaml", "no/such.yaml: cannot be read: No such file"),
    ],
)
def test_what_is_no_architecture_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        resolve_architecture(text)
    assert "\n" not in str(error.value)


def test_a_folder_or_a_broken_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "broken.yaml").write_text("width: 64\noperators: a zz\n")
    with pytest.raises(InputError, match=r"folder\.yaml: cannot be read"):
        resolve_architecture(str(tmp_path / "folder.yaml"))
    with pytest.raises(InputError, match=r"broken\.yaml.*unknown operator 'zz'"):
        resolve_architecture(str(tmp_path / "broken.yaml"))


def test_an_unknown_zoo_name_is_refused_with_the_closest() -> None:
    with pytest.raises(InputError, match="no architecture 'qwen3' in the zoo; did you mean 'qwen3-"):
        load_zoo("qwen3")
