"""What a driver is told when another one was faster. None of it is an error: there is always something else to do."""

from __future__ import annotations


class TakenError(Exception):
    """Another driver of the same study has it."""


class ProposalTakenError(TakenError):
    """A proposal with this index is there already."""

    def __init__(self, index: int) -> None:
        super().__init__(f"proposal {index} is there already")


class ArchitectureTakenError(TakenError):
    """An architecture is that of another trial."""

    def __init__(self, number: int) -> None:
        super().__init__(f"trial {number} has this architecture")
        self.number = number


class LeaseLostError(TakenError):
    """A trial was given to another driver, since this one had not been heard of for too long."""

    def __init__(self, trial_id: int) -> None:
        super().__init__(f"trial with identifier {trial_id} is another driver's by now")
