"""Two tenants do whatever they can: nothing that one is told shows anything of the other.

All that a tenant writes carries a marker that is in nothing else. No answer to the other, no header, no error, no
total and no log line of the other's requests may show it, or an id of what it made. The operations come from the
OpenAPI document, so that a new route is among them as soon as it is there.
"""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from httpx2 import Response
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.e2e.installation import Installation, Member, Route, found, installation, log_lines
from tests.e2e.making import BELL, body_of, filled, least, maker

LEAST_OPERATIONS, MANY_OPERATIONS = 2_000, 20_000
LEAST_ROUTES = 30
ID = re.compile(r"\b(?!req_|signing_|cal_)[a-z]+_[0-9A-Z]{26}\b")
SPENT = ("password", "token", "otp", "code", "confirmation")
"""Fields that are not for text of one's own."""
MOST_WORDS = 8
"""Of a route's query; drawn whatever the route asks, so that the draws do not hang on what was made before."""
LULL_S = 5
"""Before every look at all the lists, so that no rate limit ends them."""
NOWHERE = ("nothing", "circuit_00000000000000000000000000", "..%2f..", "%00")

ROUND = settings(
    derandomize=False,  # each round tries something else
    max_examples=4,
    stateful_step_count=100,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


class Tenant:
    """One of the two.

    Attributes:
        marker: in all that it writes, and in nothing else.
        ids: of what it made, by the name of the path parameter; `seen` are all that it was ever told.
        circuits: ids of its circuits that are there.
        jobs: how many it submitted.
        spoken: the idempotency keys that it used.
    """

    def __init__(self, house: Installation, number: int):
        self.marker = f"zq{secrets.token_hex(6)}qz"
        self.number = number
        self.owner: Member = found(house, self.marker)
        made = self.owner.new_key(["*"], name=f"key {self.marker}")
        self.key = {"X-API-Key": made["key"]}
        self.kept = {made["id"], self.owner.user_id, session_of(self.owner)}
        """Whatever takes these away locks the tenant out."""
        self.ids: dict[str, list[str]] = {}
        self.seen = {self.owner.organization_id, *self.kept}
        self.circuits: list[str] = []
        self.jobs = 0
        self.spoken: set[str | None] = set()

    def made(self, parameter: str) -> str:
        """Give something that the tenant made; at first it is made."""
        if not self.ids.get(parameter):
            self.make(parameter)
        return self.ids[parameter][-1]

    def make(self, parameter: str) -> None:
        made = maker(parameter).make(self.owner, self.owner)
        self.ids.setdefault(parameter, []).append(made)
        self.seen.add(made)
        if parameter == "circuit_id":
            self.circuits.append(made)
        if parameter == "job_id":
            self.jobs += 1
            self.circuits.append("of the job")
        if parameter == "state_id":
            self.circuits.append("of the state")


def session_of(member: Member) -> str:
    (session,) = member.data_of("GET", "/v1/auth/sessions")
    return str(session["id"])


class TwoTenants(RuleBasedStateMachine):
    house: Installation
    lines: list[str]
    operations = 0
    routes_tried: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.tenants = [Tenant(self.house, number) for number in range(2)]

    # --- Asking, and looking at what is told ---

    def ask(
        self, number: int, method: str, path: str, *, with_key: bool = False, also_sent: str = "", **asked: Any
    ) -> Response:
        """Call as one tenant, and look for anything of the other in all that comes of it."""
        tenant, other = self.tenants[number], self.tenants[1 - number]
        credential = tenant.key if with_key else tenant.owner.session
        begun = len(self.lines)
        answer = self.house.call(method, path, credential, **asked)
        type(self).operations += 1
        sent = f"{path} {json.dumps(asked)} {also_sent}"
        told = f"{answer.text} {dict(answer.headers)}"
        self.look(f"{method} {path} {answer.status_code}", told, sent, other)
        self.look(f"the log of {method} {path}", "\n".join(self.lines[begun:]), sent, other)
        assert answer.status_code < 500, answer.text
        sent_ids = set(ID.findall(sent))
        tenant.seen |= {found for found in ID.findall(told) if found not in sent_ids}
        return answer

    @staticmethod
    def look(what: str, told: str, sent: str, other: Tenant) -> None:
        assert other.marker not in told.replace(other.marker, "" if other.marker in sent else other.marker), (
            f"{what} shows what the other wrote: {told[:2_000]}"
        )
        assert other.owner.organization_id not in told or other.owner.organization_id in sent, (
            f"{what} shows the other's organisation: {told[:2_000]}"
        )
        shown = (set(ID.findall(told)) & other.seen) - set(ID.findall(sent))
        assert not shown, f"{what} shows the other's {shown}: {told[:2_000]}"

    def total(self, number: int, path: str, **params: str) -> int:
        answer = self.ask(number, "GET", path, params={"limit": "1", **params})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["meta"]["total"])

    # --- What one does on purpose ---

    @rule(number=st.integers(0, 1), shared=st.booleans())
    def create_a_circuit(self, number: int, shared: bool) -> None:
        tenant = self.tenants[number]
        tags = ["common", tenant.marker] if shared else [tenant.marker]
        body = {"name": f"c {tenant.marker}", "metadata": {"tags": tags, "note": tenant.marker}, **BELL}
        answer = self.ask(number, "POST", "/v1/circuits", json=body)
        assert answer.status_code == 201
        tenant.circuits.append(answer.json()["data"]["id"])
        tenant.ids.setdefault("circuit_id", []).append(tenant.circuits[-1])

    @rule(number=st.integers(0, 1), key=st.sampled_from(["same", "other", None]), with_key=st.booleans())
    def run_a_circuit(self, number: int, key: str | None, with_key: bool) -> None:
        tenant = self.tenants[number]
        headers = {} if key is None else {"Idempotency-Key": key}
        path = f"/v1/circuits/{tenant.made('circuit_id')}/run"
        answer = self.ask(
            number, "POST", path, json={"backend": "aer", "shots": 7}, headers=headers, with_key=with_key
        )
        if key not in tenant.spoken:
            assert answer.status_code != 409, f"the other's Idempotency-Key is in the way: {answer.text}"
        if answer.status_code == 202:
            tenant.spoken.add(key)
            job = answer.json()["data"]["job_id"]
            if job not in tenant.ids.setdefault("job_id", []):
                tenant.ids["job_id"].append(job)
                tenant.jobs += 1

    @rule(number=st.integers(0, 1))
    def cancel_a_job(self, number: int) -> None:
        self.ask(number, "POST", f"/v1/jobs/{self.tenants[number].made('job_id')}/cancel")

    @rule(number=st.integers(0, 1))
    def delete_a_circuit(self, number: int) -> None:
        tenant = self.tenants[number]
        tenant.make("circuit_id")
        circuit = tenant.ids["circuit_id"].pop()
        assert self.ask(number, "DELETE", f"/v1/circuits/{circuit}").status_code == 204
        tenant.circuits.remove(circuit)

    # --- What one tries ---

    @rule(number=st.integers(0, 1), what=st.sampled_from(["tags", "target", "actor_id", "action"]))
    def search_for_what_the_other_wrote(self, number: int, what: str) -> None:
        other = self.tenants[1 - number]
        path = "/v1/circuits" if what == "tags" else "/v1/audit"
        wanted = {
            "tags": other.marker,
            "target": other.made("circuit_id"),
            "actor_id": other.owner.user_id,
            "action": other.marker,
        }[what]
        answer = self.ask(number, "GET", path, params={what: wanted}).json()
        assert (answer["data"], answer["meta"]["total"]) == ([], 0)

    @rule(number=st.integers(0, 1), chosen=st.integers(0, 10_000), with_key=st.booleans(), marked=st.booleans())
    def do_anything_with_ones_own(self, number: int, chosen: int, with_key: bool, marked: bool) -> None:
        tenant = self.tenants[number]
        route = self.route(chosen)
        ids = {name: tenant.made(name) for name in route.parameters}
        if route.changes and route.parameters:
            for name in route.parameters:
                tenant.make(name)
                ids[name] = tenant.ids[name].pop()
        before = self.house.calls
        answer = self.ask(
            number, route.method, filled(route, ids), with_key=with_key, **self.said(route, tenant, marked)
        )
        assert self.house.calls > before
        if answer.is_success:
            self.note(tenant, route, ids, answer)

    @rule(
        number=st.integers(0, 1),
        chosen=st.integers(0, 10_000),
        with_key=st.booleans(),
        lost=st.sampled_from([None, *NOWHERE]),
    )
    def try_anything_with_the_others(self, number: int, chosen: int, with_key: bool, lost: str | None) -> None:
        tenant, other = self.tenants[number], self.tenants[1 - number]
        route = self.route(chosen, about_tenants=True)
        ids = {
            name: (lost or other.made(name)) if maker(name).tenants else tenant.made(name)
            for name in route.parameters
        }
        answer = self.ask(
            number, route.method, filled(route, ids), with_key=with_key, **self.said(route, tenant, marked=False)
        )
        assert answer.status_code in (403, 404, 405), f"{route} of the other: {answer.status_code} {answer.text}"

    @rule(
        number=st.integers(0, 1),
        chosen=st.integers(0, 10_000),
        picked=st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=MOST_WORDS, max_size=MOST_WORDS),
    )
    def ask_with_the_others_words(self, number: int, chosen: int, picked: list[int | None]) -> None:
        tenant, other = self.tenants[number], self.tenants[1 - number]
        readers = [route for route in self.secured() if not route.changes]
        route = readers[chosen % len(readers)]
        words = [other.marker, other.owner.user_id, other.made("circuit_id"), other.made("job_id")]
        asked = [each["name"] for each in route.operation.get("parameters", ()) if each["in"] == "query"]
        params = {
            name: words[which]
            for name, which in zip(asked, picked, strict=False)
            if name not in ("wait", "follow") and which is not None
        }
        ids = {name: tenant.made(name) for name in route.parameters}
        self.ask(number, "GET", filled(route, ids), params=params)

    @rule(number=st.integers(0, 1), chosen=st.integers(0, 10_000), marked=st.booleans())
    def no_total_changes_by_what_the_other_does(self, number: int, chosen: int, marked: bool) -> None:
        before = self.totals(number)
        self.do_anything_with_ones_own(1 - number, chosen, with_key=False, marked=marked)
        assert self.totals(number) == before

    @invariant()
    def totals_are_ones_own(self) -> None:
        for number, tenant in enumerate(self.tenants):
            if (self.operations + number) % 10 == 0:
                assert self.total(number, "/v1/circuits") == len(tenant.circuits)
                assert self.total(number, "/v1/jobs") == tenant.jobs

    # --- The routes ---

    def secured(self) -> list[Route]:
        return [route for route in self.house.routes if route.kind != "public"]

    def route(self, chosen: int, *, about_tenants: bool = False) -> Route:
        routes = [
            route
            for route in self.secured()
            if not about_tenants or any(maker(name).tenants for name in route.parameters)
        ]
        route = routes[chosen % len(routes)]
        self.routes_tried.add(str(route))
        return route

    def totals(self, number: int) -> dict[str, Any]:
        """Give what all lists of a tenant count, and how many items they show."""
        self.house.clock.sleep(LULL_S)
        counted = {}
        for route in self.secured():
            if route.method == "GET" and not route.parameters and route.path != "/v1/backends":
                answer = self.ask(number, "GET", route.path).json()
                meta = answer.get("meta", {})
                counted[route.path] = (meta.get("total"), len(answer["data"]) if "total" in meta else None)
        # Looking is told in no list.
        return counted

    def said(self, route: Route, tenant: Tenant, marked: bool) -> dict[str, Any]:
        said = body_of(self.house, route)
        if marked and "json" in said:
            schema = route.operation["requestBody"]["content"]["application/json"]["schema"]
            said["json"] = self.marked(schema, tenant.marker)
        return said

    def marked(self, schema: dict[str, Any], marker: str) -> Any:
        """Give a body with the marker wherever it takes text of one's own."""
        document = self.house.document
        if "$ref" in schema:
            made = least(document, schema)
            properties = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]].get("properties", {})
            if not isinstance(made, dict):
                return made
            text = {
                name: marker
                for name, each in properties.items()
                if name not in SPENT and ("name" in name or name in ("description", "note"))
            }
            return {**made, **text}
        return least(document, schema)

    def note(self, tenant: Tenant, route: Route, ids: dict[str, str], answer: Response) -> None:
        """Keep count of what a tenant made and took away with routes from the document."""
        match str(route):
            case "POST /v1/circuits":
                tenant.circuits.append(answer.json()["data"]["id"])
            case "DELETE /v1/circuits/{circuit_id}":
                tenant.circuits.remove(ids["circuit_id"])
            case "POST /v1/circuits/{circuit_id}/run" | "POST /v1/circuits/{circuit_id}/optimize" | "POST /v1/jobs":
                tenant.jobs += 1


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("tenants"), KETBASE_DEFAULT_MONTHLY_LIMIT="1000000") as made:
        yield made


@pytest.mark.parametrize(
    "operations",
    [LEAST_OPERATIONS, pytest.param(MANY_OPERATIONS, marks=[pytest.mark.verify_02, pytest.mark.timeout(1_800)])],
)
def test_two_tenants_never_see_anything_of_each_other(
    house: Installation, capsys: pytest.CaptureFixture[str], operations: int
) -> None:
    with log_lines() as lines:
        TwoTenants.house, TwoTenants.lines = house, lines
        TwoTenants.operations = 0
        while TwoTenants.operations < operations or len(TwoTenants.routes_tried) < LEAST_ROUTES:
            run_state_machine_as_test(TwoTenants, settings=ROUND)  # type: ignore[no-untyped-call]
    with capsys.disabled():
        print(f"\n{TwoTenants.operations} operations, {len(TwoTenants.routes_tried)} routes")
