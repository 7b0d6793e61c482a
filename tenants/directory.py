"""The directory of a tenant, kept current from what providers say."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models
from django.utils import timezone

from tenants import ledger, scope
from tenants.canonical import jsonable
from tenants.models import Account, Device, DirectoryObject, Mailbox, Person
from tenants.records import DirectoryItem

_TYPED: Mapping[str, type[models.Model]] = {
    "account": Account,
    "device": Device,
    "mailbox": Mailbox,
}
_PERSON_FIELDS = ("job_title", "is_vip", "criticality")
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
    account.kind = kind
    account.kind_set_by = actor
    account.save(update_fields=["kind", "kind_set_by"])
    ledger.append("account.kind_set", actor=actor, subject=account.username, body={"kind": kind})


def known_hashes(provider: str, items: Iterable[DirectoryItem]) -> dict[tuple[str, str], str]:
    """Return (kind, external id) → content hash of what is in the directory already."""
    wanted: dict[str, set[str]] = {}
    for item in items:
        wanted.setdefault(item.kind, set()).add(item.external_id)
    known: dict[tuple[str, str], str] = {}
    for kind, ids in wanted.items():
        rows = _rows(kind, provider).filter(external_id__in=ids)
        for external_id, content_hash in rows.values_list("external_id", "content_hash"):
            known[kind, external_id] = content_hash
    return known


def apply(provider: str, item: DirectoryItem, content_hash: str) -> None:
    """Bring the directory up to date with one item. Only what the item tells is changed."""
    if item.kind == "account":
        _apply_account(provider, item, content_hash)
    elif item.kind == "device":
        _apply_device(provider, item, content_hash)
    elif item.kind == "mailbox":
        _apply_mailbox(provider, item, content_hash)
    else:
        _apply_object(provider, item, content_hash)


def _rows(kind: str, provider: str) -> models.QuerySet:
    model = _TYPED.get(kind)
    if model is not None:
        return model._default_manager.filter(provider=provider)
    return DirectoryObject.objects.filter(provider=provider, kind=kind)


def _deleted(item: DirectoryItem) -> dict[str, Any]:
    return {"deleted_upstream_at": timezone.now() if item.is_deleted else None}


def _apply_account(provider: str, item: DirectoryItem, content_hash: str) -> None:
    told = dict(item.attributes)
    fields = {name: told.pop(name) for name in list(told) if name in _ACCOUNT_FIELDS}
    # A provider's null for a text means that it has none.
    fields = {k: "" if v is None and not _is_nullable(k) else v for k, v in fields.items()}
    person_fields = {name: told.pop(name) for name in _PERSON_FIELDS if name in told}
    account, created = Account.objects.get_or_create(
        provider=provider,
        external_id=item.external_id,
        defaults={"tenant_id": scope.require_tenant_id(), "username": item.name},
    )
    if account.kind_set_by:
        fields.pop("kind", None)
    for name, value in fields.items():
        setattr(account, name, value)
    if not account.username:
        account.username = item.name or item.external_id
    account.attributes = account.attributes | jsonable(told)
    account.content_hash = content_hash
    account.deleted_upstream_at = _deleted(item)["deleted_upstream_at"]
    if account.kind == Account.Kind.MEMBER:
        _join_person(account, person_fields)
    account.save()
    if created:
        Mailbox.objects.filter(provider=provider, external_id=item.external_id).update(
            account=account
        )


def _is_nullable(name: str) -> bool:
    return bool(Account._meta.get_field(name).null)


def _join_person(account: Account, told: Mapping[str, Any]) -> None:
    """Give the account its person: one with an account of the same address, else a new one.

    Only exact, unique addresses join; names never do.
    """
    address = (account.email or account.username).lower()
    if account.person_id is None:
        same = list(Person.objects.filter(primary_email__iexact=address)[:2]) if address else []
        account.person = (
            same[0]
            if len(same) == 1
            else Person.objects.create(
                tenant_id=scope.require_tenant_id(),
                display_name=account.display_name or account.username,
                primary_email=address,
            )
        )
    person = account.person
    assert person is not None
    if account.display_name:
        person.display_name = account.display_name
    if told.get("job_title") is not None:
        person.job_title = told["job_title"]
    person.save()


def _apply_device(provider: str, item: DirectoryItem, content_hash: str) -> None:
    told = dict(item.attributes)
    Device.objects.update_or_create(
        provider=provider,
        external_id=item.external_id,
        defaults={
            "hostname": item.name,
            "operating_system": told.pop("operating_system", "") or "",
            "is_server": bool(told.pop("is_server", False)),
            "attributes": jsonable(told),
            "content_hash": content_hash,
            **_deleted(item),
        },
        create_defaults={
            "tenant_id": scope.require_tenant_id(),
            "hostname": item.name,
            "attributes": jsonable(told),
            "content_hash": content_hash,
        },
    )


def _apply_mailbox(provider: str, item: DirectoryItem, content_hash: str) -> None:
    told = dict(item.attributes)
    owner = Account.objects.filter(provider=provider, external_id=item.parent).first()
    Mailbox.objects.update_or_create(
        provider=provider,
        external_id=item.external_id,
        defaults={
            "address": item.name,
            "purpose": told.pop("purpose", "") or "",
            "account": owner,
            "attributes": jsonable(told),
            "content_hash": content_hash,
            **_deleted(item),
        },
        create_defaults={
            "tenant_id": scope.require_tenant_id(),
            "address": item.name,
            "account": owner,
            "attributes": jsonable(told),
            "content_hash": content_hash,
        },
    )


def _apply_object(provider: str, item: DirectoryItem, content_hash: str) -> None:
    values = {
        "parent": item.parent,
        "name": item.name[:512],
        "attributes": jsonable(item.attributes),
        "content_hash": content_hash,
        **_deleted(item),
    }
    DirectoryObject.objects.update_or_create(
        provider=provider,
        kind=item.kind,
        external_id=item.external_id,
        defaults=values,
        create_defaults={"tenant_id": scope.require_tenant_id(), **values},
    )
