"""Whatever a caller sends, every answer is one that the OpenAPI document knows, and none is the server's fault."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.installation import Installation, Member, Route, found, installation
from tests.e2e.making import maker

EXAMPLES = 40
"""Of each operation."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("schema"), KETBASE_DEFAULT_MONTHLY_LIMIT="1000000") as made:
        yield made


def test_every_answer_is_one_that_the_document_knows(
    house: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = schemathesis.openapi.from_dict(house.document)
    routes = {(route.method, route.path): route for route in house.routes}
    wrong: dict[str, BaseException] = {}
    answers: Counter[int] = Counter()
    with asgi.get_client(house.client.app) as client:
        for operation in (result.ok() for result in schema.get_all_operations()):
            route = routes[operation.method.upper(), operation.path]
            try:
                answers += conversation(operation, route, found(house), client)
            except (Exception, BaseExceptionGroup) as problem:  # noqa: BLE001 (all are told together)
                wrong[str(route)] = problem
    with capsys.disabled():
        print(f"\n{answers.total()} answers of {len(routes)} operations: {dict(sorted(answers.items()))}")
    assert not wrong, "\n\n".join(f"{route}: {told(problem)}" for route, problem in wrong.items())
    assert answers.keys() >= {200, 201, 404, 422}
    assert 401 not in answers


def told(problem: BaseException) -> str:
    inner = getattr(problem, "exceptions", ())
    return "\n".join([str(problem), *map(told, inner), *getattr(problem, "__notes__", ())])


def conversation(operation: Any, route: Route, owner: Member, client: Any) -> Counter[int]:
    """Send an operation whatever its schema allows, and look at each answer."""
    answers: Counter[int] = Counter()
    # Of things that are there; every other example has an id that nothing has.
    ids = {name: maker(name).make(owner, owner) for name in route.parameters}
    credential = {"public": {}, "any": owner.key(["*"]), "session": owner.session}[route.kind]

    @BOUNDED
    @given(case=operation.as_strategy(), real=st.booleans())
    def holds(case: Any, real: bool) -> None:
        if real:
            case.path_parameters.update(ids)
        for name in ("Authorization", "X-API-Key"):
            case.headers.pop(name, None)
        answer = case.call(session=client, headers=credential)
        answers[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    holds()
    return answers
