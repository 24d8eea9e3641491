import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from nas_search.proxies.data import Corpus, load_corpus
from nas_search.proxies.recipe import TrainingRecipe
from nas_search.space.architecture import Architecture


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Threads that fight for a busy core are slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Text with much to learn quickly."""
    folder: Path = tmp_path_factory.mktemp("corpus")
    text = folder / "rhyme.txt"
    text.write_text("".join(f"{index % 10} little ducks went out one day\n" for index in range(2000)))
    return load_corpus(str(text), cache_dir=folder / "cache")


@pytest.fixture
def recipe() -> TrainingRecipe:
    """Sixteen steps in the first rung of 1024 tokens."""
    return TrainingRecipe(
        sequence_length=32,
        batch=2,
        learning_rate=5e-3,
        warmup_tokens=256,
        decay_share=0.25,
        validation_tokens=512,
    )


@pytest.fixture
def architecture() -> Architecture:
    """An attention, a recurrent mixer and an FFN, as small as they get."""
    return Architecture.parse("w32 a f m2")
