"""Which addresses a webhook may have, and what is shown of one: it is a secret, who knows it can post."""

from urllib.parse import SplitResult, urlsplit

from ketbase.errors import InvalidError

SHOWN = 4
"""How many of an address's last characters are shown."""


def check_webhook(url: str, hosts: tuple[str, ...]) -> None:
    """Check that a webhook's address is one that may be called.

    Args:
        url: what a tenant gave.
        hosts: the names of hosts that may be called over HTTPS; or, for a receiver inside, whole origins such as
            `http://127.0.0.1:9000`.

    Raises:
        InvalidError: `INVALID_WEBHOOK`.
    """
    try:
        parts = urlsplit(url)
        allowed = parts.username is None and parts.password is None and _origin(parts) in map(_allowed, hosts)
    except ValueError:
        allowed = False
    if not allowed or not url.isascii() or not url.isprintable():
        raise InvalidError(
            "INVALID_WEBHOOK",
            f"A webhook is an https address on one of these hosts: {', '.join(hosts)}.",
            field="webhook",
            hosts=list(hosts),
        )


def hint(url: str) -> str:
    """Show a webhook's host and its last characters, such as `hooks.slack.com/…x7Qa`."""
    return f"{urlsplit(url).hostname}/…{url[-SHOWN:]}"


def _allowed(host: str) -> tuple[str, str, int]:
    return _origin(urlsplit(host if "://" in host else f"https://{host}"))


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
