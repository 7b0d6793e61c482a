"""What brings a client in. Each may be done again: what is there already stays or is corrected."""

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from integrations import connections, health_report, registry, removing
from integrations.contract import Manifest
from integrations.errors import ConnectionMisconfigured, UnknownConnector
from integrations.health import Status
from integrations.models import Connection
from msp.onboarding import shared
from msp.onboarding.errors import FieldProblem, OnboardingError
from msp.onboarding.models import Onboarding
from msp.staff.models import Technician
from msp.staff.selectors import sees
from playbooks.policy import rules as policies
from tenants import contacts, ledger, scope, vault
from tenants.errors import VaultError
from tenants.models import Contact, PlaybookMode, Tenant
from tenants.storable import storable

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class ClientDetails:
    """Who a client is; what is empty stays as it is, or as it is for any new client.

    The contact is the person who may approve for it: both fields or none.
    """

    slug: str
    name: str
    time_zone: str = ""
    country: str = ""
    contact_name: str = ""
    contact_email: str = ""


def register(
    details: ClientDetails, *, actor: str, technician: Technician | None = None
) -> tuple[Onboarding, bool]:
    """Register a client, or correct one that is registered; return whether it is new.

    It starts in shadow. A technician who doesn't see every client sees this one from now on.
    OnboardingError says for each field what to do.
    """
    _check(details)
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update().filter(slug=details.slug).first()
        if tenant is not None and technician is not None and not sees(technician, tenant.id):
            raise _wrong("slug", "Another client has this short name: choose another.")
        is_new = tenant is None
        if tenant is None:
            tenant = Tenant(slug=details.slug, playbook_mode=PlaybookMode.SHADOW)
        changed = _fill(tenant, details)
        tenant.save()
        if is_new and technician is not None and not technician.sees_all_tenants:
            technician.tenants.add(tenant)
        with scope.tenant(tenant.id):
            if is_new or changed:
                ledger.append(
                    f"tenant.{'created' if is_new else 'changed'}",
                    actor=actor, subject=tenant.name, body={"fields": changed},
                )  # fmt: skip
            _contact(details, actor)
            return current(tenant, actor), is_new


def current(tenant: Tenant, actor: str) -> Onboarding:
    """Return the scope's tenant's onboarding, begun now where there was none."""
    row, _ = Onboarding.objects.get_or_create(tenant=tenant, defaults={"started_by": actor})
    return row


def choose(onboarding: Onboarding, connectors: Sequence[str]) -> None:
    """Choose what is to be connected; what is connected already stays chosen."""
    unknown = [one for one in connectors if one not in registry.CONNECTORS]
    if unknown:
        raise _wrong("connectors", f"There is no connector {unknown[0]!r}.")
    onboarding.connectors = [one for one in registry.CONNECTORS if one in connectors]
    onboarding.save(update_fields=["connectors"])


def connect(
    onboarding: Onboarding,
    connector: str,
    *,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    actor: str,
    expires_at: dt.datetime | None = None,
    replaces: bool = False,
) -> tuple[Connection, str]:
    """Connect the scope's tenant, or correct its connection; return what was done, in a word.

    A client has one connection of a kind: another organisation is refused unless it `replaces` the
    one that is connected, and so is one that another client is connected to. What the MSP has for
    all its clients is filled in. The connection is tested and read at once, by the workers.
    OnboardingError says for each field what to do.
    """
    manifest = _manifest(connector)
    given, hidden = _filled(manifest, settings, secrets)
    row = Connection.objects.filter(connector=connector).select_related("secret").first()
    kept = _kept(row)
    _complete(manifest, given, {**kept, **hidden})
    if connector not in onboarding.connectors:
        choose(onboarding, [*onboarding.connectors, connector])
    is_same = row is not None and dict(row.settings) == given and {**kept, **hidden} == kept
    if row is not None and is_same and expires_at in (None, row.expires_at):
        return row, "unchanged"
    try:
        if row is not None:
            return _corrected(row, given, hidden, expires_at, actor, replaces), "corrected"
        connections.try_settings(manifest, given, hidden)
        row = connections.create(
            connector=connector, name=manifest.title, settings=given, secrets=hidden, actor=actor
        )
    except ConnectionMisconfigured as error:
        raise OnboardingError([_placed(manifest, str(error))]) from None
    if expires_at is not None:
        Connection.objects.filter(id=row.id).update(expires_at=expires_at, expiry_by_hand=True)
    return row, "connected"


