"""What a training hands over is served with the very probabilities that it was measured by."""

import pytest

from ketbase.datasets.types import DataSpec
from ketbase.quantum.data.loading import load
from ketbase.quantum.inference.service import QuantumInference
from ketbase.quantum.training.trainer import QuantumTrainer
from ketbase.training.types import Template, TrainingConfig
from tests.unit.quantum.inference.test_predictor import AER, refuse_providers

CONFIG = {"name": "Flowers", "model_id": "model_1", "epochs": 2, "seed": 3}
DATA = DataSpec(type="iris", train_size=100, test_size=50)


@pytest.mark.parametrize(
    "asked",
    [
        {"template": Template(n_qubits=3, layers=1), "readout": "expectation"},
        {"template": Template(n_qubits=2, layers=2, encoding="amplitude"), "readout": "probabilities"},
        {"template": Template(n_qubits=4, encoding="iqp"), "method": "kernel"},
    ],
    ids=["angles", "amplitudes", "kernel"],
)
def test_a_served_model_is_as_right_as_its_training_says(asked):
    trainer = QuantumTrainer(None)
    config = TrainingConfig(**CONFIG, dataset=DATA, **asked)
    prepared = trainer.prepare(config, None, None)
    (trial,) = prepared.problem.trials
    *_, last = trainer.train(config, AER, prepared, trial, None)
    finished = trainer.finish(config, prepared, trial, last.checkpoint())
    model = QuantumInference(refuse_providers).load(finished.spec, finished.arrays)
    samples, _ = load(DATA)
    found = model.predict(samples.x.tolist(), AER, None, None)
    right = sum(one == label for one, label in zip(found.classes, samples.y.tolist(), strict=True))
    expected = sum(finished.metrics[part].confusion[k][k] for part in ("train", "test") for k in range(3))
    assert right == expected > 50
