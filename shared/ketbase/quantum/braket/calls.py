"""What can go wrong when Braket or its results' bucket is asked, in our own words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from ketbase.errors import ExecutionError, UnavailableError

CONFIG = Config(
    # Devices say what OpenQASM they take only to those who know these schemas; see GetDevice in Braket's API.
    user_agent_extra="BraketSchemas/1.32.1",
    # Trying again is safe for all that is asked here: a task is created under a token, and once for each token.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=3,
    read_timeout=20,
)

_BAD_CREDENTIALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
_LATER_S = {
    "DeviceOfflineException": 600.0,
    "ServiceQuotaExceededException": 60.0,
    "ThrottlingException": 5.0,
    "TooManyRequestsException": 5.0,
    "SlowDown": 5.0,
}
"""Answers that ask to come back, and after how many seconds where they do not say it themselves."""
_MISSING = frozenset({"ResourceNotFoundException", "NoSuchKey", "NoSuchBucket", "404"})
_SERVER_ERROR = 500


class IncompleteError(Exception):
    """An answer lacks what it must have: boto3 takes what is no JSON for an empty one."""


class MissingError(Exception):
    """What was asked for does not exist."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what boto3 raises inside into our errors.

    Raises:
        MissingError: there is no such device, task or object.
        UnavailableError: `PROVIDER_UNAVAILABLE` or `PROVIDER_CREDENTIALS`; asking again later may help.
        ExecutionError: `PROVIDER_REFUSED`, with Braket's words.
    """
    try:
        yield
    except ClientError as problem:
        raise _answered(problem) from problem
    except ParamValidationError as problem:
        raise _refused(str(problem), "ParamValidationError") from problem
    except _NO_CREDENTIALS as problem:
        raise _credentials(str(problem)) from problem
    except (BotoCoreError, ResponseParserError, IncompleteError) as problem:
        raise UnavailableError(
            "PROVIDER_UNAVAILABLE",
            f"Amazon Braket does not answer: {problem!r}",
            engine="braket",
            reason=type(problem).__name__,
        ) from problem


def whole(answer: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """Return an answer without what boto3 added to it.

    Raises:
        IncompleteError: it lacks a field.
    """
    lacking = [name for name in fields if name not in answer]
    if lacking:
        raise IncompleteError(f"its answer lacks {', '.join(lacking)}")
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def _answered(problem: ClientError) -> Exception:
    error = problem.response.get("Error", {})
    code, words = str(error.get("Code", "")), str(error.get("Message", ""))
    metadata = problem.response.get("ResponseMetadata", {})
    if code in _MISSING:
        return MissingError(words or code)
    if code in _BAD_CREDENTIALS:
        return _credentials(f"{words} ({code})")
    if code in _LATER_S:
        return UnavailableError(
            "PROVIDER_UNAVAILABLE",
            f"Amazon Braket asks to come back later: {words} ({code})",
            engine="braket",
            reason=code,
            retry_after_s=_retry_after(metadata, _LATER_S[code]),
        )
    if int(metadata.get("HTTPStatusCode", 0)) >= _SERVER_ERROR:
        return UnavailableError(
            "PROVIDER_UNAVAILABLE", f"Amazon Braket failed: {words} ({code})", engine="braket", reason=code
        )
    failures = problem.response.get("programSetValidationFailures")
    return _refused(f"{words} {failures}" if failures else words, code)


def _retry_after(metadata: dict[str, Any], default: float) -> float:
    try:
        return float(metadata.get("HTTPHeaders", {}).get("retry-after", default))
    except ValueError:  # a date
        return default


def _credentials(reason: str) -> UnavailableError:
    return UnavailableError(
        "PROVIDER_CREDENTIALS",
        f"Amazon Braket does not let us in: {reason}. Whoever asks needs the permissions for Braket and for "
        "KETBASE_BRAKET_BUCKET, and the account must have Braket enabled.",
        engine="braket",
        reason="credentials",
    )


def _refused(words: str, code: str) -> ExecutionError:
    return ExecutionError("PROVIDER_REFUSED", f"Amazon Braket refused this: {words}", engine="braket", reason=code)
