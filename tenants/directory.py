"""The directory of a tenant, kept current from what providers say."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, models
from django.utils import timezone

from tenants import devices, ledger, people, scope, work
from tenants.canonical import jsonable
from tenants.identifiers import Identifier, of_users
from tenants.models import Account, Device, DirectoryObject, Mailbox
from tenants.records import DirectoryItem
from tenants.storable import later

_TYPED: Mapping[str, type[models.Model]] = {
    "account": Account,
    "device": Device,
    "mailbox": Mailbox,
}
_BATCH = 500
_BEARING_ON_PLANS = {"account", "device"}
_SOON = 5.0
_ALWAYS = ("content_hash", "deleted_upstream_at", "updated_at")
_Told = Sequence[tuple[DirectoryItem, str]]
# A technician decides these; a provider's feed never overwrites them.
_ACCOUNT_FIELDS = frozenset(
    {
        "username", "email", "display_name", "kind", "is_enabled", "is_licensed", "roles",
        "is_privileged", "source_of_authority", "on_premises_sid", "is_mfa_registered",
        "risk_level",
    }
)  # fmt: skip


def set_kind(account: Account, kind: Account.Kind, *, actor: str) -> None:
    """Decide what kind of account it is, such as a service account, which no provider says."""
    people.lock()
    account.kind = kind
    account.kind_set_by = actor
    account.save(update_fields=["kind", "kind_set_by"])
    people.weigh([account.id])
    ledger.append("account.kind_set", actor=actor, subject=account.username, body={"kind": kind})


def known_hashes(provider: str, items: Iterable[DirectoryItem]) -> dict[tuple[str, str], str]:
    """Return (kind, external id) → content hash of what is in the directory already."""
    wanted: dict[str, set[str]] = {}
    for item in items:
        wanted.setdefault(item.kind, set()).add(item.external_id)
    known: dict[tuple[str, str], str] = {}
    for kind, ids in wanted.items():
        rows = rows_of(kind, provider).filter(external_id__in=ids)
        for external_id, content_hash in rows.values_list("external_id", "content_hash"):
            known[kind, external_id] = content_hash
    return known


def apply(provider: str, told: Sequence[tuple[DirectoryItem, str]]) -> None:
    """Bring the directory up to date with items and the hashes of their content, in their order.

    Only what an item tells is changed.
    """
    if not told:
        return
    people.lock()
    of_kind: dict[str, list[tuple[DirectoryItem, str]]] = {}
    for item, content_hash in told:
        of_kind.setdefault(item.kind, []).append((item, content_hash))
    if of_kind.keys() & _BEARING_ON_PLANS:
        # Later, since much of a directory may come at once.
        work.schedule("replan", scope.require_tenant_id(), delay=_SOON)
    # Accounts first: devices and mailboxes are theirs.
    _apply_accounts(provider, of_kind.pop("account", []))
    _apply_devices(provider, of_kind.pop("device", []))
    _apply_mailboxes(provider, of_kind.pop("mailbox", []))
    for kind, items in of_kind.items():
        _apply_objects(provider, kind, items)


def mark_all_deleted(provider: str) -> int:
    """Mark all that a provider told of as deleted there, since it was another organisation's.

    Return how much there was. What the provider tells of again is there again.
    """
    people.lock()
    now = timezone.now()
    there = {"provider": provider, "deleted_upstream_at": None}
    accounts = list(Account.objects.filter(**there).values_list("id", flat=True))
    gone = 0
    for model in (Account, Device, Mailbox, DirectoryObject):
        model._default_manager.filter(provider=provider).update(content_hash="", updated_at=now)
        gone += model._default_manager.filter(**there).update(deleted_upstream_at=now)
    people.weigh(accounts)
    return gone


def signed_in(provider: str, seen: Mapping[str, dt.datetime]) -> None:
    """Note the last successful sign-in of accounts, by address, where it is news."""
    if not seen:
        return
    people.lock()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tenants_account AS account SET last_seen_at = told.at
              FROM unnest(%s::text[], %s::timestamptz[]) AS told(address, at)
              JOIN tenants_accountidentifier AS known
                ON known.tenant_id = %s AND known.kind = 'address'
               AND known.value = told.address AND known.is_own AND known.is_current
             WHERE account.id = known.account_id AND account.provider = %s
               AND (account.last_seen_at IS NULL OR account.last_seen_at < told.at)
               AND told.at < statement_timestamp() + interval '1 day'
            """,
            [list(seen), list(seen.values()), scope.require_tenant_id(), provider],
        )


def rows_of(kind: str, provider: str) -> models.QuerySet:
    """Return the rows of a kind that a provider told of."""
    model = _TYPED.get(kind)
    if model is not None:
        return model._default_manager.filter(provider=provider)
    return DirectoryObject.objects.filter(provider=provider, kind=kind)


def _stored(model: type[models.Model], rows: Iterable[Any], fields: Sequence[str]) -> None:
    """Insert or update rows by their provider's id."""
    unique = ["tenant", "provider", "external_id"]
    if model is DirectoryObject:
        unique.insert(2, "kind")
    model._default_manager.bulk_create(
        rows,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=unique,
        update_fields=[*fields, *_ALWAYS],
    )


