"""People, kept true to what accounts tell: `tenants.matching` decides, here it is stored.

A change of an account is weighed together with everything that hangs together with it by an
identifier, a decision or a person, and with nothing else; so the result is the same as if all of
the tenant's directory had been weighed at once, in whatever order it came.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from tenants import devices, scope
from tenants.canonical import jsonable
from tenants.identifiers import Identifier, Kind, Value, of_account
from tenants.important_titles import HANDLES_MONEY, handles_money, is_important
from tenants.matching import CROWD, Candidate, Decided, Doubt, resolve
from tenants.models import (
    NORMAL_CRITICALITY,
    Account,
    AccountIdentifier,
    MatchDecision,
    MatchDoubt,
    Person,
)
from tenants.storable import moment

_BATCH = 500
_DESCRIBED = (
    "display_name", "primary_email", "job_title", "is_vip", "criticality", "criticality_because",
)  # fmt: skip


def lock() -> None:
    """Let no other transaction match the tenant's accounts until this one ends.

    To be taken before the first row of an account is written, or two could wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 9))",
            [f"people {scope.require_tenant_id()}"],
        )


Told = Mapping[uuid.UUID, Collection[Identifier]]


def known_by(account: Account) -> frozenset[Identifier]:
    """Return what the account is known by as it is now."""
    return of_account(
        account.external_id, account.username, account.email, account.on_premises_sid,
        account.attributes,
    )  # fmt: skip


def refresh(accounts: Sequence[Account], told: Told, matters: Collection[uuid.UUID] = ()) -> None:
    """Bring people up to date with accounts that were stored just now, under the `lock`.

    `told` is all that came in of what they are known by, also what was told and changed again in
    between. `matters` are those that changed in a way that identifiers don't show (new, of another
    kind, deleted upstream); the others are weighed again only where their identifiers changed.
    """
    fresh, changed = _note_identifiers(accounts, told)
    seeds = changed | set(matters)
    if seeds:
        weigh(seeds, fresh)
    _describe({one.person_id for one in accounts if one.id not in seeds and one.person_id})


def _note_identifiers(
    accounts: Sequence[Account], told: Told
) -> tuple[Counter[Value], set[uuid.UUID]]:
    """Keep what the accounts are known by; return what is new of it, and whose changed."""
    known: dict[uuid.UUID, dict[Value, AccountIdentifier]] = {one.id: {} for one in accounts}
    for row in AccountIdentifier.objects.filter(account__in=accounts):
        known[row.account_id][row.of] = row
    new: list[AccountIdentifier] = []
    changed: list[AccountIdentifier] = []
    for account in accounts:
        added, altered = _identify(account, known[account.id], told.get(account.id, ()))
        new += added
        changed += altered
    AccountIdentifier.objects.bulk_create(new, batch_size=_BATCH)
    AccountIdentifier.objects.bulk_update(changed, ["is_current", "is_own"], _BATCH)
    return Counter(row.of for row in new), {row.account_id for row in [*new, *changed]}


def _identify(
    account: Account, known: Mapping[Value, AccountIdentifier], told: Collection[Identifier]
) -> tuple[list[AccountIdentifier], list[AccountIdentifier]]:
    """Return new identifiers of the account, and known ones that are another now."""
    now = known_by(account)
    current = {(one.kind, one.value) for one in now}
    own = {(one.kind, one.value) for one in now.union(told) if one.is_own}
    every = current | {(one.kind, one.value) for one in told}
    new = [
        AccountIdentifier(
            tenant_id=account.tenant_id, account=account, kind=value[0], value=value[1],
            is_own=value in own, is_current=value in current,
        )
        for value in sorted(every - known.keys())
    ]  # fmt: skip
    changed = []
    for value, row in known.items():
        standing = value in current, row.is_own or value in own
        if standing != (row.is_current, row.is_own):
            row.is_current, row.is_own = standing
            changed.append(row)
    return new, changed


def weigh(seeds: Iterable[uuid.UUID], fresh: Counter[Value] | None = None) -> None:
    """Find out anew who is who among these accounts and all that hangs together with them.

    `fresh` counts the identifiers that came just now.
    """
    ids, crowded = _hanging_together(set(seeds), fresh or Counter())
    rows = {row.id: row for row in Account.objects.filter(id__in=ids)}
    decisions = list(
        MatchDecision.objects.filter(reverted_at=None, first__in=ids, second__in=ids).order_by(
            "decided_at", "id"
        )
    )
    members = [row for row in rows.values() if row.kind == Account.Kind.MEMBER]
    resolved = resolve(
        _candidates(members),
        [Decided(one.first_id, one.second_id, one.is_same) for one in decisions],
        crowded,
    )
    for row in rows.values():
        if row.kind != Account.Kind.MEMBER:
            row.person = None
    people = [[rows[one.id] for one in group] for group in resolved.people]
    _give_people(people)
    Account.objects.bulk_update(rows.values(), ["person", "own_person"], _BATCH)
    _describe({row.person_id for row in members if row.person_id})
    _keep_doubts(ids, resolved.doubts)
    devices.find_owners_again(ids)


