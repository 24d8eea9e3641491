"""Losses of a study's networks as a table and JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table
from study_results import Results, Vector

from nas_search.space.architecture import Architecture


def loss_table(results: Results, **more: dict[str, str]) -> Table:
    """A row for each network and arm, with the mean over seeds and the loss of each; ``more`` columns by network."""
    shown = Table("network", "architecture", "parameters", *more, "bits per byte", "seeds", box=SIMPLE)
    for member in results.study.members:
        losses = results.losses(*member)
        architecture = Architecture.parse(results.of(member)[0].training.architecture)
        shown.add_row(
            " ".join(filter(None, member)),
            architecture.notation,
            f"{architecture.parameters:,}",
            *(column.get(member.network, "") for column in more.values()),
            _text(float(losses.mean())),
            " ".join(map(_text, losses)),
        )
    return shown


def loss_document(results: Results) -> list[dict[str, Any]]:
    """The same for JSON; None where a training failed."""
    return [
        {
            "network": member.network,
            "arm": member.arm,
            "architecture": results.of(member)[0].training.architecture,
            "bits_per_byte": finite(results.losses(*member)),
        }
        for member in results.study.members
    ]


def finite(values: Vector) -> list[float | None]:
    """None where a value is not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _text(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "failed"
