"""A house of models over real adapters in a folder."""

from types import SimpleNamespace

import pytest

from ketbase.accounts.store import AccountStore
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes
from ketbase.ledger.till import Till
from ketbase.models.deployments import Deployments
from ketbase.models.loaded import LoadedModels
from ketbase.models.metrics import Observations
from ketbase.models.pricing import PredictionPrices
from ketbase.models.registry import Registry
from ketbase.models.serving import Serving
from ketbase.models.shadowing import Comparisons
from ketbase.models.store import ModelStore
from ketbase.models.types import (
    DeployModel,
    Predict,
    PredictOptions,
)
from ketbase.quantum.inference.service import QuantumInference
from tests.fakes import ALICE, DictBlobs, FakeCapacity, TurnedClock, backends_of, books, job_store
from tests.trained import trained


class House(SimpleNamespace):
    """Records, blobs, and the services over them."""

    def __init__(self, records, clock, limit):
        blobs = DictBlobs()
        prices = PredictionPrices(Prices.load(), 1_769)
        store = ModelStore(records, blobs)
        ledger, registry, capacity = books(records, clock, limit), Registry(store, prices, clock), FakeCapacity()
        listed, accounts = Prices.load(), AccountStore(records)
        quotes = Quotes(listed, compute_memory_mb=3_008, control_memory_mb=1_024)
        backends = backends_of(records, job_store(records, clock), quotes, clock)
        loaded = LoadedModels(registry, lambda: QuantumInference(lambda: None))
        super().__init__(
            records=records,
            blobs=blobs,
            clock=clock,
            store=store,
            prices=prices,
            ledger=ledger,
            registry=registry,
            capacity=capacity,
            deployments=Deployments(
                records,
                store,
                registry,
                backends,
                accounts,
                capacity,
                clock,
                max_replicas=10,
                public_url="https://ket.test/",
            ),
            serving=Serving(
                records, registry, loaded, Till(ledger, records, clock), backends, accounts, prices, listed, clock
            ),
            observations=Observations(records, registry, clock),
            comparisons=Comparisons(records, registry),
            later=[],
        )

    def model(self, name="flowers", spec_and_arrays=None, caller=ALICE, **changed):
        """Register a model."""
        handed = trained(name, spec_and_arrays, **changed)
        return self.registry.add(caller.organization_id, handed)

    def deployed(self, name="flowers", spec_and_arrays=None, caller=ALICE, **body):
        """Register a model and put it into service."""
        entry = self.model(name, spec_and_arrays, caller)
        self.deployments.deploy(caller, entry.id, DeployModel.model_validate(body))
        return entry

    def predict(self, model_id, inputs=((0.1, 0.2, 0.3),), caller=ALICE, **options):
        """Predict, and remember what is to be done later."""
        body = Predict(inputs=inputs, options=PredictOptions(**options))
        return self.serving.predict(caller, model_id, body, self.later.append)

    def catch_up(self):
        """Do what was put off."""
        while self.later:
            self.later.pop(0)()


@pytest.fixture
def house_with(tmp_path):
    """Make a house with a monthly limit."""
    clock = TurnedClock()
    return lambda limit: House(SqliteRecords(tmp_path / "records.db", clock), clock, limit)


@pytest.fixture
def house(house_with):
    return house_with("1000")
