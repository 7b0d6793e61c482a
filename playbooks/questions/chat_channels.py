"""A client's chat channel, which questions may be posted into. Its contacts read it, nobody else.

The channel's address lets anybody post there, so it stands in the vault and in no error or page.
"""

from urllib.parse import urlsplit

from django.utils import timezone

from integrations.addresses import check_endpoint, private_endpoints_allowed
from playbooks.cases import involved
from playbooks.errors import PlaybookError
from playbooks.models import ChatChannel
from tenants import ledger, scope, vault
from tenants.models import Case, Contact

_SECRET = "chat channel"  # noqa: S105
_LONGEST_NAME = 100
_LONGEST_ADDRESS = 2000


def of_client() -> ChatChannel | None:
    """Return the channel of the scope's tenant that is in use."""
    return ChatChannel.in_scope().filter(is_active=True).first()


def check(kind: str, name: str, url: str) -> str:
    """Return the address without blanks; PlaybookError says what can't be kept.

    ConnectionMisconfigured where the address leads into our own network, or is not https.
    """
    url = url.strip()
    if kind not in ChatChannel.Kind.values:
        raise PlaybookError(["Choose Microsoft Teams or Slack."])
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise PlaybookError([f"Give the channel's name, of at most {_LONGEST_NAME} characters."])
    if not url or len(url) > _LONGEST_ADDRESS:
        raise PlaybookError(["Enter the address that the chat gave for this channel."])
    check_endpoint(url, allow_private=private_endpoints_allowed())
    return url


def put(kind: str, name: str, url: str, *, actor: str) -> ChatChannel:
    """Post questions into this channel from now on; `check` says what can't be kept."""
    url = check(kind, name, url)
    vault.put(_SECRET, {"url": url})
    told = {
        "kind": kind, "name": " ".join(name.split()), "host": urlsplit(url).hostname or "",
        "is_active": True, "set_by": actor, "set_at": timezone.now(), "error": "",
    }  # fmt: skip
    row, _ = ChatChannel.objects.update_or_create(
        tenant_id=scope.require_tenant_id(), defaults=told
    )
    _note("chat_channel.set", row, actor)
    return row


def remove(*, actor: str) -> None:
    """Post nothing into the channel any more, and forget its address."""
    row = of_client()
    if row is None:
        raise PlaybookError(["There is no chat channel."])
    vault.put(_SECRET, {"url": ""})
    row.is_active = False
    row.save(update_fields=["is_active"])
    _note("chat_channel.removed", row, actor)


def address() -> str:
    """Return the channel's address. Never log it, and show it to nobody."""
    return vault.get(_SECRET)["url"]


def reached(row: ChatChannel, error: str) -> None:
    """Note whether a message got there: `error` says why not."""
    told_at = row.told_at if error else timezone.now()
    ChatChannel.objects.filter(id=row.id).update(told_at=told_at, error=error)


def may_ask(case: Case) -> ChatChannel | None:
    """Return the channel, where none of those who read it is somebody that the case is about."""
    channel = of_client()
    if channel is None:
        return None
    doubted = involved.of_case(case)
    readers = Contact.in_scope().filter(tenant_id=case.tenant_id, is_active=True)
    return None if any(doubted.include(one) for one in readers) else channel


def _note(kind: str, row: ChatChannel, actor: str) -> None:
    ledger.append(kind, actor=actor, subject=str(row), body={"host": row.host, "name": row.name})