def mark_vip(accounts: Collection[Account], word: bool | None) -> list[Account]:
    """Keep a technician's word on whether these accounts' people are VIPs; None takes it back.

    It is kept with every account of each person. Return those on which it is another one now.
    Under the `lock`.
    """
    # What the hand said must not stay where no feed says anything.
    return _keep_word(accounts, {"vip_by_hand": word}, {"is_vip": False} if word is None else {})


def mark_criticality(
    accounts: Collection[Account], level: int | None, *, actor: str, reason: str
) -> list[Account]:
    """Keep a technician's word on how critical these accounts' people are; None takes it back.

    It is kept with every account of each person. Return those on which it is another one now.
    Under the `lock`.
    """
    word = {
        "criticality_by_hand": level, "criticality_by": actor if level else "",
        "criticality_because": reason if level else "",
    }  # fmt: skip
    forgotten = {"criticality": NORMAL_CRITICALITY, "criticality_because": ""}
    return _keep_word(accounts, word, {} if level else forgotten)


def _keep_word(
    accounts: Collection[Account], word: Mapping[str, object], forgotten: Mapping[str, object]
) -> list[Account]:
    """Keep a word with every account of these accounts' people; return where it is another one.

    `forgotten` is how people stand of whom it is taken back, until a feed tells.
    """
    people = {row.person_id for row in accounts if row.person_id}
    rows = Account.objects.filter(Q(id__in=[row.id for row in accounts]) | Q(person__in=people))
    changed = [row for row in rows if any(getattr(row, name) != word[name] for name in word)]
    rows.update(**word)
    if forgotten and changed:
        Person.objects.filter(Q(id__in=people) | Q(first_account__person__in=people)).update(
            **forgotten
        )
    _describe(people)
    return changed


