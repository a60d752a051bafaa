"""Predictions are the model's, charged and counted in one write, and only while it is served."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ketbase.costs.usage import UsageQuery, UsageReports
from ketbase.errors import BudgetError, ConflictError, InvalidError, KetbaseError, NotFoundError, UnavailableError
from ketbase.ledger.types import Budget
from ketbase.models import layout
from ketbase.models.histogram import bin_of, quantile
from ketbase.models.loaded import LoadedModels
from ketbase.models.types import DeployModel
from ketbase.money import Money
from ketbase.quantum.inference.service import QuantumInference
from tests.fakes import ALICE, BOB
from tests.trained import made

ORG = ALICE.organization_id
TWO = ((0.1, 0.2, 0.3), (-1.0, 0.5, 2.0))


def code_of(what, *arguments, **named):
    with pytest.raises(KetbaseError) as raised:
        what(*arguments, **named)
    return raised.value.code


def counting(records):
    """Count the operations on records from now on."""
    calls = []
    for name in ("get", "get_many", "query", "write"):
        real = getattr(records, name)
        setattr(records, name, lambda *a, real=real, name=name, **k: (calls.append(name), real(*a, **k))[1])
    return calls


def test_a_prediction_names_a_class_and_how_sure_it_is(house):
    spec, arrays = made()
    entry = house.deployed(spec_and_arrays=(spec, arrays))
    answer = house.predict(entry.id, TWO)
    scores = QuantumInference(None).load(spec, arrays).predict(TWO, _aer(house), None, None)
    assert [each.class_ for each in answer.predictions] == [spec.classes[k] for k in scores.classes]
    assert [list(each.probabilities) for each in answer.predictions] == scores.probabilities
    assert [each.confidence for each in answer.predictions] == [max(row) for row in scores.probabilities]
    assert answer.model_dump(mode="json")["predictions"][0]["class"] in spec.classes
    assert answer.inference_time_ms > 0


def _aer(house):
    return house.serving._backends.info("aer")


def test_what_it_costs_is_spent_at_once_and_shown_in_the_usage(house):
    entry = house.deployed()
    costs = [house.predict(entry.id, TWO).cost for _ in range(3)]
    assert min(costs) > Money()
    assert house.ledger.standing(ORG).spent == sum(costs, Money())
    report = UsageReports(house.records, house.clock).report(ALICE, UsageQuery(group_by="job"))
    (event,) = report.breakdown_by_job
    assert (event.job_id, event.event_type, event.amount) == (entry.id, "prediction", sum(costs, Money()))


def test_a_warm_prediction_is_one_write_and_reads_nothing(house):
    entry = house.deployed()
    house.predict(entry.id)
    calls = counting(house.records)
    house.predict(entry.id)
    assert calls == ["write"]


def test_over_budget_nothing_is_told(house_with):
    house = house_with("0.000001")
    entry = house.deployed()
    answers, answered = iter(lambda: house.predict(entry.id), None), []
    with pytest.raises(BudgetError) as raised:
        answered.extend(answers)
    assert raised.value.code == "BUDGET_EXCEEDED"
    assert answered
    assert house.ledger.standing(ORG).spent <= Money.of("0.000001")
    metrics = house.observations.metrics(ALICE, entry.id, "1d")
    assert (metrics.predictions_per_day, metrics.requests_per_day) == ((len(answered),), (len(answered) + 1,))


def test_a_budget_that_is_lowered_holds_in_a_warm_process(house):
    entry = house.deployed()
    house.predict(entry.id)
    house.records.write(*house.ledger.budget_writes(ORG, Budget(monthly_limit=Money.of("0.000000001"))))
    assert code_of(house.predict, entry.id) == "BUDGET_EXCEEDED"


def test_a_model_that_was_retired_elsewhere_is_not_served_from_memory(house):
    entry = house.deployed()
    house.predict(entry.id)
    house.deployments.retire(ALICE, entry.id)
    spent = house.ledger.standing(ORG).spent
    with pytest.raises(ConflictError) as raised:
        house.predict(entry.id)
    assert raised.value.code == "MODEL_RETIRED"
    assert house.ledger.standing(ORG).spent == spent


def test_a_deployment_that_changed_elsewhere_is_seen_at_once(house):
    entry = house.deployed()
    house.predict(entry.id)
    house.deployments.deploy(ALICE, entry.id, DeployModel(shots=7))
    house.predict(entry.id)
    assert UsageReports(house.records, house.clock).report(ALICE, UsageQuery()).total_shots == 7


def test_a_model_that_was_deleted_elsewhere_is_gone(house):
    entry = house.deployed()
    house.predict(entry.id)
    house.deployments.retire(ALICE, entry.id)
    house.registry.delete(ALICE, entry.id)
    assert code_of(house.predict, entry.id) == "MODEL_NOT_FOUND"
    assert house.records.count(layout.serving(ORG, entry.id)) == 0


def test_only_what_is_in_service_answers(house):
    assert code_of(house.predict, house.model().id) == "MODEL_NOT_DEPLOYED"
    entry = house.deployed()
    with pytest.raises(NotFoundError):
        house.predict(entry.id, caller=BOB)


def test_a_damaged_artifact_answers_nothing(house):
    entry = house.deployed()
    house.blobs.kept[layout.blob(ORG, entry.id, "arrays.npz")] += b"!"
    with pytest.raises(UnavailableError) as raised:
        house.predict(entry.id)
    assert raised.value.code == "ARTIFACT_DAMAGED"
    assert house.observations.metrics(ALICE, entry.id, "1d").error_rate == 1.0


def test_a_wrong_width_is_refused_counted_and_not_charged(house):
    entry = house.deployed()
    with pytest.raises(InvalidError) as raised:
        house.predict(entry.id, ((1.0, 2.0),))
    assert raised.value.code == "WRONG_WIDTH"
    house.predict(entry.id)
    metrics = house.observations.metrics(ALICE, entry.id, "1d")
    assert (metrics.requests_per_day, metrics.predictions_per_day, metrics.error_rate) == ((2,), (1,), 0.5)


def test_a_prediction_may_ask_for_shots(house):
    entry = house.deployed()
    found = [house.predict(entry.id, shots=20, seed=seed).predictions for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_hardware_is_refused(house):
    entry = house.deployed()
    info = _aer(house).model_copy(update={"id": "qpu", "type": "hardware"})
    house.serving._backends._catalogue["qpu"] = info
    assert code_of(house.predict, entry.id, backend="qpu") == "UNSUPPORTED_BACKEND"


def test_many_at_once_are_all_charged_and_counted(house):
    entry = house.deployed()
    with ThreadPoolExecutor(8) as pool:
        costs = list(pool.map(lambda _: house.predict(entry.id).cost, range(40)))
    assert house.ledger.standing(ORG).spent == sum(costs, Money())
    assert house.observations.metrics(ALICE, entry.id, "1d").requests_per_day == (40,)


def test_metrics_are_day_by_day_the_latest_last(house):
    entry = house.deployed()
    house.predict(entry.id, TWO)
    house.clock.turn(2 * 86_400)
    costs = [house.predict(entry.id).cost for _ in range(2)]
    metrics = house.observations.metrics(ALICE, entry.id, "4d")
    assert metrics.days == ("2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03")
    assert metrics.requests_per_day == (0, 1, 0, 2)
    assert metrics.predictions_per_day == (0, 2, 0, 2)
    assert metrics.cost_per_day[3] == sum(costs, Money())
    assert 0 < metrics.p50_latency_ms <= metrics.p95_latency_ms <= metrics.p99_latency_ms
    assert metrics.avg_latency_ms > 0
    nothing = house.observations.metrics(ALICE, house.model("b").id, "7d")
    assert (nothing.p50_latency_ms, nothing.error_rate, len(nothing.days)) == (None, 0.0, 7)


@pytest.mark.parametrize("window", ["", "0d", "91d", "7", "7h", "-1d"])
def test_a_window_is_a_number_of_days(house, window):
    assert code_of(house.observations.metrics, ALICE, house.model().id, window) == "INVALID_WINDOW"


def test_quantiles_are_right_to_a_few_per_cent():
    latencies = [0.001 * 1.01**k for k in range(500)]
    bins = {}
    for seconds in latencies:
        bins[bin_of(seconds)] = bins.get(bin_of(seconds), 0) + 1
    for share in (0.5, 0.95, 0.99):
        assert quantile(bins, share) == pytest.approx(latencies[int(share * 500) - 1] * 1_000, rel=0.04)


def test_the_models_least_recently_asked_are_let_go(house):
    entries = [house.model(str(k)) for k in range(3)]
    loads = []

    class Counting(QuantumInference):
        def load(self, spec, arrays):
            loads.append(spec)
            return super().load(spec, arrays)

    loaded = LoadedModels(house.registry, lambda: Counting(None), most=2)
    for number in (0, 1, 0, 2, 0, 1):
        loaded.get(ORG, entries[number])
    assert len(loads) == 4


# --- Beside each other ---


def shadowed(house, seeds=(0, 1), **second_body):
    first = house.deployed("a", made(seed=seeds[0]))
    second = house.model("a", made(seed=seeds[1]))
    house.deployments.deploy(ALICE, second.id, DeployModel(shadow_of=first.id, **second_body))
    return first, second


def test_a_shadow_made_to_differ_is_compared_rightly(house):
    first, second = shadowed(house)
    alone = house.deployed("b", made(seed=1))
    samples = tuple((float(k % 7) - 3, float(k % 5) - 2, float(k % 3)) for k in range(60))
    seen, unseen = (house.predict(each.id, samples).predictions for each in (first, alone))
    house.catch_up()
    report = house.comparisons.report(ALICE, first.id)
    pairs = [("no", "no"), ("no", "yes"), ("yes", "no"), ("yes", "yes")]
    taken = [(one.class_, other.class_) for one, other in zip(seen, unseen, strict=True)]
    counts = [taken.count(pair) for pair in pairs]
    assert report.confusion == ((counts[0], counts[1]), (counts[2], counts[3]))
    assert 0 < counts[1] + counts[2] < 60
    assert report.agreement.value == pytest.approx((counts[0] + counts[3]) / 60)
    assert report.agreement.low < report.agreement.value < report.agreement.high
    sure = [sum(each.confidence for each in side) / 60 for side in (seen, unseen)]
    assert report.first.avg_confidence == pytest.approx(sure[0], abs=1e-8)
    assert report.confidence_difference == pytest.approx(sure[1] - sure[0], abs=1e-8)
    assert (report.requests, report.predictions, report.errors) == (1, 60, 0)
    assert report.first.p50_latency_ms > 0 < report.second.p50_latency_ms
    assert (report.first.model_id, report.second.model_id) == (first.id, second.id)


def test_classes_of_the_two_are_matched_by_their_labels(house):
    spec, arrays = made(seed=0)
    first = house.deployed("a", (spec, arrays))
    second = house.model("a", (spec.model_copy(update={"classes": spec.classes[::-1]}), arrays))
    house.deployments.deploy(ALICE, second.id, DeployModel(shadow_of=first.id))
    house.predict(first.id, TWO)
    house.catch_up()
    assert house.comparisons.report(ALICE, second.id).agreement.value == 0.0


def test_the_second_answers_only_after_the_first_and_is_charged(house):
    first, second = shadowed(house)
    cost = house.predict(first.id).cost
    assert house.ledger.standing(ORG).spent == cost
    house.catch_up()
    report = house.comparisons.report(ALICE, first.id)
    assert house.ledger.standing(ORG).spent == cost + report.second.cost
    assert report.first.cost == cost
    assert house.observations.metrics(ALICE, second.id, "1d").requests_per_day == (1,)


def test_failures_of_the_second_reach_nobody_but_the_comparison(house):
    first, second = shadowed(house)
    house.blobs.kept[layout.blob(ORG, second.id, "arrays.npz")] += b"!"
    answer = house.predict(first.id)
    house.catch_up()
    assert answer.predictions
    report = house.comparisons.report(ALICE, first.id)
    assert (report.requests, report.errors, report.agreement) == (0, 1, None)
    assert house.observations.metrics(ALICE, first.id, "1d").error_rate == 0.0


def test_a_shadow_that_is_retired_answers_no_more(house):
    first, second = shadowed(house)
    house.predict(first.id)
    house.catch_up()
    house.deployments.retire(ALICE, second.id)
    house.predict(first.id)
    house.catch_up()
    assert house.comparisons.report(ALICE, second.id).requests == 1


def test_without_a_shadow_there_is_nothing_to_compare(house):
    assert code_of(house.comparisons.report, ALICE, house.deployed().id) == "NO_SHADOW"
    first, _ = shadowed(house)
    assert code_of(house.comparisons.report, BOB, first.id) == "MODEL_NOT_FOUND"
