"""The conformance suite of operators, for the tests of this package and of those that add operators.

Subclass it in a test module, as ``docs/extending.md`` shows::

    class TestMyOperator(OperatorConformance):
        codes = ("mine",)
        variants = ("mine[heads=2]",)

It needs pytest, and the operator must be registered.
"""

from typing import ClassVar

import pytest
import torch

from nas_search.space.notation import parse_operator
from nas_search.space.operators import conformance
from nas_search.space.operators.conformance import EQUAL, FLOAT32, HALF, SAME, STEP_FLOAT32, STEP_HALF
from nas_search.space.operators.registry import operator_types

every_length = pytest.mark.parametrize("length", conformance.LENGTHS)
every_regime = pytest.mark.parametrize("regime", conformance.REGIMES)


class OperatorConformance:
    """Every check on every operator of ``codes``, most of them on ``variants`` (notations with options) too."""

    codes: ClassVar[tuple[str, ...]] = ()
    variants: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each code, variant or notation (either), whichever it asks for."""
        if not self.codes:
            raise pytest.UsageError(f"{type(self).__name__} has no codes to test")
        choices = {"code": self.codes, "variant": self.variants, "notation": self.codes + self.variants}
        for name, values in choices.items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, values)

    @every_regime
    @every_length
    def test_forward_and_gradients_equal_the_recurrence(self, code: str, length: int, regime: str) -> None:
        """In float64, over lengths around chunk sizes, with saturated gates and with tokens that are alike."""
        for error in conformance.reference_errors(parse_operator(code), length, regime):
            assert_at_most(error, EQUAL)

    @pytest.mark.parametrize("length", [1, 33, 65, 150])
    def test_variants_equal_the_recurrence(self, variant: str, length: int) -> None:
        """As for the codes, at fewer lengths."""
        for error in conformance.reference_errors(parse_operator(variant), length):
            assert_at_most(error, EQUAL)

    def test_a_long_sequence_equals_the_recurrence(self, code: str) -> None:
        """Over many chunks, whatever their length."""
        assert_at_most(conformance.reference_errors(parse_operator(code), conformance.LONG).output, EQUAL)

    @every_regime
    def test_steps_equal_forward_in_float64(self, notation: str, regime: str) -> None:
        """Decoding token by token gives the outputs of the whole sequence."""
        assert_at_most(conformance.step_error(parse_operator(notation), 100, regime), EQUAL)

    @every_length
    def test_steps_equal_forward_in_float32(self, notation: str, length: int) -> None:
        """The same in the precision of training on a CPU."""
        error = conformance.step_error(parse_operator(notation), length, dtype=torch.float32)
        assert_at_most(error, STEP_FLOAT32)

    @every_regime
    def test_float32_stays_near_float64(self, code: str, regime: str) -> None:
        """Saturated gates overflow nothing, and all gradients are finite."""
        assert_at_most(conformance.float32_error(parse_operator(code), regime), FLOAT32)

    def test_half_precision_stays_near_float32(self, notation: str) -> None:
        """On a CPU, where PyTorch lacks some operations in half precision."""
        assert_at_most(conformance.half_error(parse_operator(notation)), HALF)

    @pytest.mark.parametrize(("prompt", "bound"), [(0, STEP_HALF), (64, HALF)])
    def test_steps_equal_forward_in_half_precision(self, notation: str, prompt: int, bound: float) -> None:
        """With recurrent memories in float32. Attention to a prompt rounds otherwise than that to a whole sequence."""
        assert_at_most(conformance.half_step_error(parse_operator(notation), prompt), bound)

    @pytest.mark.parametrize("prompt", conformance.PROMPTS)
    def test_forward_leaves_a_state_to_go_on_from(self, notation: str, prompt: int) -> None:
        """Prefill, then steps."""
        assert_at_most(conformance.prefill_error(parse_operator(notation), prompt), EQUAL)

    def test_forward_overwrites_a_used_state(self, notation: str) -> None:
        """Nothing of an earlier sequence is left."""
        assert_at_most(conformance.reused_state_error(parse_operator(notation)), 0)

    def test_is_causal(self, notation: str) -> None:
        """No output depends on a later token."""
        assert_at_most(conformance.causality_error(parse_operator(notation)), SAME)

    def test_says_truthfully_whether_it_mixes_tokens(self, code: str) -> None:
        """``mixes_tokens``, by which spaces tell mixers from FFNs."""
        spec = parse_operator(code)
        mixes = conformance.mixes_tokens(spec)
        assert mixes == spec.mixes_tokens, f"mixes_tokens is {spec.mixes_tokens}, but {mixes} is what it does"

    def test_a_bounded_length_with_a_mask_equals_the_exact_length(self, notation: str) -> None:
        """As a captured CUDA graph reads the cache: up to a bound that is not the position."""
        assert_at_most(conformance.masked_step_error(parse_operator(notation)), SAME)

    def test_a_step_never_reads_the_device(self, notation: str) -> None:
        """A step that waited for a value could not be captured in a CUDA graph."""
        assert conformance.steps_without_data(parse_operator(notation)), "a step changes the shape of its token"

    @pytest.mark.parametrize("width", conformance.WIDTHS)
    def test_parameters_are_counted(self, notation: str, width: int) -> None:
        """``parameters`` is exact."""
        assert_counted(conformance.parameter_miscount(parse_operator(notation), width))

    @pytest.mark.parametrize("context", conformance.STATE_CONTEXTS)
    def test_state_is_counted(self, notation: str, context: int) -> None:
        """``state_elements`` and ``memory_elements`` are exact, and each is kept in its number format."""
        for miscount in conformance.state_miscount(parse_operator(notation), context):
            assert_counted(miscount)

    @pytest.mark.parametrize("context", conformance.FLOP_CONTEXTS)
    def test_flops_are_counted(self, notation: str, context: int) -> None:
        """``flops`` is what a step does."""
        assert_counted(conformance.flop_miscount(parse_operator(notation), context))

    def test_spec_round_trips(self, notation: str) -> None:
        """Notation and JSON give an equal spec with an equal hash."""
        lost = conformance.lost_forms(parse_operator(notation))
        assert not lost, f"not read back as it was: {', '.join(lost)}"

    def test_codes_and_titles(self, code: str) -> None:
        """The operator is known by its own code and has a name for legends."""
        spec = operator_types()[code]
        assert spec.code == code, f"the code is {spec.code}"
        assert spec.title, "the title is empty"

    def test_fresh_weights_depend_on_the_seed_alone(self, notation: str) -> None:
        """Equal for equal seeds, and random."""
        spec = parse_operator(notation)
        first, again, other = (conformance.fresh_weights(spec, seed) for seed in (5, 5, 6))
        assert torch.equal(first, again), "equal seeds give different weights"
        assert not torch.equal(first, other), "different seeds give equal weights"

    def test_residual_weights_write_to_the_stream(self, code: str) -> None:
        """With these weights at zero an operator adds nothing: they are all that a network has to scale down."""
        assert_at_most(conformance.residual_leak(parse_operator(code)), 0)


def assert_at_most(error: float, bound: float) -> None:
    """Fail with both numbers; NaN fails too."""
    assert error <= bound, f"error {error:.3g}, at most {bound:g} is allowed"


def assert_counted(miscount: int) -> None:
    """Fail with the difference."""
    assert miscount == 0, f"the spec says {abs(miscount)} too {'many' if miscount > 0 else 'few'}"
