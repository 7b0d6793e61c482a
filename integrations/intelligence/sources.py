"""Sources of indicators that are read on their schedule: added, paused, removed.

They are the MSP's own and belong to no client, so each row is its own due work; what is done to one
stands in every client's ledger. A secret is sealed and never shown again.
"""

import datetime as dt
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.errors import ConnectionMisconfigured
from integrations.intelligence import context_store, sightings
from integrations.models import Indicator, IndicatorSource
from tenants import ledger, scope, vault
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.storable import storable

Kind = IndicatorSource.Kind
LEASE = dt.timedelta(minutes=6)
_RESEND = dt.timedelta(seconds=30)
_FIRST_RETRY = dt.timedelta(minutes=5)


class BadSource(HoldfastError):
    """A source that can't be kept, or isn't there; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A source as somebody enters it. `secret`: password of `username`, or without one a token.

    `confidence` (percent) and `days` hold where the source tells none of its own; without days what
    it tells is good for as long as its kind is.
    """

    name: str
    kind: str
    address: str
    collection: str = ""
    username: str = ""
    secret: str = ""
    every_hours: int = 24
    confidence: int = 50
    days: int = 0


def add(wish: Wish, *, actor: str) -> IndicatorSource:
    """Keep a source, which is read at once and then each `every_hours`; BadSource: why not."""
    name, place = _checked(wish)
    source_id = uuid.uuid4()
    sealed = vault.seal_own(wish.secret, _bound_to(source_id)) if wish.secret else ""
    with transaction.atomic():
        # What was taken in by hand under the name goes on as this source.
        was = IndicatorSource.objects.select_for_update().filter(name=name).first()
        if was is not None and was.kind:
            raise BadSource(f"There is a source {name} already: remove it, or choose another name.")
        IndicatorSource.objects.filter(name=name).delete()
        row = IndicatorSource.objects.create(
            id=source_id, name=name, kind=wish.kind, address=place,
            reached=was.reached if was is not None and was.address == place else "",
            read_at=was.read_at if was is not None else None,
            username=wish.username.strip(), sealed_secret=sealed, every_hours=wish.every_hours,
            confidence=wish.confidence, days=wish.days, due_at=timezone.now(),
        )  # fmt: skip
        _note("added", row, actor)
    return row


def _checked(wish: Wish) -> tuple[str, str]:
    """Return the name and the place to be read; BadSource where something is wrong."""
    name, address = storable(wish.name.strip()), wish.address.strip().rstrip("/")
    if not 0 < len(name) <= 100:
        raise BadSource("Give the source a name of at most 100 characters.")
    if wish.kind not in Kind.values:
        raise BadSource(f"A source is one of {', '.join(Kind.values)}.")
    collection = wish.collection.strip()
    if (wish.kind == Kind.TAXII) != bool(collection):
        raise BadSource(
            "A TAXII source needs the id of its collection: `manage.py intelligence import --taxii "
            "API_ROOT` lists them. Other sources have none."
        )
    if not 1 <= wish.every_hours <= 720:
        raise BadSource("A source is read every 1 to 720 hours.")
    if not (0 <= wish.confidence <= 100 and 0 <= wish.days <= 3650):
        raise BadSource("Confidence is 0 to 100, days are 1 to 3650, or 0: as each kind ages.")
    if len(wish.username) > 200 or len(wish.secret) > 10_000:
        raise BadSource("The user name or the secret is too long.")
    if not (address + collection + wish.username).isprintable():
        raise BadSource("The address, the collection or the user name has control characters.")
    place = f"{address} {collection}" if collection else address
    if len(place) > 1000 or " " in address + collection:
        raise BadSource("The address is too long, or has blanks.")
    try:
        check_endpoint(address, allow_private=private_endpoints_allowed())
    except ConnectionMisconfigured as error:
        raise BadSource(str(error)) from None
    return name, place


def find(name: str) -> IndicatorSource:
    """Return the source of a name that is read on a schedule; BadSource where there is none."""
    row = IndicatorSource.objects.exclude(kind="").filter(name=name).first()
    if row is None:
        raise BadSource(f"No source {name} is read on a schedule: see intelligence sources.")
    return row


@transaction.atomic
def set_paused(source_id: uuid.UUID, *, paused: bool, actor: str) -> IndicatorSource:
    """Read a source no more, or again, then at once. What it told is looked for until it expires.

    IndicatorSource.DoesNotExist where it was removed.
    """
    row = IndicatorSource.objects.select_for_update().exclude(kind="").get(id=source_id)
    if row.is_paused != paused:
        row.is_paused, row.due_at = paused, timezone.now()
        row.save(update_fields=["is_paused", "due_at"])
        _note("paused" if paused else "resumed", row, actor)
    return row


