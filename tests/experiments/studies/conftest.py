import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from toy_studies import EXPERIMENTS, TOY_RECIPE, copied, tiny, toy_text


@pytest.fixture(autouse=True)
def studies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS / "studies")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return toy_text(tmp_path / "text.txt")


@pytest.fixture
def toy(tmp_path: Path, text: Path) -> Any:
    """Makes a study's folder at toy scale."""

    def make(name: str, **changes: Any) -> Path:
        def change(config: dict[str, Any]) -> None:
            budgets = [64 * 2**place for place in range(len(config["tokens"]))]
            config |= {
                "data": str(text),
                "tokens": budgets,
                "recipe": TOY_RECIPE,
                "seeds": config.get("seeds", [0])[:2],
            }
            config.pop("parameters_within", None)
            if name == "depth-width":
                kept = {label: notation for label, notation in config["networks"].items() if " x 64" in label}
                config["networks"] = {
                    label.replace("64", width): notation.replace("64", width)
                    for width in ("32", "64", "96")
                    for label, notation in list(kept.items())[:3]
                }
            elif "networks" in config:
                config["networks"] = {label: tiny(found) for label, found in config["networks"].items()}
            if "sweep" in config:
                config["sweep"]["learning_rates"] = [0.001, 0.004]
            config |= changes
            for key in [key for key, value in config.items() if value is None]:
                del config[key]

        return copied(name, tmp_path, change)

    return make