def disconnect(connection: Connection, *, reason: str, actor: str) -> None:
    """Remove a connection of the scope's tenant, which then has chosen its product no more.

    RemovalError says why it can't be.
    """
    removing.remove(connection.id, reason=reason, actor=actor)
    if Connection.objects.filter(connector=connection.connector).exists():
        return
    for row in Onboarding.objects.filter(tenant_id=connection.tenant_id):
        choose(row, [one for one in row.connectors if one != connection.connector])


def choose_rules(onboarding: Onboarding, source: Tenant | None, *, actor: str) -> None:
    """Choose the MSP's rules of engagement, or a copy of those that another client has of its own.

    A client that has rules of its own keeps them as they are where the MSP's are chosen.
    """
    if source is None:
        own = policies.newest_of_tenant() is not None
        onboarding.rules = Onboarding.Rules.OWN if own else Onboarding.Rules.MSP
    else:
        with scope.tenant(source.id):
            newest = policies.newest_of_tenant()
        if newest is None:
            words = f"{source.name} has no rules of its own to copy: choose the MSP's."
            raise _wrong("rules", words)
        document = {key: told for key, told in newest.document.items() if key != "version"}
        held = policies.newest_of_tenant()
        if held is None or {**held.document, "version": 0} != {**document, "version": 0}:
            policies.save(document, actor=actor)
        onboarding.rules = Onboarding.Rules.OWN
    onboarding.save(update_fields=["rules"])


def renew_shared(tenant: Tenant, *, actor: str) -> int:
    """Give a client's connections what the MSP has for all clients by now; return how many changed.

    Connections with credentials of the client's own stay as they are.
    """
    changed = 0
    with scope.tenant(tenant.id):
        for row in Connection.objects.select_related("secret"):
            manifest = _manifest(row.connector)
            common, kept = shared.of(manifest), _kept(row)
            if common is None or row.settings.get("client_id") != common.settings.get("client_id"):
                continue
            if {**kept, **common.secrets} != kept:
                _corrected(row, row.settings, common.secrets, None, actor)
                changed += 1
    return changed


def finish(onboarding: Onboarding, *, actor: str) -> None:
    """Start: playbooks say what they would do, and do nothing, until each is promoted.

    OnboardingError says what is still to be done.
    """
    open_problems = _before_start(onboarding)
    if open_problems:
        raise OnboardingError(open_problems)
    if onboarding.finished_at is not None:
        return
    onboarding.finished_at, onboarding.finished_by = timezone.now(), actor
    onboarding.save(update_fields=["finished_at", "finished_by"])
    tenant = Tenant.objects.get(id=onboarding.tenant_id)
    ledger.append(
        "onboarding.finished", actor=actor, subject=tenant.name,
        body={"mode": tenant.playbook_mode, "rules": onboarding.rules},
    )  # fmt: skip


def _before_start(onboarding: Onboarding) -> list[FieldProblem]:
    found = []
    reports = {one.connection.connector: one for one in health_report.of_scope()}
    if not reports:
        found.append(FieldProblem("connect", "Connect at least one product first."))
    for connector in onboarding.connectors:
        if connector not in reports:
            title = registry.connector(connector).title
            found.append(FieldProblem("connect", f"Connect {title}, or choose it no more."))
    for report in reports.values():
        if report.judged.status == Status.BROKEN or report.connection.last_healthy_at is None:
            words = f"{report.title} has not been seen to work yet: {report.judged.words}"
            found.append(FieldProblem("test", words))
    if not onboarding.rules:
        found.append(FieldProblem("rules", "Choose the rules of engagement."))
    return found


