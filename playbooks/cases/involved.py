"""Whom a case is about: nobody else's word on it may come from their mailbox, or be theirs."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from playbooks.cases import case_alerts
from tenants.models import Account, Case, Contact


@dataclass(frozen=True, slots=True)
class Involved:
    """The names and addresses, in lower case, of the people whom a case is about."""

    names: frozenset[str]
    addresses: frozenset[str]

    def include(self, contact: Contact) -> bool:
        """Whether the contact is one of them, by name or by mailbox."""
        return self.has(contact.name, contact.email)

    def has(self, name: str, address: str) -> bool:
        """Whether somebody of this name, or who reads this mailbox, is one of them."""
        return name.lower() in self.names or address.lower() in self.addresses


def of_case(case: Case) -> Involved:
    """Return who owns the case's account, or one that its alerts name, with all their accounts."""
    named = _named(case)
    accounts = accounts_of(case)
    people = [account.person for account in accounts if account.person is not None]
    names = {account.display_name for account in accounts}
    addresses = {value for value in named if "@" in value}
    for account in accounts:
        mailbox = getattr(account, "mailbox", None)
        addresses |= {account.username, account.email, mailbox.address if mailbox else ""}
    return Involved(
        names=_lowered(names | {person.display_name for person in people}),
        addresses=_lowered(addresses | {person.primary_email for person in people}),
    )


def accounts_of(case: Case) -> list[Account]:
    """Return the case's account and those that its alerts name, with their people's others."""
    return list(_accounts(case, _named(case)).select_related("person", "mailbox"))


def _named(case: Case) -> set[str]:
    """Return the accounts and mailboxes that the case's alerts name, as they name them."""
    kinds = ("account:", "account_id:", "mailbox:")
    told = [*case.entities, *(entity for _, entity in case_alerts.named(case, *kinds))]
    return {entity.partition(":")[2] for entity in told if entity.startswith(kinds)}


def _accounts(case: Case, named: set[str]) -> QuerySet[Account]:
    rows = Account.objects.filter(tenant_id=case.tenant_id)
    lowered = _lowered(named)
    meant = rows.annotate(
        login=Lower("username"),
        mail=Lower("email"),
        box=Lower("mailbox__address"),
        own_id=Lower("external_id"),
    ).filter(
        Q(id=case.account_id)
        | Q(own_id__in=lowered)
        | Q(login__in=lowered)
        | Q(mail__in=lowered)
        | Q(box__in=lowered)
    )
    people = meant.exclude(person=None).values("person")
    twins = meant.exclude(on_premises_sid="").values("on_premises_sid")
    return rows.filter(
        Q(id__in=meant.values("id")) | Q(person__in=people) | Q(on_premises_sid__in=twins)
    )


def _lowered(values: set[str]) -> frozenset[str]:
    return frozenset(value.lower() for value in values if value)
