"""Microsoft Graph's change notifications: asked for, renewed, and read.

Sources: https://learn.microsoft.com/graph/api/subscription-post-subscriptions,
/graph/change-notifications-delivery-webhooks, /graph/change-notifications-lifecycle-events. Of what
the feeds bring Graph tells only about users and groups (and of alerts in their old form, which is
not read). It tells of groups only to who has Group.Read.All, which also opens the groups' mail and
files: that is too much for a list that may be an hour old. Of messages and of what stands in a
mailbox it tells too, one mailbox at a time and with the right to read all mail, for which no feed
asks; directory roles, sign-ins, audit records and risks are no resources that it tells of.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Notice, Watch
from integrations.errors import Unavailable
from integrations.values import Fields

# Graph allows 29 days for users; less leaves less behind where a connection is taken away.
_LIFETIME = dt.timedelta(days=3)
_LONGEST_TOKEN = 4_096
# The subscription is at its end, or is about to be: then it is renewed or made anew.
_ENDING = frozenset({"subscriptionremoved", "reauthorizationrequired"})


def watch(resource: str, permission: str) -> Watch:
    """How Graph is asked to tell of changes of a resource."""

    def start(client: GraphClient, url: str, secret: str, until: dt.datetime) -> str:
        body = {
            "changeType": "updated,deleted",
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": resource,
            "expirationDateTime": _iso(until),
            "clientState": secret,
            "latestSupportedTlsVersion": "v1_2",
        }
        created = client.write("POST", "/subscriptions", permission, body)
        subscription_id = Fields(created).text("id") if isinstance(created, dict) else ""
        if not subscription_id:
            raise Unavailable("Microsoft Graph gave the subscription no id.")
        return subscription_id

    def renew(client: GraphClient, subscription_id: str, until: dt.datetime) -> None:
        path = address("/subscriptions/{}", subscription_id)
        client.write("PATCH", path, permission, {"expirationDateTime": _iso(until)})

    return Watch(_LIFETIME, start, renew, handshake, read)


def handshake(query: Mapping[str, str]) -> str | None:
    """The token that Graph wants back, as it is, when it tries an address."""
    token = query.get("validationToken")
    return token[:_LONGEST_TOKEN] if token else None


def read(body: Any) -> list[Notice]:
    """The notices of one request."""
    told = Fields(body).objects("value") if isinstance(body, dict) else []
    return [
        Notice(secret=one.text("clientState"), is_ending=one.word("lifecycleEvent") in _ENDING)
        for one in told
    ]


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
