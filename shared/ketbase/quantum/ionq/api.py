"""Requests to IonQ's API: one try to hand something in, a few to read, and its errors as ours."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
from qiskit_ionq.helpers import get_user_agent
from requests.adapters import HTTPAdapter

from ketbase.errors import ExecutionError, UnavailableError
from ketbase.quantum import http

PAGE = 100
"""Jobs of one page of a listing; where IonQ gives fewer, its cursor leads on."""

_CONNECT_S = 5.0
_READ_S = 10.0
_PASSING = frozenset({408, 409, 425, 429})
"""Beside 3xx and 5xx; Cloudflare, which stands before IonQ, answers 409 when it does not find IonQ."""
_LONGEST_WORDS = 500

unavailable = functools.partial(http.unavailable, "ionq")
"""The error of something that may pass."""


class IonqApi:
    """The API under one key."""

    def __init__(self, key: Callable[[], str], url: str, *, timeout_s: float = 30.0):
        """Connect at the first request.

        Args:
            key: gives the key of IonQ's cloud; asked when it is needed, for whoever only compiles may not have it.
            url: of the API, its version included.
            timeout_s: how long an answer may take; reads are tried again after 10 s at most.
        """
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = _session(key)
        self._patient = _session(key)
        for scheme in ("http://", "https://"):
            self._patient.mount(scheme, HTTPAdapter(max_retries=http.reading_retries()))

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Read something; `None` where there is no such thing (404).

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`.
        """
        timeout_s = min(self._timeout_s, _READ_S)
        return self._ask(self._patient, "GET", path, timeout_s, params=params, missing_is_none=True)

    def post(self, path: str, body: str) -> Any:
        """Post JSON once; after an `UnavailableError` it may have arrived all the same.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`.
        """
        return self._ask(self._session, "POST", path, self._timeout_s, body=body)

    def put(self, path: str) -> Any:
        """Ask for a change, once; `None` where there is no such thing.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
            ExecutionError: `PROVIDER_REFUSED`.
        """
        return self._ask(self._session, "PUT", path, self._timeout_s, missing_is_none=True)

    def job_pages(self, **filters: Any) -> Iterator[list[dict[str, Any]]]:
        """Walk a listing of jobs page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get("jobs", {**filters, **cursor, "limit": PAGE})
            if not isinstance(page, dict) or not isinstance(page.get("jobs"), list):
                # Taken for an empty listing, it would make whoever looks for a job hand it in again.
                raise unavailable("IonQ's answer is no listing of jobs", "no listing")
            yield page["jobs"]
            if not page.get("next"):
                return
            cursor = {"next": page["next"]}

    def _ask(
        self,
        session: requests.Session,
        method: str,
        path: str,
        timeout_s: float,
        *,
        params: Mapping[str, Any] | None = None,
        body: str | None = None,
        missing_is_none: bool = False,
    ) -> Any:
        try:
            answer = session.request(
                method,
                f"{self._url}/{path}",
                params=params,
                data=body,
                timeout=(_CONNECT_S, timeout_s),
                allow_redirects=False,  # a redirected POST would become a GET
            )
            if answer.ok and not answer.is_redirect:
                return answer.json()
        except requests.RequestException as problem:
            raise unavailable(f"IonQ does not answer ({type(problem).__name__})", "no answer") from problem
        if answer.status_code == requests.codes.not_found and missing_is_none:
            return None
        raise _problem(answer)


def _session(key: Callable[[], str]) -> requests.Session:
    session = requests.Session()
    session.auth = _ApiKey(key)
    session.headers.update({"Content-Type": "application/json", "User-Agent": get_user_agent()})
    return session


class _ApiKey(requests.auth.AuthBase):
    """As the session's own authentication, so that no `.netrc` takes its place."""

    def __init__(self, key: Callable[[], str]):
        self._key = functools.cache(key)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"apiKey {self._key()}"
        return request


def _problem(answer: requests.Response) -> UnavailableError | ExecutionError:
    status, words = answer.status_code, _words(answer)
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        return UnavailableError(
            "PROVIDER_CREDENTIALS",
            f"IonQ does not let us in ({status}: {words}); KETBASE_IONQ_API_KEY must hold a key that it knows.",
            engine="ionq",
            reason=str(status),
        )
    if status in _PASSING or status < 400 or status >= 500:
        return unavailable(f"IonQ answered {status} ({words})", str(status), http.retry_after(answer))
    return ExecutionError("PROVIDER_REFUSED", f"IonQ refused it ({status}): {words}", engine="ionq", status=status)


def _words(answer: requests.Response) -> str:
    """What the answer says, in any of the forms that IonQ's errors have."""
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return answer.reason or "no reason given"
    error = said.get("error") if isinstance(said, dict) else None
    nested = error.get("message") if isinstance(error, dict) else error
    words = (said.get("message") if isinstance(said, dict) else None) or nested or answer.reason
    return str(words)[:_LONGEST_WORDS]
