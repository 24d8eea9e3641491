"""Whole searches, with training by formula, in a space whose stages choose options."""

from typing import Any

import pytest
import yaml
from search_fakes import SPACE, Bench, essence

from nas_search.search.samplers.names import sampler_names
from nas_search.space.architecture import Architecture

OPTIONS = {"a": {"heads": [2, 4], "qk_norm": [True, False]}, "f": {"ratio": [2, 2.5, 3]}}


def fields(bench: Bench, width: str, **more: Any) -> dict[str, Any]:
    """A search with a table of its own space, in which ``width`` is a gene or derived."""
    path = bench.folder / "options.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SPACE.format(width=width)) | {"options": OPTIONS}))
    return {"space": str(path), "table": None, "latency_budget": "20x", **more}


@pytest.mark.parametrize("sampler", sampler_names())
def test_every_sampler_proposes_members_with_options(bench: Bench, sampler: str) -> None:
    study = bench.run("run", **fields(bench, "gene", sampler=sampler, trials=12))
    trained = [record for record in study.records() if record.trained]
    assert len({record.fingerprint for record in trained}) == 12
    operators = {operator for record in trained for operator in Architecture.parse(record.architecture).operators}
    assert operators <= set(study.space.operator_specs())
    assert len({operator.notation for operator in operators if operator.code in ("a", "f")}) > 2


@pytest.mark.parametrize("width", ["gene", "derived"])
def test_a_search_goes_on_as_if_it_had_not_stopped(bench: Bench, width: str) -> None:
    bench.run("run", **fields(bench, width, trials=5))
    again = bench.run("run", **fields(bench, width, trials=11))
    assert essence(again) == essence(bench.run("straight", **fields(bench, width, trials=11)))
    assert again.space.options
