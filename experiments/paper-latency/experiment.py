"""What is measured, part by part: those that are recorded are not measured again, and one that fails costs no other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from published import Published
from record import Record

from nas_search.cli.console import stderr
from nas_search.cli.progress import progress_bar
from nas_search.errors import InputError, RunError
from nas_search.profiler.compare import compare
from nas_search.profiler.comparison import Comparison
from nas_search.profiler.device import Device
from nas_search.profiler.device_rates import DeviceRates, device_rates
from nas_search.profiler.isolated import Runner, run_isolated
from nas_search.profiler.timing import Progress, StopRule
from nas_search.profiler.workload import Workload
from nas_search.space.architecture import Architecture

SEED = 0
STOP = StopRule(max_seconds=10.0)
STEPS = "steps:measure_steps"

JsonObject = dict[str, Any]


class Measuring(NamedTuple):
    """What measures: rates of a device, networks against each other, and functions in processes of their own."""

    rates: Callable[..., DeviceRates] = device_rates
    compare: Callable[..., Comparison] = compare
    run: Runner = run_isolated


class Experiment(NamedTuple):
    """The paper's models on one device, into a record whose document has the settings."""

    paper: Published
    networks: Mapping[str, Architecture]
    device: Device
    record: Record
    measuring: Measuring

    def run(self, names: Sequence[str]) -> bool:
        """Whether all parts are there; why one is not is told. Raises RunError if the device has no rates."""
        if not self.record.has("device", "rates"):
            rates = self.measuring.rates(self.device, self.device.default_dtype, seed=SEED)
            self.record.add("device", "rates", rates.model_dump(mode="json"))
        sections = {"models": self._against_hybrid, "transformers": self._against_transformers}
        parts = [(section, name, ask) for section, ask in sections.items() for name in names]
        missing = [part for part in parts if not self._is_there(*part)]
        return not missing

    def _is_there(self, section: str, name: str, ask: Callable[[str, Progress], JsonObject]) -> bool:
        """Now, if not before."""
        if self.record.has(section, name):
            return True
        try:
            with progress_bar(stderr(), f"{section}: {name}") as progress:
                self.record.add(section, name, ask(name, progress))
        except (InputError, RunError) as error:
            print(f"{section}: {name}: {error}", file=sys.stderr)
            return False
        return True

    def _against_hybrid(self, name: str, progress: Progress) -> JsonObject:
        """A baseline first, then the hybrid of its group."""
        rates = DeviceRates.model_validate(self.record.document["figures"]["device"]["rates"])
        found = self.measuring.compare(
            [self.networks[name], self.networks[self.paper.baselines[name].against]],
            [Workload.parse(text) for text in self.record.document["workloads"].values()],
            self.device,
            seed=SEED,
            stop=STOP,
            rates_of=lambda *question, **options: rates,
            progress=progress,
        )
        return found.model_dump(mode="json")

    def _against_transformers(self, name: str, progress: Progress) -> JsonObject:
        """Single steps of a baseline."""
        request = {
            "device": {**self.device.model_dump(mode="json"), "place": self.device.place},
            "architecture": self.networks[name].model_dump(mode="json"),
            "contexts": self.record.document["contexts"],
            "compiled": self.record.document["compiled"],
        }
        return self.measuring.run(STEPS, request, progress)
