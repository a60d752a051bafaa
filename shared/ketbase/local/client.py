"""Calls an installation's API for the command line."""

from typing import Any
from urllib.parse import urlsplit

from ketbase.accounts.roles import Role, scopes_of

_TIMEOUT_S = 30
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ApiError(Exception):
    """The API refused, or did not answer.

    Attributes:
        code: such as `INVALID_API_KEY` or `mfa_required`; empty where nothing answered.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Client:
    """An installation, called with one credential."""

    def __init__(self, url: str, credential: str = ""):
        """Call the API at `url`.

        Raises:
            ApiError: the address is not one over which a password may go.
        """
        place = urlsplit(url)
        if place.scheme != "https" and not (place.scheme == "http" and place.hostname in _LOOPBACK):
            raise ApiError("", f"{url} is not an https address; passwords and keys go over no other.")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {credential}"} if credential else {}

    def sign_in(self, email: str, password: str, otp: str = "") -> dict[str, Any]:
        """Open a session; gives its tokens."""
        fields = {"grant_type": "password", "email": email, "password": password, "otp": otp}
        tokens: dict[str, Any] = self._call("POST", "/v1/auth/token", fields)
        return tokens

    def sign_out(self, token: str) -> None:
        """End a session."""
        self._call("POST", "/v1/auth/revoke", {"token": token})

    def me(self) -> dict[str, Any]:
        """Show whose credential this is."""
        user: dict[str, Any] = self._call("GET", "/v1/users/me")["data"]
        return user

    def make_key(self, name: str) -> dict[str, Any]:
        """Make a key that may do all that its owner may."""
        scopes = sorted(scopes_of(Role(self.me()["role"])))
        made: dict[str, Any] = self._call("POST", "/v1/api-keys", {"name": name, "scopes": scopes})["data"]
        return made

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key."""
        self._call("DELETE", f"/v1/api-keys/{key_id}")

    def submit_training(self, body: dict[str, Any]) -> dict[str, Any]:
        """Submit a training."""
        submission: dict[str, Any] = self._call("POST", "/v1/jobs", body)["data"]
        return submission

    def job(self, job_id: str) -> dict[str, Any]:
        """Show how far a job is."""
        job: dict[str, Any] = self._call("GET", f"/v1/jobs/{job_id}")["data"]
        return job

    def result(self, job_id: str) -> dict[str, Any]:
        """Give what a completed job found."""
        result: dict[str, Any] = self._call("GET", f"/v1/jobs/{job_id}/result")["data"]
        return result

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        import requests

        try:
            answer = requests.request(
                method, self.url + path, json=body, headers=self._headers, timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as problem:
            raise ApiError("", f"{self.url} does not answer.") from problem
        try:
            content = answer.json() if answer.content else None
        except ValueError as problem:
            raise ApiError("", f"{self.url} is no Ketbase: it answered {answer.status_code}.") from problem
        if answer.ok:
            return content
        raise _refused(content, answer.status_code)


def _refused(content: Any, status: int) -> ApiError:
    """Read a refusal: an envelope, or what RFC 6749 says."""
    found = content if isinstance(content, dict) else {}
    error = found.get("error")
    if isinstance(error, dict):
        return ApiError(str(error.get("code", "")), str(error.get("message", "")))
    return ApiError(str(error or ""), str(found.get("error_description") or f"It answered {status}."))