def _known(kind: str, provider: str, items: _Told) -> dict[str, Any]:
    ids = [item.external_id for item, _ in items]
    return {row.external_id: row for row in rows_of(kind, provider).filter(external_id__in=ids)}


def _mark(row: Any, item: DirectoryItem, content_hash: str) -> None:
    row.content_hash = content_hash
    # What is deleted stays deleted since when it was first seen so.
    gone_at = row.deleted_upstream_at or timezone.now()
    row.deleted_upstream_at = gone_at if item.is_deleted else None


def _apply_accounts(provider: str, items: _Told) -> None:
    rows: dict[str, Account] = _known("account", provider, items)
    before = {row.id: _standing(row) for row in rows.values()}
    told: dict[uuid.UUID, frozenset[Identifier]] = {}
    for item, content_hash in items:
        row = rows.setdefault(
            item.external_id,
            Account(provider=provider, external_id=item.external_id, username=item.name),
        )
        _tell_account(row, item)
        _mark(row, item, content_hash)
        told[row.id] = told.get(row.id, frozenset()) | people.known_by(row)
    _stored(Account, rows.values(), [*sorted(_ACCOUNT_FIELDS), "attributes", "last_seen_at"])
    new = {row.external_id: row for row in rows.values() if row.id not in before}
    _link_mailboxes(provider, new)
    people.refresh(
        list(rows.values()),
        told,
        [row.id for row in rows.values() if before.get(row.id) != _standing(row)],
    )


def _standing(row: Account) -> tuple[Any, ...]:
    """What bears on who is who, besides identifiers."""
    return row.kind, row.deleted_upstream_at, row.attributes.get("created_at")


def _tell_account(row: Account, item: DirectoryItem) -> None:
    told = dict(item.attributes)
    for name in _ACCOUNT_FIELDS & told.keys():
        value = told.pop(name)
        if name == "kind" and row.kind_set_by:
            continue
        # A provider's null for a text means that it has none.
        is_text = not Account._meta.get_field(name).null
        setattr(row, name, "" if value is None and is_text else value)
    row.username = row.username or item.name or item.external_id
    row.attributes = row.attributes | jsonable(told)
    row.last_seen_at = later(row.last_seen_at, told.get("last_sign_in"))


def _link_mailboxes(provider: str, accounts: Mapping[str, Account]) -> None:
    """Give accounts their mailboxes, which came before them."""
    found = Mailbox.objects.filter(provider=provider, account=None, external_id__in=accounts)
    for mailbox in found:
        mailbox.account = accounts[mailbox.external_id]
        mailbox.save(update_fields=["account"])


def _apply_devices(provider: str, items: _Told) -> None:
    rows: dict[str, Device] = _known("device", provider, items)
    for item, content_hash in items:
        row = rows.setdefault(
            item.external_id, Device(provider=provider, external_id=item.external_id)
        )
        told = dict(item.attributes)
        row.hostname = item.name or row.hostname
        row.operating_system = str(told.pop("operating_system", row.operating_system) or "")[:128]
        row.is_server = bool(told.pop("is_server", row.is_server))
        row.attributes = row.attributes | jsonable(told)
        row.user_keys = of_users(row.attributes)
        row.last_seen_at = later(row.last_seen_at, told.get("last_seen_at", told.get("last_seen")))
        _mark(row, item, content_hash)
    devices.find_owners(rows.values())
    _stored(
        Device,
        rows.values(),
        ["hostname", "operating_system", "is_server", "attributes", "user_keys", "last_seen_at",
         "owner"],
    )  # fmt: skip


def _apply_mailboxes(provider: str, items: _Told) -> None:
    rows: dict[str, Mailbox] = _known("mailbox", provider, items)
    owners = {
        row.external_id: row
        for row in Account.objects.filter(
            provider=provider, external_id__in=[item.parent for item, _ in items if item.parent]
        )
    }
    for item, content_hash in items:
        row = rows.setdefault(
            item.external_id, Mailbox(provider=provider, external_id=item.external_id)
        )
        told = dict(item.attributes)
        row.address = item.name or row.address
        row.purpose = str(told.pop("purpose", row.purpose) or "")[:32]
        row.account = owners.get(item.parent, row.account)
        row.attributes = row.attributes | jsonable(told)
        _mark(row, item, content_hash)
    _stored(Mailbox, rows.values(), ["address", "purpose", "account", "attributes"])


def _apply_objects(provider: str, kind: str, items: _Told) -> None:
    rows: dict[str, DirectoryObject] = _known(kind, provider, items)
    for item, content_hash in items:
        row = rows.setdefault(
            item.external_id,
            DirectoryObject(provider=provider, kind=kind, external_id=item.external_id),
        )
        row.parent, row.name = item.parent, item.name[:512]
        row.attributes = jsonable(item.attributes)
        _mark(row, item, content_hash)
    _stored(DirectoryObject, rows.values(), ["parent", "name", "attributes"])
