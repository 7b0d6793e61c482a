"""Posting a question into a client's chat channel: incoming webhooks of Teams and Slack.

Sources: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/
add-incoming-webhook, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from integrations.addresses import check_endpoint, private_endpoints_allowed, sockets
from integrations.errors import ConnectionMisconfigured, Unavailable
from msp.notifications.errors import MessageNotSent
from playbooks.models import ChatChannel

_TIMEOUT = httpx.Timeout(10.0)
_MOST_READ = 4096
# What Teams answers with status 200 where it has not posted.
_FAILED = b"Webhook message delivery failed"
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")


def send(url: str, kind: str, text: str, link: str = "") -> str:
    """Post a message with a button; return why the chat refused it for good, empty where taken.

    MessageNotSent where it is worth another try. No error tells the address, which is secret.
    """
    body = _slack(text, link) if kind == ChatChannel.Kind.SLACK else _teams(text, link)
    allow = private_endpoints_allowed()
    try:
        check_endpoint(url, allow_private=allow)
        with (
            httpx.Client(
                transport=sockets(allow_private=allow), timeout=_TIMEOUT, follow_redirects=False,
                trust_env=False,
            ) as client,
            client.stream("POST", url, json=body) as response,
        ):  # fmt: skip
            told = next(response.iter_bytes(_MOST_READ), b"")
    except ConnectionMisconfigured as error:
        return str(error)
    except (Unavailable, httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        raise MessageNotSent(f"The chat was not reached ({type(error).__name__}).") from None
    return _judged(response.status_code, told)


def _judged(status: int, told: bytes) -> str:
    if status == 429 or status >= 500 or (status < 300 and told.startswith(_FAILED)):
        raise MessageNotSent(f"The chat put the message off (status {status}).")
    if status >= 300:
        return f"The chat refused the message (status {status}): enter the channel's address anew."
    return ""


def _slack(text: str, link: str) -> Mapping[str, Any]:
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, written)
    answer = f"\n<{link}|Answer here>" if link else ""
    return {"text": f"{text}{answer}", "unfurl_links": False, "unfurl_media": False}


def _teams(text: str, link: str) -> Mapping[str, Any]:
    """An adaptive card; names out of a directory must not become links or headings in it."""
    blocks = [
        {"type": "TextBlock", "text": _MARKS.sub(r"\\\1", line), "wrap": True}
        for line in text.split("\n")
        if line
    ]
    actions = [{"type": "Action.OpenUrl", "title": "Answer", "url": link}] if link else []
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard", "version": "1.4", "body": blocks, "actions": actions,
    }  # fmt: skip
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}
