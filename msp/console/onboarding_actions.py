"""What a technician does to bring clients in; every change stands in the client's ledger."""

import datetime as dt
from collections.abc import Mapping, Sequence

from msp.console.actions import actor_of
from msp.onboarding import actions, consent, csv_file
from msp.onboarding.actions import ClientDetails
from msp.onboarding.csv_file import Row
from msp.staff.access import writing
from msp.staff.models import Technician
from tenants import work
from tenants.models import Tenant


def register_client(details: ClientDetails, *, actor: Technician) -> tuple[Tenant, bool]:
    """Register a client, or correct one; return whether it is new. OnboardingError: what to do."""
    row, is_new = actions.register(details, actor=actor_of(actor), technician=actor)
    return row.tenant, is_new


def bring_in_file(content: bytes, *, actor: Technician) -> list[Row]:
    """Bring in the clients of a CSV file; OnboardingError where it can't be read as a whole."""
    return csv_file.take(content, actor=actor_of(actor), technician=actor)


def choose_connectors(tenant: Tenant, connectors: Sequence[str], *, actor: Technician) -> None:
    """Choose what is to be connected."""
    with writing(actor, tenant.id):
        actions.choose(actions.current(tenant, actor_of(actor)), connectors)


def connect_client(
    tenant: Tenant,
    connector: str,
    *,
    actor: Technician,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    expires_at: dt.datetime | None,
    replaces: bool,
) -> str:
    """Connect a client, or correct or replace its connection; say in a word what was done."""
    with writing(actor, tenant.id):
        _, what = actions.connect(
            actions.current(tenant, actor_of(actor)),
            connector,
            settings=settings,
            secrets=secrets,
            expires_at=expires_at,
            actor=actor_of(actor),
            replaces=replaces,
        )
    return what


def ask_consent(tenant: Tenant, expected: str, *, actor: Technician, given_before: bool) -> str:
    """Return the address at which the client's administrator consents.

    Where consent was given before, it is tried instead, and the address is empty.
    """
    with writing(actor, tenant.id):
        row = actions.current(tenant, actor_of(actor))
        if given_before:
            consent.try_without_asking(row, expected, actor=actor_of(actor))
            return ""
        return consent.ask(row, expected, actor=actor_of(actor))


def look_up_relationship(tenant: Tenant, *, actor: Technician) -> None:
    """Have the GDAP relationship with a client looked up."""
    with writing(actor, tenant.id):
        work.schedule("relationship", actions.current(tenant, actor_of(actor)).id)


def choose_first_rules(tenant: Tenant, source: Tenant | None, *, actor: Technician) -> None:
    """Choose the MSP's rules of engagement, or a copy of another client's."""
    with writing(actor, tenant.id):
        row = actions.current(tenant, actor_of(actor))
        actions.choose_rules(row, source, actor=actor_of(actor))


def finish_onboarding(tenant: Tenant, *, actor: Technician) -> None:
    """Start in shadow; OnboardingError says what is still to be done."""
    with writing(actor, tenant.id):
        actions.finish(actions.current(tenant, actor_of(actor)), actor=actor_of(actor))
