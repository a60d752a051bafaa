"""Batches and sessions, which only some providers have."""

import pytest
from pydantic import ValidationError

from ketbase.backends.catalog import backends
from ketbase.circuits.types import Circuit, CircuitDefinition, Gate
from ketbase.errors import InvalidError
from ketbase.run.service import check_fits
from ketbase.run.types import RunCircuit

AER = backends()["aer"]
IBM = backends()["fake_fez"].model_copy(update={"id": "ibm_fez", "engine": "ibm", "type": "hardware"})


def circuit() -> Circuit:
    definition = CircuitDefinition.of_gates(1, [Gate(type="H", targets=(0,))])
    return Circuit.model_construct(circuit_definition=definition, n_qubits=1, features=())


@pytest.mark.parametrize("mode", ["batch", "session"])
def test_only_machines_of_ibm_are_held_in_a_batch_or_a_session(mode):
    body = RunCircuit(execution_mode=mode)
    assert body.experiment.execution_mode == mode
    check_fits(circuit(), IBM, body)
    with pytest.raises(InvalidError, match="execution_mode") as refused:
        check_fits(circuit(), AER, body)
    assert refused.value.code == "UNSUPPORTED_EXECUTION_MODE"


def test_a_run_is_a_job_of_its_own_where_nothing_is_said():
    assert RunCircuit().experiment.execution_mode == "job"
    check_fits(circuit(), AER, RunCircuit())
    with pytest.raises(ValidationError):
        RunCircuit(execution_mode="lease")
