"""Our account at IBM Quantum: the SDK's service, and its REST clients, one for each instance.

The service's own methods hide what we need to know: a listing of backends that could not be read comes back empty,
jobs of a listing have lost their status, and a POST is sent up to six times (`RetrySession`), of which IBM has made
six jobs (github.com/Qiskit/qiskit-ibm-runtime/issues/1114). So the service signs in, finds the instances, and hands
in what `SamplerV2` and `EstimatorV2` made; everything else asks its clients.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService
from qiskit_ibm_runtime.api.client import RuntimeClient
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import IBMInputValueError
from qiskit_ibm_runtime.utils.backend_decoder import configuration_from_server_data
from requests.adapters import HTTPAdapter

from ketbase.quantum.http import reading_retries
from ketbase.quantum.ibm.problems import not_let_in, problems, refused, unavailable

CHANNEL = "ibm_quantum_platform"
ANY_INSTANCE = "auto"

PAGE = 200
"""Jobs of one page of a listing; above it, IBM gives its default instead."""

_CONNECT_S = 5.0
_READ_S = 10.0
_RESULT_S = 60.0
_SUBMIT_S = 120.0
_MAKING = ("/jobs", "/sessions")


def sign_in(token: str, *, instance: str = "", channel: str = CHANNEL, url: str = "") -> QiskitRuntimeService:
    """Make the SDK's service, which asks IBM Cloud for our instances.

    Args:
        token: an API key of IBM Cloud.
        instance: the CRN or the name of an instance; without one, all of the account are used, free ones first.
        channel: as the SDK names the platform.
        url: of the REST API, its version included, where it is not the instance's own at IBM.
    """
    logging.getLogger("qiskit_ibm_runtime").setLevel(logging.ERROR)  # it warns of each account that it opens
    return QiskitRuntimeService(
        channel=channel,
        token=token,
        instance=instance or ANY_INSTANCE,
        url_resolver=(lambda *_: url) if url else None,
    )


class Account:
    """What we may use at IBM Quantum; it signs in when first asked."""

    def __init__(self, service: Callable[[], QiskitRuntimeService]):
        """Take what makes the SDK's service, such as `sign_in`."""
        self._make = service

    @cached_property
    def service(self) -> QiskitRuntimeService:
        """The SDK's service, made patient.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """
        with problems():
            try:
                service = self._make()
            except IBMInputValueError as problem:
                raise not_let_in(problem.message) from problem
        for client in service._get_api_clients().values():
            _make_patient(client._session)
        return service

    @property
    def clients(self) -> Mapping[str, RuntimeClient]:
        """The REST clients by the instance's CRN, in the order of preference."""
        clients: Mapping[str, RuntimeClient] = self.service._get_api_clients()
        return clients

    def anywhere[T](self, ask: Callable[[RuntimeClient], T]) -> T | None:
        """Ask each instance until one knows what is asked for; `None` where none does.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`.
        """
        answers = (self._ask(client, ask) for client in self.clients.values())
        return next((answer for answer in answers if answer is not None), None)

    def backend(self, name: str) -> IBMBackend:
        """Read a backend as it is configured now; its properties are read when its target is asked for.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`, none of our instances has it.
        """
        for instance, client in self.clients.items():
            raw = self._ask(client, lambda client: client.backend_configuration(name, refresh=True))
            if raw is None:
                continue
            configuration = configuration_from_server_data(raw, instance=instance)
            if configuration is None:
                raise unavailable(f"IBM Quantum does not describe {name} as it should", "no configuration")
            return IBMBackend(
                configuration=configuration, service=self.service, api_client=client, instance=instance
            )
        raise refused(f"none of our instances has a backend {name}", backend=name)

    def jobs(self, client: RuntimeClient, *, limit: int | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Walk an instance's jobs, page by page, the newest first.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        """
        seen = 0
        while True:
            size = min(PAGE, limit - seen) if limit is not None else PAGE
            with problems():
                page = client.jobs_get(limit=size, skip=seen, **filters)
            if not isinstance(page, dict) or not isinstance(page.get("jobs"), list):
                # Taken for an empty listing, it would make whoever looks for a job hand it in again.
                raise unavailable("IBM Quantum's answer is no listing of jobs", "no listing")
            yield from page["jobs"]
            seen += len(page["jobs"])
            if not page["jobs"] or seen >= page.get("count", seen + 1) or seen == limit:
                return

    def _ask[T](self, client: RuntimeClient, ask: Callable[[RuntimeClient], T]) -> T | None:
        with problems():
            try:
                return ask(client)
            except RequestsApiError as problem:
                if problem.status_code != requests.codes.not_found:
                    raise
        return None


def _make_patient(session: requests.Session) -> None:
    session.max_redirects = 0  # a redirected POST would become a GET
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Patient())


class _Patient(HTTPAdapter):
    """Sends what changes something once, and what only reads a few times; nothing waits without end."""

    def __init__(self) -> None:
        super().__init__(max_retries=reading_retries())

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, in our own time.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`, something was made, and the answer does not name it: the SDK
                would fail with a `KeyError` or a `TypeError`, as it does where the job is to blame.
        """
        path = urlsplit(str(request.url)).path
        options["timeout"] = (_CONNECT_S, _longest_s(request.method, path))
        answer = super().send(request, *args, **options)
        if request.method == "POST" and path.endswith(_MAKING) and answer.ok and not _has_id(answer):
            raise unavailable("IBM Quantum did not say which job or session it made", "no id")
        return answer


def _longest_s(method: str | None, path: str) -> float:
    """Say how long IBM may take to begin its answer."""
    if path.endswith("/results"):
        return _RESULT_S
    return _SUBMIT_S if method == "POST" and not path.endswith("/cancel") else _READ_S


def _has_id(answer: requests.Response) -> bool:
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return False
    return isinstance(said, dict) and bool(said.get("id"))
