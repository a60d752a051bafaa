"""What goes wrong at IBM, as our errors: what may pass, what is refused, and who is not let in."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import requests
from ibm_cloud_sdk_core import ApiException
from qiskit.exceptions import QiskitError
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit_ibm_runtime.accounts.exceptions import AccountsError
from qiskit_ibm_runtime.exceptions import IBMError, IBMInputValueError, IBMNotAuthorizedError

from ketbase.errors import ExecutionError, UnavailableError
from ketbase.quantum import http

_PASSING = frozenset({408, 425, 429})
"""Beside 3xx and 5xx."""
_NO_ENTRY = frozenset({401, 403})
_RATE_LIMIT_S = 60
"""IBM takes 5 jobs a minute from a user, and does not always say when to come back."""
_UNKNOWN_KEY = re.compile(r"BXNIM04\d\dE")
"""Codes by which IBM Cloud says that it does not know an API key, with status 400."""
_LONGEST_WORDS = 500

unavailable = partial(http.unavailable, "ibm")
"""The error of something that may pass."""


@contextmanager
def problems() -> Iterator[None]:
    """Turn what IBM's SDK raises into an error of ours.

    The SDK wraps what happened, partly `from None`; what it was is found among the causes and contexts.

    Raises:
        UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`.
        ExecutionError: `PROVIDER_REFUSED`.
    """
    try:
        yield
    except (QiskitError, requests.RequestException, ApiException) as problem:
        raise _ours(problem) from problem


def status_of(problem: BaseException) -> int | None:
    """Return the HTTP status that an error of the SDK comes from."""
    answer = _answer(problem)
    return None if answer is None else answer.status_code


def not_let_in(words: str) -> UnavailableError:
    """Return the error of credentials that IBM does not take; mending them makes jobs go on."""
    return UnavailableError(
        "PROVIDER_CREDENTIALS",
        f"IBM Quantum does not let us in: {words}. KETBASE_IBM_TOKEN must hold an API key of IBM Cloud, and "
        "KETBASE_IBM_INSTANCE, where it is set, an instance that the key may use.",
        engine="ibm",
        reason="credentials",
    )


def refused(words: str, **details: Any) -> ExecutionError:
    """Return the error of something that IBM will not do, now or later."""
    return ExecutionError("PROVIDER_REFUSED", f"IBM Quantum refused it: {words}", engine="ibm", **details)


def _ours(problem: Exception) -> UnavailableError | ExecutionError:
    answer = _answer(problem)
    if answer is not None:
        return _of_status(answer)
    chain = list(_chain(problem))
    lost = next((each for each in chain if isinstance(each, requests.RequestException)), None)
    if lost is not None:
        return unavailable(f"IBM Quantum does not answer ({type(lost).__name__})", "no answer")
    if isinstance(problem, QiskitBackendNotFoundError):  # as the SDK says too where the list could not be read
        return unavailable("IBM Quantum does not list the backend now", "not listed")
    if isinstance(problem, (AccountsError, IBMNotAuthorizedError)):
        return not_let_in(problem.message)
    if isinstance(problem, IBMInputValueError) or not isinstance(problem, (IBMError, ApiException)):
        return refused(str(problem))
    return unavailable(f"IBM Quantum's answer is of no use ({problem})", "unusable answer")


def _of_status(answer: requests.Response) -> UnavailableError | ExecutionError:
    status, words = answer.status_code, _words(answer)
    if status in _NO_ENTRY or _UNKNOWN_KEY.search(answer.text):
        return not_let_in(f"{status}, {words}")
    if status in _PASSING or status < 400 or status >= 500:
        again = http.retry_after(answer)
        if again is None and status == requests.codes.too_many_requests:
            again = _RATE_LIMIT_S
        return unavailable(f"IBM Quantum answered {status} ({words})", str(status), again)
    return refused(f"{words} ({status})", status=status)


def _answer(problem: BaseException) -> requests.Response | None:
    for each in _chain(problem):
        found = each.response if isinstance(each, requests.RequestException) else None
        if isinstance(each, ApiException):
            found = each.http_response
        if isinstance(found, requests.Response):
            return found
    return None


def _chain(problem: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = problem
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__ or current.__context__


def _words(answer: requests.Response) -> str:
    """What IBM says, with its code and what it recommends, in any of the forms that its errors have."""
    try:
        said = json.loads(answer.text)
    except ValueError:
        return answer.reason or "no reason given"
    if not isinstance(said, dict):
        return answer.reason or "no reason given"
    listed = said.get("errors") or [said.get("error") or said]
    error = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    code = f"code {error['code']}" if error.get("code") else None
    message = error.get("message") or said.get("errorMessage") or answer.reason
    parts = [str(part).rstrip(".") for part in (code, message, error.get("solution")) if part]
    return ": ".join(parts)[:_LONGEST_WORDS] or "no reason given"
