"""Stored laws: read as they were written, and refused if they say what no law says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from law_maker import true_points

from nas_search.errors import InputError
from nas_search.proxies.law import fit_law
from nas_search.proxies.scaling_law import ScalingLaw, evaluate


@pytest.fixture(scope="module")
def law() -> ScalingLaw:
    return fit_law(true_points(noise=0.002, tokens=(1e6, 2e6, 4e6, 8e6)), resamples=20)


@pytest.fixture(scope="module")
def without_tokens() -> ScalingLaw:
    return fit_law(true_points(noise=0.002, tokens=(1e6,)), resamples=20)


def test_written_and_read(law: ScalingLaw, tmp_path: Path) -> None:
    path = tmp_path / "law.json"
    path.write_text(law.to_json())
    assert ScalingLaw.load(path) == law


def test_losses_by_hand() -> None:
    one = evaluate(np.array([1.5, 2.0, 0.5, 3.0, 1.0]), np.array([[4.0, 6.0], [16.0, 3.0]]))
    assert one.tolist() == [1.5 + 2 / 2 + 3 / 6, 1.5 + 2 / 4 + 3 / 3]
    many = evaluate(np.array([[1.5, 2.0, 0.5], [1.0, 1.0, 1.0]]), np.array([[4.0], [1.0], [16.0]]))
    assert many.tolist() == [[2.5, 3.5, 2.0], [1.25, 2.0, 1.0625]]


def test_predictions_are_near_the_losses_and_resamples_around_them(law: ScalingLaw) -> None:
    points = true_points(tokens=(1e6, 2e6, 4e6, 8e6))
    predicted = law.predict(points.depth, points.width, points.tokens)
    assert predicted == pytest.approx(points.loss, rel=0.01)
    resampled = law.predict_resampled(points.depth, points.width, points.tokens)
    assert resampled.shape == (20, len(points))
    assert resampled.mean(axis=0) == pytest.approx(predicted, rel=0.01)


def test_contributions_add_up_to_the_loss_where_the_factors_have_their_means(law: ScalingLaw) -> None:
    means = [np.array([law.observed[factor].mean]) for factor in law.factors]
    adds = law.contributions()
    assert list(adds) == ["L0", "a", "b", "c"]
    assert sum(found.value for found in adds.values()) == pytest.approx(law.predict(*means)[0])
    assert all(found.low <= found.high for found in adds.values())


def test_what_was_seen(law: ScalingLaw, without_tokens: ScalingLaw) -> None:
    assert law.covers(depth=4, width=512, tokens=8e6)
    assert not law.covers(depth=25, width=512, tokens=8e6)
    assert not law.covers(depth=4, width=512, tokens=9e6)
    assert without_tokens.predict(*(np.array([value]) for value in (8.0, 256.0, 1.0))).shape == (1,)
    without_tokens.require("depth", "width")
    with pytest.raises(InputError, match=r"law of made: no term of tokens, which was 1e\+06 in all data"):
        without_tokens.require("depth", "tokens")


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what stands at ``a.b``, or removes it."""

    def apply(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            document = document[parent]
        if value is None:
            del document[last]
        else:
            document[last] = value

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("format", 2), "format: should be 1"),
        (
            change("coefficients.alpha.value", -1.0),
            "coefficients.alpha.value: should be greater than 0, not -1.0",
        ),
        (change("coefficients.alpha.value", "1.0"), "coefficients.alpha.value: should be a valid number"),
        (change("coefficients.alpha.low", None), "coefficients.alpha.low: Field required"),
        (
            change("coefficients.alpha", None),
            "coefficients: L0, a, b, beta, c, gamma; without the terms of none they are",
        ),
        (change("coefficients.zeta", {"value": 1.0, "low": 1.0, "high": 1.0}), "coefficients: L0, a, alpha, b"),
        (change("dropped", ["tokens"]), "without the terms of tokens they are L0, a, alpha, b, beta, in this order"),
        (change("dropped", ["depth", "width", "tokens"]), "coefficients: "),
        (change("dropped", ["height"]), "dropped.0: should be 'depth', 'width' or 'tokens'"),
        (change("resamples", [[1.0, 2.0]]), "resamples: rows of 7 coefficients"),
        (change("resamples", []), "resamples: rows of 7 coefficients, one row at least"),
        (change("observed.width", None), "observed: one entry each for depth, width, tokens"),
        (change("observed.width.values", []), "observed.width.values: Tuple should have at least 1 item"),
        (change("resamples", [[1.7e308] * 7]), "coefficients and resamples: too large to be added up"),
        (change("coefficients.a.low", 1e200), "coefficients.a: low is above high"),
        (change("observed.width.values", [256.0, 128.0]), "observed.width: values rise, each once"),
        (change("observed.depth.values", [1e26]), "observed.depth.values.0: should be less than or equal to"),
        (change("rows", 0), "rows: should be greater than or equal to 1, not 0"),
        (change("more", 1), "more: Extra inputs are not permitted"),
    ],
)
def test_damaged_laws(law: ScalingLaw, tmp_path: Path, damage: Any, message: str) -> None:
    document = json.loads(law.to_json())
    damage(document)
    path = tmp_path / "law.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        ScalingLaw.load(path)
    assert str(caught.value).startswith(f"law {path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": NaN}', b"{}"])
def test_what_is_no_law(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "law.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="law ") as caught:
        ScalingLaw.load(path)
    assert "\n" not in str(caught.value)


def test_a_law_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        ScalingLaw.load(tmp_path / "law.json")
