"""What Gmail's log tells: what an account sent, and who did what with a message.

The log is in the Reports API (application gmail, event delivery), where a client's edition keeps
it. An empty answer may mean that nothing is kept, so that it says nothing by itself.
Sources: https://developers.google.com/workspace/admin/reports/v1/appendix/activity/gmail,
https://support.google.com/a/answer/12384955 (the fields), …/a/answer/7061566 (editions, lag).
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from integrations import bursts
from integrations.connectors.google_workspace import audit, scopes
from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.connectors.google_workspace.gatherers.words import now
from integrations.connectors.google_workspace.normalise.activity import Activity
from integrations.contract import Json, Target
from integrations.errors import Rejected
from integrations.mail_rules import is_outside

# For the log the API takes no longer span than 30 days.
_LONGEST = dt.timedelta(days=30)
_WEEK = dt.timedelta(days=7)
_MOST = 5_000
_FEW = 30
_LONGEST_LOOK = dt.timedelta(days=10)
# The kinds of an event, by its number.
_SENT, _OPENED, _REPLIED = 1, 7, 9
_CLICKED = frozenset({15, 16, 17})
_ADDRESS = re.compile(r"[^\s,;:<>]+@[^\s,;:<>]+")


def _log(
    client: WorkspaceClient, since: dt.datetime, user: str = "all", *, filters: str
) -> list[Activity]:
    return audit.events(
        client, "gmail", since, user=user, most=_MOST, endTime=audit.rfc3339(now()),
        eventName="delivery", filters=filters,
    )  # fmt: skip


def _kind(event: Activity) -> int:
    return event.parameters.nested("event_info").number("mail_event_type") or 0


def recipients(event: Activity) -> set[str]:
    """To whom a message went, in lower case."""
    told = event.parameters.nested("message_info")
    found = {one.word("address") for one in told.objects("destination")} - {""}
    return found or {one.lower() for one in _ADDRESS.findall(told.text("flattened_destinations"))}


def _message(event: Activity) -> str:
    return event.parameters.nested("message_info").text("rfc2822_message_id").strip("<> ")


@dataclass(frozen=True, slots=True)
class TraceSentMail:
    """How much the account sent, and whether that is usual."""

    name: str = "mailbox.trace_sent_mail"
    permissions: tuple[str, ...] = (scopes.AUDIT, scopes.DOMAINS_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return what was sent in the busiest `hours` (72) since ``inputs.since``.

        Without ``since``, in the last `hours`. Unusual: to at least 30 addresses outside, and to
        five times as many as usual, by the week before. Rejected where the log has nothing of the
        account in all that time, or names no recipient.
        """
        asked = bursts.asked(inputs, 72, _LONGEST_LOOK)
        found = [
            event
            for event in _log(
                client, asked.since - _WEEK, target.external_id,
                filters=f"event_info.mail_event_type=={_SENT}",
            )
            if _kind(event) == _SENT
        ]  # fmt: skip
        if not any(map(recipients, found)):
            raise Rejected(
                "Gmail's log has no message that this account sent: it sent none lately, or the "
                "client's edition of Google Workspace keeps no such log."
            )
        lately = [event for event in found if event.time >= asked.since]
        before = [event for event in found if event.time < asked.since]
        domains = client.domains()
        outside = bursts.most_different(_outside(lately, domains), asked.span)
        usual = len({mail for _, mail in _outside(before, domains)})
        messages = ((event.time, _message(event) or event.uid) for event in lately)
        return {
            "sent": bursts.most_different(messages, asked.span),
            "recipients_outside": outside,
            "is_unusual": bursts.is_unusual(outside, asked.usual(usual, _WEEK), least=_FEW),
        }


def _outside(
    sent: Iterable[Activity], domains: frozenset[str]
) -> Iterator[tuple[dt.datetime, str]]:
    """To which addresses outside the organisation mail went, and when."""
    for event in sent:
        yield from ((event.time, to) for to in recipients(event) if is_outside(to, domains))


@dataclass(frozen=True, slots=True)
class ListInteractions:
    """Who opened the message, followed a link or took an attachment, or answered it."""

    name: str = "email.list_interactions"
    permissions: tuple[str, ...] = (scopes.AUDIT,)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return how many did what, and who clicked or answered, of the last 30 days.

        A downloaded attachment counts as a click. Rejected where the log doesn't know the message:
        then nobody can tell.
        """
        wanted = target.external_id.strip().strip("<>")
        found = [
            event
            for event in _log(
                client, now() - _LONGEST + dt.timedelta(minutes=5),
                filters=f"message_info.rfc2822_message_id==<{wanted}>",
            )
            # The API passes over a filter that it doesn't know.
            if _message(event) == wanted
        ]  # fmt: skip
        if not found:
            raise Rejected(
                "Gmail's log doesn't know this message: it is older than 30 days, or the client's "
                "edition of Google Workspace keeps no such log."
            )
        opened = {event.actor_id for event in found if _kind(event) == _OPENED}
        clicked = {event.actor_id for event in found if _kind(event) in _CLICKED}
        replied = {event.actor_id for event in found if _kind(event) == _REPLIED}
        names = {event.actor_id: event.actor for event in found}
        return {
            "clicked": len(clicked - {""}),
            "replied": len(replied - {""}),
            # Who followed a link or answered had it open.
            "opened": len((opened | clicked | replied) - {""}),
            "accounts": [
                {
                    "external_id": who,
                    "name": names[who],
                    "has_clicked": who in clicked,
                    "has_replied": who in replied,
                }
                for who in sorted((clicked | replied) - {""})
            ],
        }