def read_soon(source_id: uuid.UUID) -> None:
    """Have a source read now, before its time."""
    IndicatorSource.objects.exclude(kind="").filter(id=source_id, is_paused=False).update(
        due_at=timezone.now(), sent_at=None
    )


@transaction.atomic
def remove(source_id: uuid.UUID, *, actor: str) -> None:
    """Forget a source and its secret; what it told is kept, and not looked for any more.

    IndicatorSource.DoesNotExist where it was removed.
    """
    row = IndicatorSource.objects.select_for_update().get(id=source_id)
    Indicator.objects.filter(source=row.name, is_revoked=False).update(is_revoked=True)
    row.delete()
    context_store.forget(row.name)
    sightings.look_again()
    _note("removed", row, actor)


def secret_of(row: IndicatorSource) -> str:
    """Return the secret of a source, empty where it has none; VaultError if no key opens it."""
    return vault.open_own(row.sealed_secret, _bound_to(row.id)) if row.sealed_secret else ""


def by_key() -> Mapping[str, int]:
    """Return how many secrets of sources each of the installation's keys seals."""
    found: dict[str, int] = {}
    for sealed in IndicatorSource.objects.exclude(sealed_secret="").values_list(
        "sealed_secret", flat=True
    ):
        key_id = sealed.partition(":")[0]
        found[key_id] = found.get(key_id, 0) + 1
    return found


@transaction.atomic
def seal_anew() -> int:
    """Seal the secrets with the installation's first key; return how many changed. VaultError."""
    newest = f"{next(iter(settings.VAULT_KEYS))}:"
    rows = list(
        IndicatorSource.objects.select_for_update()
        .exclude(sealed_secret="")
        .exclude(sealed_secret__startswith=newest)
    )
    for row in rows:
        row.sealed_secret = vault.seal_own(secret_of(row), _bound_to(row.id))
        row.save(update_fields=["sealed_secret"])
    return len(rows)


def unsent() -> list[uuid.UUID]:
    """Return the due sources that nobody reads, for a message each; marked as sent."""
    now = timezone.now()
    waiting = _due(now).filter(Q(sent_at=None) | Q(sent_at__lte=now - _RESEND))
    with transaction.atomic():
        found = list(waiting.select_for_update(skip_locked=True).values_list("id", flat=True))
        IndicatorSource.objects.filter(id__in=found).update(sent_at=now)
    return found


def claim(source_id: uuid.UUID) -> IndicatorSource | None:
    """Take a source to read for `LEASE`; None where it is not due, or in another's hand."""
    now = timezone.now()
    with transaction.atomic():
        row = _due(now).select_for_update(skip_locked=True).filter(id=source_id).first()
        if row is not None:
            row.leased_until = now + LEASE
            row.save(update_fields=["leased_until"])
    return row


def _due(now: dt.datetime) -> QuerySet[IndicatorSource]:
    return IndicatorSource.objects.exclude(kind="").filter(
        Q(leased_until=None) | Q(leased_until__lte=now), due_at__lte=now, is_paused=False
    )


def succeeded(row: IndicatorSource, outcome: Mapping[str, object], *, is_whole: bool) -> None:
    """Note a reading that came to its end, and plan the next one: at once where more is left."""
    now = timezone.now()
    usual = dt.timedelta(hours=row.every_hours) * random.uniform(0.97, 1)  # noqa: S311
    _held(row).update(
        leased_until=None, sent_at=None, failures=0, error="", outcome=dict(outcome), read_at=now,
        due_at=now + (usual if is_whole else dt.timedelta()),
    )  # fmt: skip


def failed(row: IndicatorSource, error: str, *, wait: float = 0) -> None:
    """Note why a source could not be read; it is tried again, later each time."""
    usual = min(_FIRST_RETRY * 2 ** min(row.failures, 10), dt.timedelta(hours=row.every_hours))
    _held(row).update(
        leased_until=None, sent_at=None, failures=row.failures + 1, error=storable(error)[:1000],
        due_at=timezone.now() + max(usual, dt.timedelta(seconds=min(wait, 86_400))),
    )  # fmt: skip


def _held(row: IndicatorSource) -> QuerySet[IndicatorSource]:
    return IndicatorSource.objects.filter(id=row.id, leased_until=row.leased_until)


def _bound_to(source_id: uuid.UUID) -> str:
    return f"indicator source {source_id}"


def _note(what: str, row: IndicatorSource, actor: str) -> None:
    host = row.address.partition("?")[0]
    for tenant_id in list(Tenant.objects.values_list("id", flat=True)):
        with scope.tenant(tenant_id):
            ledger.append(
                f"intelligence.source_{what}", actor=actor, subject=row.name,
                body={"kind": row.kind, "address": host},
            )  # fmt: skip
