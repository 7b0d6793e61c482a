"""Which account alerts are about. An id beats a name; one account may be called by several."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.db.models import Q
from django.db.models.functions import Lower

from playbooks.cases import case_alerts
from tenants.models import Account, Case

PREFIXES = ("account_id:", "account:", "mailbox:")
_ID, _NAMES = "account_id:", ("account:", "mailbox:")
# What alerts name, each with the connectors that told it.
Named = Mapping[str, Collection[str]]


class Accounts:
    """The accounts that some alerts may be about, read with one query for all of them.

    Accounts that were deleted at their provider are nobody any more. Runs in the tenant's scope.
    """

    def __init__(self, entities: Iterable[str]) -> None:
        entities = list(entities)
        ids = _values(entities, _ID)
        names = _values(entities, *_NAMES)
        self._by_id: dict[str, list[Account]] = defaultdict(list)
        self._by_name: dict[str, list[Account]] = defaultdict(list)
        if not ids and not names:
            return
        # Alerts name ids in lower case.
        rows = Account.objects.alias(
            own_id=Lower("external_id"), login=Lower("username"), mail=Lower("email")
        ).filter(
            Q(own_id__in=ids) | Q(login__in=names) | Q(mail__in=names), deleted_upstream_at=None
        )
        for row in rows.select_related("person"):
            self._by_id[row.external_id.lower()].append(row)
            for name in {row.username.lower(), row.email.lower()} - {""}:
                self._by_name[name].append(row)

    def meant_by(self, named: Named) -> Account | None:
        """Return whom these names mean; None where the directory knows nobody by them.

        Where several accounts have a name, the one of the provider that told it is meant.
        """
        ids = _with_connectors(named, _ID)
        found = min(
            (row for one in ids for row in self._by_id[one]),
            key=lambda one: (
                one.provider not in ids[one.external_id.lower()], not one.is_privileged,
                one.external_id,
            ),
            default=None,
        )  # fmt: skip
        return found or self._meant_by_name(named)

    def _meant_by_name(self, named: Named) -> Account | None:
        for name, connectors in _with_connectors(named, *_NAMES).items():
            having_it = self._by_name[name]
            if having_it:
                return min(
                    having_it,
                    key=lambda one: (
                        one.provider not in connectors, one.username.lower() != name,
                        one.external_id,
                    ),
                )  # fmt: skip
        return None


def find(case: Case) -> Account | None:
    """Return whom a case is about, as far as the directory knows the account by now."""
    named: dict[str, set[str]] = {entity: set() for entity in case.entities}
    for connector, entity in case_alerts.named(case, *PREFIXES):
        named.setdefault(entity, set()).add(connector)
    return Accounts(named).meant_by(named)


def is_same(one: Account, other: Account) -> bool:
    """Whether two accounts are one person's, or two sides of one that is synchronised."""
    return (
        one.id == other.id
        or (one.person_id is not None and one.person_id == other.person_id)
        or (bool(one.on_premises_sid) and one.on_premises_sid == other.on_premises_sid)
    )


def _values(entities: Iterable[str], *prefixes: str) -> set[str]:
    return {one.partition(":")[2].lower() for one in entities if one.startswith(prefixes)}


def _with_connectors(named: Named, *prefixes: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for prefix in prefixes:
        for entity, connectors in named.items():
            if entity.startswith(prefix):
                found.setdefault(entity.removeprefix(prefix).lower(), set()).update(connectors)
    return found
