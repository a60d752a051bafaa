"""What a simulation takes, measured in a process of its own."""

import json
import subprocess
import sys

MEASURE = """
import json, random, resource
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine

random.seed(5)
gates = []
for _ in range(6):
    for qubit in range(24):
        angles = {"theta": random.uniform(0, 6), "phi": random.uniform(0, 6), "lambda": random.uniform(0, 6)}
        gates.append(Gate(type="U", targets=(qubit,), parameters=angles))
    order = random.sample(range(24), 24)
    gates += [Gate(type="CZ", targets=(a, b)) for a, b in zip(order[::2], order[1::2])]
provider = QuantumProviders({"aer": AerEngine})
asked = {"backend": backends()["aer"], "experiment": Experiment()}
compiled = provider.compile(
    CircuitDefinition.of_gates(24, gates), **asked, seed=1, optimization_level=1
)
outcome = provider.execute(compiled, **asked, shots=1_000, seed=1, noise=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
print(json.dumps({"method": outcome.method, "shots": sum(outcome.counts[0].values()), "peak_mb": peak, "s": outcome.seconds}))
"""


def test_a_random_circuit_of_24_qubits_fits_the_image_function():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=280)
    measured = json.loads(done.stdout)
    print(f"24 random qubits, depth 12: {measured}")
    assert (measured["method"], measured["shots"]) == ("statevector", 1_000)
    assert measured["peak_mb"] < 3_008, "the smaller of the template's two sizes"