def _check(details: ClientDetails) -> None:
    found = []
    if not _SLUG.fullmatch(details.slug):
        words = "Enter a short name of small letters, digits and hyphens, such as acme-dental."
        found.append(FieldProblem("slug", words))
    if not details.name.strip() or len(details.name) > _LONGEST_NAME:
        found.append(FieldProblem("name", "Enter the client's name, at most 200 characters."))
    if details.time_zone and details.time_zone not in zoneinfo.available_timezones():
        words = "Enter a time zone such as Europe/London or America/New_York."
        found.append(FieldProblem("time_zone", words))
    if details.country and not _COUNTRY.fullmatch(details.country):
        words = "Enter the country's two letters, such as GB, or leave it empty."
        found.append(FieldProblem("country", words))
    if bool(details.contact_name.strip()) != bool(details.contact_email.strip()):
        field = "contact_email" if details.contact_name.strip() else "contact_name"
        found.append(FieldProblem(field, "Enter the contact's name and address, or neither."))
    if details.contact_email.strip():
        try:
            validate_email(details.contact_email.strip())
        except ValidationError:
            found.append(FieldProblem("contact_email", "Enter a whole e-mail address."))
    if found:
        raise OnboardingError(found)


def _fill(tenant: Tenant, details: ClientDetails) -> list[str]:
    """Put the details into the row; return which fields changed. Empty ones leave it as it is."""
    told = {
        "name": storable(details.name.strip()),
        "time_zone": details.time_zone,
        "country": details.country,
        "contact_name": storable(details.contact_name.strip()),
        "contact_email": details.contact_email.strip(),
    }
    changed = [name for name, value in told.items() if value and getattr(tenant, name) != value]
    for name in changed:
        setattr(tenant, name, told[name])
    return changed


def _contact(details: ClientDetails, actor: str) -> None:
    email = details.contact_email.strip()
    if not email or Contact.objects.filter(email__iexact=email).exists():
        return
    contacts.add(name=details.contact_name.strip(), email=email, can_approve=True, actor=actor)


def _manifest(connector: str) -> Manifest:
    try:
        return registry.connector(connector)
    except UnknownConnector as error:
        raise _wrong("connectors", str(error)) from None


def _filled(
    manifest: Manifest, settings: Mapping[str, str], secrets: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return settings and secrets with what the MSP has for all its clients."""
    given = {name: value.strip() for name, value in settings.items() if value.strip()}
    hidden = {name: value.strip() for name, value in secrets.items() if value.strip()}
    common = shared.of(manifest)
    # Whoever names an application of the client's own means that one, and its secret.
    if common is None or given.get("client_id", common.settings.get("client_id")) != (
        common.settings.get("client_id")
    ):
        return given, hidden
    return {**common.settings, **given}, {**common.secrets, **hidden}


def _kept(row: Connection | None) -> dict[str, str]:
    try:
        return vault.open_secret(row.secret) if row is not None and row.secret else {}
    except VaultError:
        return {}


def _complete(manifest: Manifest, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    found = [
        FieldProblem(f"{manifest.id}.{name}", f"Enter it: {text}")
        for known, given in ((manifest.settings, settings), (manifest.secrets, secrets))
        for name, text in known.items()
        if not text.startswith("Optional") and not given.get(name)
    ]
    known = {*manifest.settings, *manifest.secrets}
    found += [
        FieldProblem(
            f"{manifest.id}.{name}", f"{manifest.title} has no such setting: leave it out."
        )
        for name in (*settings, *secrets)
        if name not in known
    ]
    if found:
        raise OnboardingError(found)


def _corrected(
    row: Connection,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    expires_at: dt.datetime | None,
    actor: str,
    replaces: bool = False,
) -> Connection:
    keeps = row.expires_at if row.expiry_by_hand else None
    return connections.change(
        row.id,
        settings=settings,
        secrets=secrets,
        expires_at=expires_at or keeps,
        actor=actor,
        replaces=replaces,
    )


def _placed(manifest: Manifest, words: str) -> FieldProblem:
    """Name the field that an error is about, where it names one."""
    named = [name for name in (*manifest.settings, *manifest.secrets) if name in words]
    return FieldProblem(f"{manifest.id}.{named[0]}" if named else manifest.id, words)


def _wrong(field: str, words: str) -> OnboardingError:
    return OnboardingError([FieldProblem(field, words)])
