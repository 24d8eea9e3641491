"""A search space: from genome to architecture and back, sampling, mutation and repair.

The space is that of Nemotron-Flash (section 3) with two additions, without which neither of the published winners
would be in it: two neighbouring stages may interleave, and a block may have FFNs between its mixers only. Beyond those
a space may let every stage choose options of its operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from nas_search.errors import InputError, first_problem
from nas_search.space.architecture import BYTE_VOCABULARY, Architecture
from nas_search.space.blocks import Block, arrange, build_block, fit_repeats
from nas_search.space.encode import Catalogue, PlanFinder, block_catalogue, block_lengths, variant_catalogue
from nas_search.space.genome import (
    NO_INTERLEAVE,
    STAGE_FIELDS,
    Choice,
    Gene,
    Genome,
    Plan,
    check_genome,
    to_genome,
    to_plan,
)
from nas_search.space.largest import heaviest_stages
from nas_search.space.mutate import one_gene_changes
from nas_search.space.package_data import is_file_name, packaged_names, read_file, read_packaged, suggestion
from nas_search.space.sample import draw_plan
from nas_search.space.space_definition import SpaceDefinition
from nas_search.yaml_text import parse_yaml

SPACES_FOLDER = "spaces"


class SearchSpace(SpaceDefinition):
    """What samplers see: genomes, which :meth:`decode` to architectures.

    Genes come stage by stage (first and second mixer, ratio, FFN policy, repeats, the space's options), then the
    interleaving, then the width unless it is derived. Methods that take a genome raise ValueError for one of another
    space.
    """

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The genes in the order of a genome's values."""
        return _genes(self)

    @property
    def size(self) -> int:
        """Number of genomes, those that need repair and those that build the same network included."""
        return prod(len(gene.choices) for gene in self.genes)

    @property
    def tokens(self) -> int:
        """The vocabulary of members: bytes until the data say otherwise."""
        return self.vocabulary or BYTE_VOCABULARY

    def with_vocabulary(self, vocabulary: int) -> SearchSpace:
        """The same space for data with this many tokens."""
        return SearchSpace.model_validate({**self.model_dump(), "vocabulary": vocabulary})

    def members(self) -> Iterator[Genome]:
        """All members, one genome for each architecture, in the order of their genes' choices: the last gene first."""
        for genome in product(*(gene.choices for gene in self.genes)):
            # What needs repair is told faster than what is canonical.
            if self.repair(genome) == genome == self.canonical(genome):
                yield genome

    def sample(self, rng: np.random.Generator) -> Genome:
        """A random genome that decodes; the number of operators is spread evenly over 1 to ``max_operators``."""
        genes = self.genes
        counts = [len(gene.choices) for gene in genes]

        def draw_blocks() -> Plan:
            drawn = zip(genes, rng.integers(counts), strict=True)
            return self._spelled(tuple([gene.choices[place] for gene, place in drawn]))

        return to_genome(draw_plan(draw_blocks, self._lengths, self.max_repeats, self.max_operators, rng))

    def sample_architectures(self, count: int, *, seed: int) -> list[Architecture]:
        """Random members, e.g. to calibrate and check a latency table; a derived width is drawn from ``widths``."""
        rng = np.random.default_rng(seed)
        derived = self.width == "derived"
        return [self.decode(self.sample(rng), int(rng.choice(self.widths)) if derived else None) for _ in range(count)]

    def repair(self, genome: Genome) -> Genome:
        """A genome that decodes: overflow is taken from the last stage's repeats, then from earlier ones.

        A genome without any block gets one of the first stage. One that decodes is left as it is.
        """
        return to_genome(self._repaired(self._plan(genome)))

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Change one gene, then repair; the result builds something else than ``genome`` does.

        Raises ValueError if no change of one gene does, as in a space with one member.
        """
        parent = self._built(self._plan(genome))
        for changed in one_gene_changes(genome, self.genes, rng):
            plan = self._repaired(self._spelled(changed))
            if self._built(plan) != parent:
                return to_genome(plan)
        raise ValueError(f"space {self.name}: no change of one gene builds anything else")

    def decode(self, genome: Genome, width: int | None = None) -> Architecture:
        """The architecture of a repaired genome; ``width`` must be given exactly if it is derived.

        Raises ValueError for a genome that needs repair and for a width that is missing or not in the space.
        """
        plan = self._plan(genome)
        sequence = self._arrange(plan)
        if not 1 <= len(sequence) <= self.max_operators:
            raise ValueError(f"{len(sequence)} operators, but 1 to {self.max_operators} are allowed: repair first")
        if (plan.width is None) is not (width is not None):
            raise ValueError("give a width if, and only if, the space derives it")
        chosen = plan.width if width is None else width
        if chosen not in self.widths:
            raise ValueError(f"width {chosen} is not one of {list(self.widths)}")
        return self._architecture(sequence, chosen)

    def encode(self, architecture: Architecture) -> Genome:
        """The inverse of :meth:`decode` (given the same width). Raises InputError if it is not in the space."""
        self._check_fields(architecture)
        sequence = tuple(operator.notation for operator in architecture.operators)
        plan = self._find_plan(sequence, architecture.width if self.width == "gene" else None)
        if plan is None:
            stages = f"{len(self.stages)} stage{'s' if len(self.stages) > 1 else ''}"
            each = ", each with one choice of options," if self.options else ""
            raise self._not_here(architecture, f"{stages} of at most {self.max_repeats} repeats{each} cannot give it")
        return to_genome(plan)

    def canonical(self, genome: Genome) -> Genome:
        """One genome for all that, repaired, build the same architecture."""
        plan = self._repaired(self._plan(genome))
        found = self._find_plan(self._arrange(plan), plan.width)
        assert found is not None  # this plan gives the sequence, if no other does
        return to_genome(found)

    def widest(self, genome: Genome, fits: Callable[[Architecture], bool]) -> Architecture | None:
        """The widest architecture of a genome without width that ``fits``, e.g. meets the latency target."""
        candidates = (self.decode(genome, width) for width in sorted(self.widths, reverse=True))
        return next((architecture for architecture in candidates if fits(architecture)), None)

    def fastest(self, latency: Callable[[Architecture], float]) -> Architecture:
        """The member of least latency.

        Exact for a latency that never falls when operators are added: such a minimum is a single block, and every
        block is tried at every width, with every choice of the options that it shows.
        """
        variants, shortest = self._variants(), self._shortest_blocks()
        members = (
            self._architecture(block, width)
            for width in self.widths
            for bases in shortest
            for block in variants.blocks(bases)
        )
        return min(members, key=latency)

    def largest(self) -> Architecture:
        """A network of the space's blocks that no member has more parameters than.

        It is a member itself, but for one case: two listed operators with the same code may have different options.
        """
        return max((self._largest_at(width) for width in self.widths), key=lambda found: found.parameters)

    def _largest_at(self, width: int) -> Architecture:
        variants = self._variants()
        heaviest: dict[str, tuple[int, str]] = {}
        for notation, origin in variants.origins.items():
            found = (variants.specs[notation].parameters(width), notation)
            heaviest[origin.base] = max(found, heaviest.get(origin.base, found))
        weights = {base: parameters + width for base, (parameters, _) in heaviest.items()}
        stages = heaviest_stages(self._catalogue(), weights, len(self.stages), self.max_repeats, self.max_operators)
        blocks = [tuple(heaviest[base][1] for base in block) for block, _ in stages]
        repeats = [count for _, count in stages]
        return self._architecture(arrange(blocks, repeats, self._pair(self.interleave[0])), width)

    def _shortest_blocks(self) -> Iterable[Block]:
        """Blocks without one that has some of the same operators and fewer of them: they alone can be fastest.

        They come without options: with the same choices of them, the one with fewer operators is the faster too.
        """
        blocks = sorted(self._catalogue(), key=len)
        kept: list[Block] = []
        for block in blocks:
            if not any(_is_part(shorter, block) for shorter in kept):
                kept.append(block)
        return kept

    def _architecture(self, sequence: Block, width: int) -> Architecture:
        specs = self._variants().specs
        return Architecture(
            width=width,
            operators=tuple(specs[notation] for notation in sequence),
            vocabulary=self.tokens,
            meta_tokens=self.meta_tokens,
            tied_head=self.tied_head,
        )

    def _plan(self, genome: Genome) -> Plan:
        check_genome(genome, self.genes)
        return self._spelled(genome)

    def _spelled(self, genome: Genome) -> Plan:
        """The plan of a genome that is known to be of this space."""
        return to_plan(genome, len(self.stages), len(self.options))

    def _lengths(self, plan: Plan) -> list[int]:
        return [len(build_block(stage, self.ffn)) for stage in plan.stages]

    def _arrange(self, plan: Plan) -> Block:
        blocks = [build_block(stage, self.ffn) for stage in plan.stages]
        if self.options:
            variants = self._variants()
            blocks = [variants.block(block, stage.options) for block, stage in zip(blocks, plan.stages, strict=True)]
        repeats = [stage.repeats for stage in plan.stages]
        return arrange(blocks, repeats, self._pair(plan.interleave))

    def _repaired(self, plan: Plan) -> Plan:
        """The plan itself if nothing needs repair."""
        repeats = tuple(stage.repeats for stage in plan.stages)
        fitted = fit_repeats(self._lengths(plan), repeats, self.max_operators)
        return plan if fitted == repeats else plan.with_repeats(fitted)

    def _built(self, plan: Plan) -> tuple[Block, int | None]:
        """What a plan builds, without the cost of an Architecture."""
        return self._arrange(plan), plan.width

    def _pair(self, interleave: str) -> int | None:
        return None if interleave == NO_INTERLEAVE else self.stage_pairs().index(interleave)

    def _catalogue(self) -> Catalogue:
        return block_catalogue(self.mixers, self.ffn, self.ratios, self.ffns)

    def _find_plan(self, sequence: Block, width: int | None) -> Plan | None:
        catalogue = self._catalogue()
        if self.options:
            catalogue = variant_catalogue(sequence, catalogue, self._variants())
        finder = PlanFinder(sequence, catalogue, block_lengths(self.ratios, self.ffns), self.max_repeats)
        for interleave in sorted(self.interleave, key=lambda choice: choice != NO_INTERLEAVE):
            stages = finder.find(len(self.stages), self._pair(interleave))
            if stages is not None:
                return Plan(stages, interleave, width)
        return None

    def _check_fields(self, architecture: Architecture) -> None:
        expected = {
            "vocabulary": self.tokens,
            "meta_tokens": self.meta_tokens,
            "tied_head": self.tied_head,
        }
        for field, value in expected.items():
            if getattr(architecture, field) != value:
                raise self._not_here(architecture, f"{field} is {value} there")
        if architecture.width not in self.widths:
            raise self._not_here(architecture, f"the widths there are {', '.join(map(str, self.widths))}")
        if architecture.depth > self.max_operators:
            raise self._not_here(architecture, f"it has {architecture.depth} operators, over {self.max_operators}")
        known = self._variants().specs
        for operator in architecture.operators:
            if operator.notation not in known:
                raise self._not_here(architecture, f"{operator.notation} is not one of its operators")

    def _not_here(self, architecture: Architecture, reason: str) -> InputError:
        return InputError(f"{architecture.notation} is not in the space {self.name}: {reason}")


@lru_cache(maxsize=32)
def _genes(space: SearchSpace) -> tuple[Gene, ...]:
    repeats = tuple(range(space.max_repeats + 1))
    choices: tuple[tuple[Choice, ...], ...] = (space.mixers, space.mixers, space.ratios, space.ffns, repeats)
    fields = [
        *zip(STAGE_FIELDS, choices, strict=True),
        *((f"{option.code}.{option.name}", option.choices) for option in space.options),
    ]
    genes = [Gene(f"{stage}.{field}", values) for stage in space.stages for field, values in fields]
    genes.append(Gene("interleave", space.interleave))
    return (*genes, Gene("width", space.widths)) if space.width == "gene" else tuple(genes)


def _is_part(part: Block, whole: Block) -> bool:
    """Whether ``whole`` has every operator of ``part`` at least as often."""
    return all(whole.count(operator) >= part.count(operator) for operator in set(part))


def space_names() -> tuple[str, ...]:
    """Names of the search spaces that come with the package."""
    return packaged_names(SPACES_FOLDER)


def load_space(name_or_path: str | Path) -> SearchSpace:
    """A search space by name, or from a YAML file.

    Raises InputError: for a file that is no space, one line with the file and the field.
    """
    text = str(name_or_path)
    if text in space_names():
        return _read_space(read_packaged(SPACES_FOLDER, text), text)
    if isinstance(name_or_path, Path) or is_file_name(text):
        return _read_space(read_file(Path(name_or_path)), text)
    raise InputError(f"no search space '{text}'; {suggestion(text, space_names())}; or give a .yaml file")


def _read_space(text: str, where: str) -> SearchSpace:
    try:
        return SearchSpace.model_validate(parse_yaml(text, f"search space {where}"))
    except ValidationError as error:
        raise InputError(f"search space {where}: {first_problem(error)}") from None
