"""What is asked of a circuit beside its counts: parameter sets, expectation values, and mitigation of errors."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ketbase.types import Model

MAX_SHOTS = 1_000_000
MAX_PARAMETER_SETS = 1_000
MAX_OBSERVABLES = 100
MAX_TERMS = 1_000
"""Of one observable."""
MAX_COEFFICIENT = 1e12
MAX_CIRCUITS = 1_000
"""Of one run: parameter sets times bases to measure times noise scales, and two that calibrate readout."""
MAX_OUTCOMES = 1_000_000
"""Different bitstrings that the circuits of one run may give together, where their counts are kept: what a circuit
may give. It makes 190 MB of 20 bits each, measured in the step that collects."""
MAX_ESTIMATED_OUTCOMES = 4_000_000
"""The same, where only the expectation values are kept that they give."""

type PauliString = Annotated[str, StringConstraints(pattern=r"^[IXYZ]+$", max_length=1_000)]
type Coefficient = Annotated[float, Field(ge=-MAX_COEFFICIENT, le=MAX_COEFFICIENT)]
type Extrapolation = Literal["linear", "quadratic", "exponential"]
type ExecutionMode = Literal["job", "batch", "session"]
"""How a provider's machine is held: for the job alone, or in a batch or a session of its own."""


class Observable(Model):
    """A real sum of Pauli strings.

    Attributes:
        terms: a coefficient for each Pauli string; a string has a letter for each qubit, qubit 0 rightmost.
        name: what the answer calls it.
    """

    terms: Annotated[
        dict[PauliString, Coefficient],
        Field(min_length=1, max_length=MAX_TERMS, examples=[{"ZZ": 1.0, "IX": 0.5}]),
    ]
    name: Annotated[str, StringConstraints(max_length=100)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        lengths = sorted({len(term) for term in self.terms})
        if len(lengths) > 1:
            raise ValueError(f"all Pauli strings need one letter for each qubit; these have {lengths} letters")
        return self

    @property
    def n_qubits(self) -> int:
        """How many qubits its strings speak of."""
        return len(next(iter(self.terms)))


class ZeroNoiseExtrapolation(Model):
    """The circuit with its noise made larger on purpose, and the value at none read off the trend.

    Attributes:
        scales: by how much noise is scaled: odd numbers, gates being folded that often; 1 is the circuit itself.
        extrapolation: the trend's form.
    """

    scales: Annotated[tuple[Literal[1, 3, 5, 7, 9], ...], Field(min_length=2, max_length=5)] = (1, 3, 5)
    extrapolation: Extrapolation = "linear"

    @model_validator(mode="after")
    def _enough_scales(self) -> Self:
        if self.scales[0] != 1 or list(self.scales) != sorted(set(self.scales)):
            raise ValueError("scales begin with 1 and grow, such as [1, 3, 5]")
        needed = {"linear": 2, "quadratic": 3, "exponential": 3}[self.extrapolation]
        if len(self.scales) < needed:
            raise ValueError(f"{self.extrapolation} extrapolation needs {needed} scales or more")
        return self


class Mitigation(Model):
    """What is done about errors; every value is given without it as well.

    Attributes:
        readout: measure how each qubit misreads 0 and 1, and undo that.
        zne: zero-noise extrapolation.
    """

    readout: bool = False
    zne: ZeroNoiseExtrapolation | None = None


class Experiment(Model):
    """What a circuit is executed for.

    Attributes:
        parameters: a value in radians for each free parameter of the circuit, once for each set.
        observables: to estimate; without any, the circuit's own measurements are counted.
        execution_mode: how the provider's machine is held for it.
    """

    parameters: Annotated[tuple[dict[str, float], ...], Field(min_length=1, max_length=MAX_PARAMETER_SETS)] = ({},)
    observables: Annotated[tuple[Observable, ...], Field(max_length=MAX_OBSERVABLES)] = ()
    mitigation: Mitigation = Mitigation()
    execution_mode: ExecutionMode = "job"


class Variant(Model):
    """What one of a compiled run's circuits is for.

    Attributes:
        parameters: which of the parameter sets it has.
        basis: the Pauli letters that it measures, qubit 0 rightmost; `None` where its own measurements are counted,
            or where the provider estimates observables by itself.
        scale: by how much its noise is scaled.
        prepared: for one that calibrates readout, which state all its qubits are put in; it has no parameters.
    """

    parameters: int = 0
    basis: str | None = None
    scale: int = 1
    prepared: Literal[0, 1] | None = None


class Estimate(Model):
    """An expectation value with its standard error."""

    value: float
    standard_error: float


class ExpectationValue(Model):
    """An observable's expectation value under one parameter set.

    Attributes:
        observable: which of the observables, from 0.
        parameters: which of the parameter sets, from 0.
        raw: as measured.
        mitigated: with what was asked for against errors, if anything was.
        scaled: for zero-noise extrapolation, the value at each scale, after readout mitigation where that is on.
        note: what was done otherwise than asked, and why.
    """

    observable: int
    parameters: int
    name: str | None = None
    raw: Estimate
    mitigated: Estimate | None = None
    scaled: dict[int, Estimate] | None = None
    note: str | None = None