def hanging_together(accounts: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return these accounts and all that could bear on who they are."""
    return _hanging_together(set(accounts), Counter())[0]


def _hanging_together(
    ids: set[uuid.UUID], fresh: Counter[Value]
) -> tuple[set[uuid.UUID], frozenset[Value]]:
    """Return the accounts that could bear on these, and identifiers that too many have.

    Nothing hangs together by such an identifier; where it has become one just now, those who had
    it before are looked at once more.
    """
    found: set[uuid.UUID] = set()
    crowded: set[Value] = set()
    seen: set[Value] = set()
    waiting = set(ids)
    while waiting:
        found |= waiting
        known = AccountIdentifier.objects.exclude(kind="login").filter(account__in=waiting)
        values = {row.of for row in known.only("kind", "value")} - seen
        seen |= values
        spread: set[Value] = set()
        for value, count in _counted(values):
            if count > CROWD:
                crowded.add(value)
            if count - fresh[value] <= CROWD:
                spread.add(value)
        near = set(_holders_of(spread).values_list("account", flat=True)) if spread else set()
        decided = MatchDecision.objects.filter(reverted_at=None).filter(
            Q(first__in=waiting) | Q(second__in=waiting)
        )
        for pair in decided.values_list("first", "second"):
            near |= set(pair)
        people = Account.objects.filter(id__in=waiting).exclude(person=None).values("person")
        near |= set(Account.objects.filter(person__in=people).values_list("id", flat=True))
        waiting = near - found
    return found, frozenset(crowded)


def _counted(values: Iterable[Value]) -> list[tuple[Value, int]]:
    """Return how many accounts have each of these."""
    rows = _holders_of(values).values_list("kind", "value").annotate(Count("id"))
    return [((cast(Kind, kind), value), count) for kind, value, count in rows]


def _holders_of(values: Iterable[Value]) -> QuerySet[AccountIdentifier]:
    by_kind: dict[str, list[str]] = {}
    for kind, value in values:
        by_kind.setdefault(kind, []).append(value)
    wanted = Q(pk__in=[])
    for name, of_kind in by_kind.items():
        wanted |= Q(kind=name, value__in=of_kind)
    return AccountIdentifier.objects.filter(wanted).order_by()


def _candidates(accounts: Sequence[Account]) -> list[Candidate]:
    known: dict[uuid.UUID, list[AccountIdentifier]] = {row.id: [] for row in accounts}
    for row in AccountIdentifier.objects.filter(account__in=accounts):
        known[row.account_id].append(row)
    return [
        Candidate(
            id=row.id,
            provider=row.provider,
            external_id=row.external_id,
            identifiers=frozenset(one.as_told for one in known[row.id]),
            current=frozenset(one.of for one in known[row.id] if one.is_current),
            created_at=moment(row.attributes.get("created_at")),
            deleted_at=row.deleted_upstream_at,
        )
        for row in accounts
    ]


def _give_people(people: Sequence[Sequence[Account]]) -> None:
    """Give each group its person: the oldest that one of its accounts made, or else a new one."""
    owned = {
        owner
        for group in people
        for owner in (row.own_person_id for row in group)
        if owner is not None
    }
    new: list[Person] = []
    for group in people:
        own = {row.own_person_id for row in group if row.own_person_id is not None}
        adopted = {row.person_id for row in group if row.person_id is not None} - owned
        if not own and not adopted:
            person = Person(tenant_id=scope.require_tenant_id())
            new.append(person)
            group[0].own_person = person
            person_id = person.id
        else:
            person_id = min(own or adopted)
            if not own:
                group[0].own_person_id = person_id
                owned.add(person_id)
        for row in group:
            row.person_id = person_id
    Person.objects.bulk_create(new, batch_size=_BATCH)


def _describe(ids: Collection[uuid.UUID]) -> None:
    """Fill people's names, addresses and standing from their accounts."""
    if not ids:
        return
    accounts: dict[uuid.UUID, list[Account]] = {one: [] for one in ids}
    for row in Account.objects.filter(person__in=ids).select_related("own_person"):
        assert row.person_id is not None
        accounts[row.person_id].append(row)
    changed = []
    for person in Person.objects.filter(id__in=ids):
        before = [getattr(person, name) for name in _DESCRIBED]
        rows = accounts[person.id]
        rows.sort(key=lambda row: (row.deleted_upstream_at is not None, row.provider,
                                   row.external_id))  # fmt: skip
        _describe_one(person, rows)
        if [getattr(person, name) for name in _DESCRIBED] != before:
            changed.append(person)
    Person.objects.bulk_update(changed, _DESCRIBED, _BATCH)


def _describe_one(person: Person, accounts: Sequence[Account]) -> None:
    """Each from the first account that tells it; standing is the highest that any tells."""

    def told(name: str) -> list:
        return [row.attributes[name] for row in accounts if row.attributes.get(name) is not None]

    names = [row.display_name for row in accounts if row.display_name]
    person.display_name = (names or [row.username for row in accounts] or [person.display_name])[0]
    addresses = [row.email or row.username for row in accounts]
    person.primary_email = ([one for one in addresses if one] or [person.primary_email])[0].lower()
    titles = [str(one) for one in told("job_title")]
    person.job_title = (titles or [person.job_title])[0][:256]
    # Whom a joined person was marked as stays with the person that is left.
    merged = [row.own_person for row in accounts if row.own_person is not None]
    by_hand = [row.vip_by_hand for row in accounts if row.vip_by_hand is not None]
    marks = by_hand or [one for one in told("is_vip") if isinstance(one, bool)]
    # A title marks, and its change takes no mark back: who reached the directory could change it.
    known = any(one.is_vip for one in [person, *merged]) or any(map(is_important, titles))
    person.is_vip = any(marks) if marks else known
    person.criticality, person.criticality_because = _criticality(
        [person, *merged], accounts, [one for one in told("criticality") if one in (1, 2, 3, 4)]
    )


def _criticality(
    people: Sequence[Person], accounts: Sequence[Account], ranks: Sequence[int]
) -> tuple[int, str]:
    """Return how critical a person is, and why: by hand, else by a feed, else by the title."""
    by_hand = [row for row in accounts if row.criticality_by_hand is not None]
    if by_hand:
        highest = max(by_hand, key=lambda row: row.criticality_by_hand or 0)
        return highest.criticality_by_hand or 0, highest.criticality_because
    if ranks:
        return max(ranks), "their directory says so"
    known = [(one.criticality, one.criticality_because) for one in people]
    known += [
        (HANDLES_MONEY, f"their directory calls them “{title}”")
        for title in (str(row.attributes.get("job_title") or "") for row in accounts)
        if handles_money(title)
    ]
    return max(known, key=lambda one: one[0])


def _keep_doubts(ids: Collection[uuid.UUID], doubts: Sequence[Doubt]) -> None:
    """Replace the doubts about these accounts; one that goes on keeps its time."""
    known = {
        (row.first_id, row.second_id): row
        for row in MatchDoubt.objects.filter(Q(first__in=ids) | Q(second__in=ids))
    }
    now = timezone.now()
    for doubt in doubts:
        reasons = jsonable(list(doubt.reasons))
        row = known.pop((doubt.first, doubt.second), None)
        if row is None:
            MatchDoubt.objects.create(
                tenant_id=scope.require_tenant_id(),
                first_id=doubt.first,
                second_id=doubt.second,
                reasons=reasons,
                found_at=now,
            )
        elif row.reasons != reasons:
            row.reasons = reasons
            row.save(update_fields=["reasons"])
    MatchDoubt.objects.filter(id__in=[row.id for row in known.values()]).delete()
