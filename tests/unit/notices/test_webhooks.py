"""Webhooks reach the hosts that the installation allows, and no other."""

from collections.abc import Iterator

import pytest

from ketbase.adapters.webhooks.https import HttpsWebhooks
from ketbase.errors import InvalidError
from ketbase.notices.webhooks import check_webhook, hint
from ketbase.ports.webhooks import WebhookError
from tests.receivers import Receiver, receiver

SLACK = ("hooks.slack.com",)


@pytest.fixture
def slack() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def test_a_post_arrives_as_json(slack: Receiver) -> None:
    HttpsWebhooks((slack.origin,)).post(slack.url(), {"text": "Grüße"})
    assert slack.posts == [("/services/T0/B0/secret", {"text": "Grüße"})]


def test_a_redirect_is_not_followed(slack: Receiver) -> None:
    with pytest.raises(WebhookError, match="307"):
        HttpsWebhooks((slack.origin,)).post(slack.url("/redirect"), {"text": "x"})
    assert [path for path, _ in slack.posts] == ["/redirect"]


def test_a_refusal_is_an_error_that_does_not_tell_the_address(slack: Receiver) -> None:
    slack.statuses = [404]
    with pytest.raises(WebhookError) as refused:
        HttpsWebhooks((slack.origin,)).post(slack.url(), {"text": "x"})
    assert "404" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_nobody_listening_is_an_error_that_does_not_tell_the_address() -> None:
    with receiver() as gone:
        url = gone.url()
    with pytest.raises(WebhookError) as refused:
        HttpsWebhooks((gone.origin,)).post(url, {"text": "x"})
    assert "secret" not in repr(refused.value)
    assert refused.value.__cause__ is None


def test_a_host_that_is_not_allowed_is_not_called(slack: Receiver) -> None:
    with pytest.raises(WebhookError):
        HttpsWebhooks(SLACK).post(slack.url(), {"text": "x"})
    assert slack.posts == []


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com:443/services/T0/B0/x",
        "https://HOOKS.slack.com/services",
    ],
)
def test_slack_may_be_called(url: str) -> None:
    check_webhook(url, SLACK)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/services/T0",
        "https://hooks.slack.com:8443/services/T0",
        "https://hooks.slack.com.evil.example/x",
        "https://evil.example/hooks.slack.com",
        "https://hooks.slack.com@169.254.169.254/latest",
        "https://user:pw@hooks.slack.com/services",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/x",
        "http://127.0.0.1:8001/",
        "https://hooks.slack.com\\@evil.example/x",
        "https://hooks.slack.com/\r\nHost: evil.example",
        "https://hooks.slack.com:port/x",
        "ftp://hooks.slack.com/x",
        "hooks.slack.com/services",
        "",
    ],
)
def test_nothing_else_may_be_called(url: str) -> None:
    with pytest.raises(InvalidError, match=r"hooks\.slack\.com") as refused:
        check_webhook(url, SLACK)
    assert refused.value.code == "INVALID_WEBHOOK"


def test_a_hint_shows_the_host_and_four_characters() -> None:
    assert hint("https://hooks.slack.com/services/T0/B0/secretx7Qa") == "hooks.slack.com/…x7Qa"
