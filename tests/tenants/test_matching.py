"""Who is one person: by stable rules, whatever comes first; what is doubtful waits."""

import dataclasses
import random
import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, note, settings
from hypothesis import strategies as st

from tenants import directory, intake, match_decisions, people, scope, vips
from tenants.errors import MatchError
from tenants.identifiers import Identifier, of_account
from tenants.matching import Candidate, Decided, resolve
from tenants.models import (
    Account,
    AccountIdentifier,
    Device,
    LedgerEntry,
    MatchDecision,
    MatchDoubt,
    Person,
)
from tenants.records import DirectoryItem, SourceRecord
from tests.examples import examples

GUID = "0d9cfd4e-5a3f-4d2c-9a51-6d1f8a5e0001"
# The same 16 bytes, as a synchronisation writes them.
ANCHOR = "Tv2cDT9aLE2aUW0fil4AAQ=="
SID = "S-1-5-21-1004336348-1177238915-682003330-1101"
OTHER_SID = "S-1-5-21-1004336348-1177238915-682003330-1102"
M365, AD, GOOGLE = "microsoft365", "active_directory", "google_workspace"
Record = dict[str, Any]


def _normalise(record: SourceRecord) -> DirectoryItem:
    told = dict(record.body)
    return DirectoryItem(
        told.get("item", "account"), told["id"], told.get("name", ""), told.get("parent", ""),
        told.get("attributes", {}), told.get("is_deleted", False),
    )  # fmt: skip


def _account(provider: str, external_id: str, username: str = "", **attributes: Any) -> Record:
    told = {"username": username, "display_name": "Ann Lee"} if username else {}
    is_deleted = attributes.pop("is_deleted", False)
    return {
        "provider": provider, "id": external_id, "name": username,
        "attributes": told | attributes, "is_deleted": is_deleted,
    }  # fmt: skip


def _take(*records: Record) -> None:
    for record in records:
        outcome = intake.take(
            connector=record["provider"], feed="users", records=[SourceRecord(record)],
            normalise=_normalise,
        )  # fmt: skip
        assert not outcome.quarantined, outcome.reasons


def _people() -> set[frozenset[str]]:
    """Each person as the external ids of the accounts."""
    found: dict[uuid.UUID, set[str]] = {}
    for person, external_id in Account.objects.exclude(person=None).values_list(
        "person", "external_id"
    ):
        found.setdefault(person, set()).add(external_id)
    return {frozenset(ids) for ids in found.values()}


def _doubts() -> set[frozenset[str]]:
    return {
        frozenset({row.first.external_id, row.second.external_id})
        for row in MatchDoubt.objects.select_related("first", "second")
    }


def _codes() -> set[str]:
    return {reason["code"] for row in MatchDoubt.objects.all() for reason in row.reasons}


def _sets(*groups: str) -> set[frozenset[str]]:
    return {frozenset(group.split()) for group in groups}


# What joins


@pytest.mark.parametrize(
    "pair",
    [
        (
            _account(M365, "m", "ann@acme.example", immutable_id=ANCHOR),
            _account(AD, GUID, "acme\\ann"),
        ),
        (
            _account(M365, "m", "ann@acme.example", on_premises_sid=SID),
            _account(AD, "a", "acme\\ann", on_premises_sid=SID.lower()),
        ),
        (
            _account(M365, "m", "ann@acme.example", on_premises_sid=SID),
            _account(AD, "a", "acme\\ann", on_premises_sid=OTHER_SID, former_sids=[SID]),
        ),
        (_account(M365, "m", "Ann@Acme.example"), _account(GOOGLE, "g", "ann@acme.EXAMPLE")),
        (
            _account(M365, "m", "ann@acme.example"),
            _account(GOOGLE, "g", "a.lee@acme.example", aliases=["ANN@acme.example"]),
        ),
        (
            _account(AD, "a", "acme\\ann", user_principal_name="ann@acme.example"),
            _account(GOOGLE, "g", "ann@acme.example"),
        ),
    ],
    ids=["immutable id", "sid", "former sid", "address", "alias", "user principal name"],
)
@pytest.mark.parametrize("is_turned", [False, True])
def test_one_person(in_tenant, pair, is_turned: bool) -> None:
    _take(*(pair[::-1] if is_turned else pair))
    assert _people() == {frozenset(record["id"] for record in pair)}
    assert not MatchDoubt.objects.exists()


def test_a_display_name_never_joins(in_tenant) -> None:
    _take(
        _account(M365, "m", "ann@acme.example"),
        _account(GOOGLE, "g", "ann.lee@acme.example"),
        _account(AD, "a", "acme\\ann"),
    )
    assert _people() == _sets("m", "g", "a")
    assert not MatchDoubt.objects.exists()


@pytest.mark.parametrize("kind", ["guest", "service", "shared"])
def test_only_members_are_people(in_tenant, kind: str) -> None:
    _take(_account(GOOGLE, "g", "ann@acme.example"), _account(M365, "m", "ann@acme.example"))
    _take(_account(M365, "m", "ann@acme.example", kind=kind))
    assert _people() == _sets("g")
    _take(_account(M365, "m", "ann@acme.example", kind="member"))
    assert _people() == _sets("g m")


def test_a_change_of_name_keeps_the_person(in_tenant) -> None:
    _take(_account(M365, "m", "ann@acme.example"), _account(GOOGLE, "g", "ann@acme.example"))
    before = Person.objects.get(accounts__external_id="m").id
    _take(_account(M365, "m", "ann.smith@acme.example"))
    assert _people() == _sets("m g")
    assert Person.objects.get(accounts__external_id="m").id == before
    assert not AccountIdentifier.objects.get(
        account__external_id="m", value="ann@acme.example"
    ).is_current


def test_what_is_deleted_upstream_is_marked_and_stays_with_its_person(in_tenant) -> None:
    _take(_account(M365, "m", "ann@acme.example"), _account(GOOGLE, "g", "ann@acme.example"))
    _take({"provider": M365, "id": "m", "is_deleted": True})
    gone = Account.objects.get(external_id="m")
    assert gone.deleted_upstream_at is not None
    assert gone.username == "ann@acme.example"
    assert _people() == _sets("m g")
    _take({"provider": M365, "id": "m", "is_deleted": True, "again": True})
    assert Account.objects.get(external_id="m").deleted_upstream_at == gone.deleted_upstream_at


# What is doubtful


def test_an_address_of_two_people_waits_for_a_technician(in_tenant) -> None:
    _take(
        _account(M365, "ann", "ann@acme.example"),
        _account(M365, "admin", "adm-ann@acme.example", email="ann@acme.example"),
        _account(GOOGLE, "g", "ann@acme.example"),
    )
    assert _people() == _sets("ann", "admin", "g")
    assert _doubts() == _sets("ann admin", "ann g", "admin g")
    assert _codes() == {"same_address", "same_provider", "held_by_others"}


def test_rules_that_disagree_wait_for_a_technician(in_tenant) -> None:
    _take(
        _account(M365, "m", "ann@acme.example", on_premises_sid=SID),
        _account(AD, "a", "acme\\ann", on_premises_sid=SID),
        _account(GOOGLE, "g", "ann@acme.example", on_premises_sid=OTHER_SID),
    )
    assert _people() == _sets("m a", "g")
    assert _doubts() == _sets("m g")
    assert _codes() == {"same_address", "sids_differ"}


def test_an_immutable_id_and_a_sid_that_point_to_two_accounts_join_neither(in_tenant) -> None:
    _take(
        _account(M365, "m", "ann@acme.example", immutable_id=ANCHOR, on_premises_sid=OTHER_SID),
        _account(AD, GUID, "acme\\ann", on_premises_sid=SID),
        _account(AD, "a", "acme\\bob", on_premises_sid=OTHER_SID),
    )
    assert _people() == _sets("m", GUID, "a")
    assert _doubts() == _sets(f"m {GUID}", "m a")


def test_an_address_used_again_after_a_deletion_is_doubtful(in_tenant) -> None:
    _take(_account(M365, "old", "ann@acme.example"))
    _take({"provider": M365, "id": "old", "is_deleted": True})
    _take(_account(M365, "new", "ann@acme.example"))
    assert _people() == _sets("old", "new")
    assert _doubts() == _sets("old new")
    # At another provider it is the time of its making that tells.
    _take(_account(M365, "gone", "bob@acme.example"))
    _take({"provider": M365, "id": "gone", "is_deleted": True})
    _take(_account(GOOGLE, "g1", "bob@acme.example", created_at="2019-01-01T00:00:00Z"))
    assert frozenset({"gone", "g1"}) in _people()
    _take(_account(GOOGLE, "g1", "bob@acme.example", created_at="2199-01-01T00:00:00Z"))
    assert frozenset({"gone", "g1"}) in _doubts()
    assert "reused" in _codes()


def test_an_address_handed_on_joins_nobody_and_is_doubtful_where_it_matters(in_tenant) -> None:
    _take(_account(M365, "ann", "ann@acme.example", aliases=["sales@acme.example"]))
    _take(_account(M365, "ann", "ann@acme.example", aliases=[]))
    _take(_account(M365, "bob", "bob@acme.example", aliases=["sales@acme.example"]))
    assert not MatchDoubt.objects.exists()
    _take(_account(GOOGLE, "g", "sales@acme.example"))
    assert _people() == _sets("ann", "bob", "g")
    assert _doubts() == _sets("ann g", "bob g")
    assert any("formerly" in reason for row in MatchDoubt.objects.all() for reason in row.reasons)


def test_an_address_of_a_whole_office_is_no_evidence(in_tenant) -> None:
    _take(_account(M365, "m", "info@acme.example"), _account(GOOGLE, "g", "info@acme.example"))
    assert _people() == _sets("m g")
    _take(*(_account(AD, f"a{n}", f"acme\\a{n}", email="info@acme.example") for n in range(9)))
    assert {"m", "g"} <= {one for group in _people() if len(group) == 1 for one in group}
    assert not MatchDoubt.objects.exists()


# What technicians decide


def _decide(first: str, second: str, *, is_same: bool) -> MatchDecision:
    [doubt] = [
        row for row in MatchDoubt.objects.select_related("first", "second")
        if {row.first.external_id, row.second.external_id} == {first, second}
    ]  # fmt: skip
    sides = [*match_decisions.side(doubt.first), *match_decisions.side(doubt.second)]
    return match_decisions.decide(
        doubt.id, is_same=is_same, actor="technician:mira", comment="I asked her.",
        seen=tuple(str(row.id) for row in sides),
    )  # fmt: skip


@pytest.fixture
def twins(in_tenant) -> None:
    """An administrator's two accounts at one provider, and one that could be either's."""
    _take(
        _account(M365, "ann", "ann@acme.example"),
        _account(M365, "admin", "adm-ann@acme.example", email="ann@acme.example"),
        _account(GOOGLE, "g", "ann@acme.example"),
    )


def test_joining_settles_what_follows_from_it(twins) -> None:
    _decide("ann", "admin", is_same=True)
    assert _people() == _sets("ann admin g")
    assert not MatchDoubt.objects.exists()
    [entry] = LedgerEntry.objects.filter(kind="person.joined")
    assert entry.actor == "technician:mira"
    assert entry.body["comment"] == "I asked her."
    assert entry.body["reasons"]


def test_keeping_apart_settles_that_pair_and_no_other(twins) -> None:
    _decide("ann", "admin", is_same=False)
    assert _people() == _sets("ann", "admin", "g")
    assert _doubts() == _sets("ann g", "admin g")
    _decide("ann", "g", is_same=True)
    assert _people() == _sets("ann g", "admin")
    assert not MatchDoubt.objects.exists()
    assert LedgerEntry.objects.filter(kind="person.kept_apart").count() == 1


def test_decisions_hold_against_later_feeds(twins) -> None:
    _decide("ann", "admin", is_same=False)
    _decide("ann", "g", is_same=True)
    _take(
        _account(M365, "admin", "adm-ann@acme.example", email="ann@acme.example", job_title="IT"),
        _account(GOOGLE, "g", "ann@acme.example", aliases=["adm-ann@acme.example"]),
        _account(AD, "a", "acme\\adm-ann", user_principal_name="adm-ann@acme.example"),
    )
    assert frozenset({"ann", "g"}) in _people()
    assert frozenset({"ann", "admin"}) not in _doubts()
    _take(_account(M365, "ann", "ann@acme.example", on_premises_sid=SID))
    _take(_account(M365, "admin", "adm-ann@acme.example", on_premises_sid=SID))
    assert {"ann", "admin"} & set().union(*(g for g in _people() if {"ann", "admin"} <= g)) == set()


def test_a_decision_is_reverted_and_the_people_are_who_they_were(twins) -> None:
    Person.objects.filter(accounts__external_id="admin").update(is_vip=True)
    before = dict(Account.objects.values_list("external_id", "person"))
    decision = _decide("ann", "admin", is_same=True)
    assert Person.objects.get(accounts__external_id="ann").is_vip
    match_decisions.revert(decision.id, actor="technician:sam")
    assert dict(Account.objects.values_list("external_id", "person")) == before
    assert _doubts() == _sets("ann admin", "ann g", "admin g")
    assert LedgerEntry.objects.filter(kind="person.match_reverted").count() == 1
    with pytest.raises(MatchError, match="reverted already"):
        match_decisions.revert(decision.id, actor="technician:sam")


def test_a_joining_that_another_decision_forbids_is_refused(twins) -> None:
    _decide("ann", "admin", is_same=False)
    _decide("ann", "g", is_same=True)
    _take(_account(AD, "a", "acme\\a", email="adm-ann@acme.example", aliases=["g2@acme.example"]))
    _take(_account(GOOGLE, "g2", "g2@acme.example", aliases=["ann@acme.example"]))
    assert frozenset({"a", "admin", "g2"}) in _people()
    with pytest.raises(MatchError, match="settled meanwhile"):
        match_decisions.decide(
            uuid.uuid4(), is_same=True, actor="technician:mira", comment="", seen=()
        )


def test_whoever_decides_has_seen_the_accounts_as_they_are(twins) -> None:
    doubt = MatchDoubt.objects.select_related("first").first()
    assert doubt is not None
    with pytest.raises(MatchError, match="look at them again"):
        match_decisions.decide(
            doubt.id, is_same=True, actor="technician:mira", comment="",
            seen=(str(doubt.first_id),),
        )  # fmt: skip
    assert not MatchDecision.objects.exists()


# What people have


def test_a_person_is_described_by_the_accounts_whichever_came_last(in_tenant) -> None:
    records = [
        _account(GOOGLE, "g", "ann@acme.example", display_name="Ann L.", job_title="Partner"),
        _account(M365, "m", "ann@acme.example", is_vip=True, criticality=3),
    ]
    _take(*records)
    person = Person.objects.get(accounts__external_id="m")
    told = (person.display_name, person.job_title, person.is_vip, person.criticality)
    assert told == ("Ann L.", "Partner", True, 3)
    _take(records[1] | {"attributes": records[1]["attributes"] | {"is_vip": False}})
    person.refresh_from_db()
    assert not person.is_vip


def test_a_job_title_makes_important_and_its_change_takes_no_mark_back(in_tenant) -> None:
    record = _account(M365, "m", "ann@acme.example", job_title="Owner")
    _take(record)
    person = Person.objects.get(accounts__external_id="m")
    assert person.is_vip
    _take(record | {"attributes": record["attributes"] | {"job_title": "Guest"}})
    person.refresh_from_db()
    assert (person.job_title, person.is_vip) == ("Guest", True)
    vips.mark("ann@acme.example", is_vip=False, actor="technician:mira", reason="She has left.")
    _take(record)
    person.refresh_from_db()
    assert not person.is_vip


def _device(external_id: str, **attributes: Any) -> Record:
    return {
        "item": "device", "provider": "intune", "id": external_id, "name": external_id,
        "attributes": attributes,
    }  # fmt: skip


def test_a_device_is_its_users_whichever_came_first(in_tenant) -> None:
    _take(
        _device("laptop", users=["Ann@acme.example"], last_seen_at="2026-11-20T08:00:00Z"),
        _device("kiosk", users=["ann@acme.example", "bob@acme.example"]),
        _device("tower", last_user="ACME\\ann", operating_system="Windows 11"),
        _device("server", last_user="acme\\ann", is_server=True),
        _device("bare", last_user="ann"),
    )
    assert not Device.objects.exclude(owner=None).exists()
    _take(
        _account(M365, "m", "ann@acme.example", on_premises_sid=SID),
        _account(AD, "a", "acme\\ann", on_premises_sid=SID),
        _account(M365, "b", "bob@acme.example"),
    )
    ann = Person.objects.get(accounts__external_id="m")
    assert set(ann.devices.values_list("external_id", flat=True)) == {"laptop", "tower"}
    assert Device.objects.get(external_id="tower").operating_system == "Windows 11"
    assert Device.objects.get(external_id="server").is_server
    assert Device.objects.get(external_id="laptop").last_seen_at is not None
    _take(_device("laptop", users=["bob@acme.example"], last_seen_at="2026-11-19T08:00:00Z"))
    laptop = Device.objects.select_related("owner").get(external_id="laptop")
    assert laptop.owner is not None
    assert laptop.owner.primary_email == "bob@acme.example"
    assert laptop.last_seen_at is not None
    assert laptop.last_seen_at.day == 20


def test_the_kind_that_a_technician_sets_takes_the_account_from_its_person(twins) -> None:
    admin = Account.objects.get(external_id="admin")
    directory.set_kind(admin, Account.Kind.SERVICE, actor="technician:mira")
    assert _people() == _sets("ann g")
    assert not MatchDoubt.objects.exists()


# Any order

NAMES = ("ann", "bob", "info")
PROVIDERS = (M365, AD, GOOGLE)


def _versions() -> st.SearchStrategy[Record]:
    address = st.sampled_from(NAMES).map(lambda name: f"{name}@acme.example")
    return st.builds(
        lambda provider, number, username, aliases, sid, immutable_id: _account(
            provider, f"{provider}-{number}", username,
            **{k: v for k, v in {"aliases": aliases, "on_premises_sid": sid,
                                 "immutable_id": immutable_id}.items() if v},
        ),
        st.sampled_from(PROVIDERS),
        st.integers(1, 3),
        address,
        st.lists(address, max_size=1),
        st.sampled_from(["", "", SID, OTHER_SID]),
        st.sampled_from(["", "", ANCHOR, GUID]),
    )  # fmt: skip


def _outcome(records: Iterable[Record], pages: random.Random) -> set[frozenset[str]]:
    """Take records page by page, forget it all, and return who the people were.

    Of several versions of an account the last is what it is now, so a doubt about whether an
    address is still its own may differ; who is whose may not.
    """
    # Raw records stay, and what came before in the same words would be a replay.
    reading = uuid.uuid4().hex
    with scope.tenant(scope.require_tenant_id()):
        waiting = [one | {"reading": reading} for one in records]
        while waiting:
            page = [waiting.pop(0)]
            while (
                waiting and waiting[0]["provider"] == page[0]["provider"] and pages.random() < 0.6
            ):
                page.append(waiting.pop(0))
            intake.take(
                connector=page[0]["provider"], feed=str(pages.random()),
                records=[SourceRecord(one) for one in page], normalise=_normalise,
            )  # fmt: skip
        told = _people()
        MatchDoubt.objects.all().delete()
        AccountIdentifier.objects.all().delete()
        Account.objects.all().delete()
    return told


def _candidates(records: Iterable[Record]) -> list[Candidate]:
    """What is known after all of these, without a database."""
    known: dict[tuple[str, str], set[Identifier]] = {}
    for one in records:
        told = one["attributes"]
        known.setdefault((one["provider"], one["id"]), set()).update(
            of_account(one["id"], told["username"], "", told.get("on_premises_sid", ""), told)
        )
    found = []
    for (provider, external_id), identifiers in known.items():
        # One that was ever the account's own name counts as such.
        own = {(one.kind, one.value) for one in identifiers if one.is_own}
        merged = frozenset(
            Identifier(one.kind, one.value, (one.kind, one.value) in own) for one in identifiers
        )
        values = frozenset((one.kind, one.value) for one in merged)
        found.append(
            Candidate(
                uuid.uuid5(uuid.NAMESPACE_OID, f"{provider} {external_id}"), provider,
                external_id, merged, values,
            )
        )  # fmt: skip
    return found


def _told(candidates: list[Candidate], decided: list[Decided]) -> tuple[Any, Any]:
    resolved = resolve(candidates, decided)
    groups = {frozenset(one.id for one in group) for group in resolved.people}
    return groups, {(d.first, d.second, repr(d.reasons)) for d in resolved.doubts}


def _with_some_former(candidates: list[Candidate], chance: random.Random) -> list[Candidate]:
    return [
        dataclasses.replace(
            one,
            current=frozenset(value for value in sorted(one.current) if chance.random() < 0.5),
        )
        for one in candidates
    ]


def _of_one_provider(
    candidates: list[Candidate], people: set[frozenset[uuid.UUID]]
) -> list[frozenset[uuid.UUID]]:
    """People who have two accounts at one provider."""
    provider = {one.id: one.provider for one in candidates}
    return [group for group in people if len({provider[one] for one in group}) < len(group)]


@settings(
    max_examples=examples(100), deadline=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(_versions(), min_size=2, max_size=14), st.integers(0, 2**32), st.booleans())
def test_the_row_of_accounts_makes_no_difference_and_decisions_hold(
    records: list[Record], seed: int, is_same: bool
) -> None:
    note(f"seed of the order: {seed}")
    shuffle = random.Random(seed)
    candidates = _candidates(records)
    decided: list[Decided] = []
    for _ in range(3):
        people, doubts = _told(candidates, decided)
        shuffle.shuffle(candidates)
        assert _told(candidates, decided) == (people, doubts)
        # Which of them came last decides what is current, and so no person.
        assert _told(_with_some_former(candidates, shuffle), decided)[0] == people
        if not decided:
            assert not _of_one_provider(candidates, people)
        for one in decided:
            are_one = any({one.first, one.second} <= group for group in people)
            assert are_one == one.is_same
        for first, second, _ in doubts:
            assert not any({first, second} <= group for group in people)
        if not doubts:
            return
        first, second, _ = min(doubts)
        decided.append(Decided(first, second, is_same))


@settings(
    max_examples=6, deadline=None, print_blob=True,
    # Shrinking takes minutes with a database, and nine records can be read as they are.
    phases=set(Phase) - {Phase.shrink, Phase.explain},
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(_versions(), min_size=2, max_size=9), st.integers(0, 2**32))
# What was told and changed again within one page counts like what two pages tell.
@example(
    [
        _account(M365, "m1", "ann@acme.example"),
        _account(M365, "m2", "bob@acme.example"),
        _account(M365, "m2", "ann@acme.example"),
        _account(GOOGLE, "g", "ann@acme.example", aliases=["bob@acme.example"]),
    ],
    0,
)
# Two accounts of one provider had one SID: which of them still has it makes no difference.
@example(
    [
        _account(GOOGLE, "g1", "ann@acme.example", on_premises_sid=OTHER_SID),
        _account(M365, "m", "ann@acme.example"),
        _account(GOOGLE, "g2", "ann@acme.example", on_premises_sid=OTHER_SID),
        _account(GOOGLE, "g2", "ann@acme.example", on_premises_sid=SID),
    ],
    0,
)
# A page of two versions, the second of them known already.
@example(
    [
        _account(GOOGLE, "g3", "ann@acme.example", on_premises_sid=OTHER_SID, immutable_id=ANCHOR),
        _account(M365, "m", "bob@acme.example", on_premises_sid=SID, immutable_id=ANCHOR),
        _account(GOOGLE, "g1", "bob@acme.example"),
        _account(GOOGLE, "g3", "info@acme.example", immutable_id=ANCHOR),
    ],
    2**32,
)
def test_any_order_any_pages_and_duplicates_give_the_same_people(
    in_tenant, records: list[Record], seed: int
) -> None:
    note(f"seed of the order: {seed}")
    shuffle = random.Random(seed)
    first = _outcome(records, shuffle)
    again = [*records, *shuffle.choices(records, k=3)]
    shuffle.shuffle(again)
    assert _outcome(again, shuffle) == first


def test_weighing_all_at_once_gives_the_same_as_one_after_the_other(in_tenant) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed: {seed}")
    chance = random.Random(seed)
    _take(
        *(
            _account(
                provider, f"{provider}-{number}", f"p{chance.randrange(14)}@acme.example",
                aliases=[f"p{chance.randrange(28)}@acme.example"],
            )
            for number in range(8)
            for provider in PROVIDERS
        )
    )  # fmt: skip
    before = _people(), _doubts()
    people.lock()
    people.weigh(Account.objects.values_list("id", flat=True))
    assert (_people(), _doubts()) == before


@pytest.mark.parametrize(
    "pair",
    [
        [{"immutable_id": ANCHOR}, {"immutable_id": ANCHOR}],
        [{"on_premises_sid": SID}, {"on_premises_sid": OTHER_SID}],
    ],
    ids=["by one immutable id", "by the former SID of a third"],
)
def test_two_accounts_that_a_provider_has_side_by_side_wait_for_a_technician(
    in_tenant, pair: list[Record]
) -> None:
    first = _account(GOOGLE, "g1", "ann@acme.example", **pair[0])
    second = _account(GOOGLE, "g2", "bob@acme.example", **pair[1])
    third = _account(AD, "a", "acme\\ann", on_premises_sid=OTHER_SID, former_sids=[SID])
    _take(first, second, third)
    assert not any({"g1", "g2"} <= group for group in _people())
    assert MatchDoubt.objects.exists()
    # What is gone was the same account, made anew.
    _take(second | {"is_deleted": True})
    assert any({"g1", "g2"} <= group for group in _people())
    assert not MatchDoubt.objects.exists()


@pytest.mark.django_db
def test_two_accounts_of_one_provider_with_one_sid_wait_for_a_technician(in_tenant) -> None:
    """A directory has a SID once: where two are told side by side, one of them is told wrongly."""
    one = _account(M365, "m", "ann@acme.example", on_premises_sid=SID)
    other = _account(M365, "n", "bob@acme.example", on_premises_sid=SID)
    _take(one, other)
    assert _people() == _sets("m", "n")
    assert _doubts() == _sets("m n")
    assert {"same_sid", "same_provider"} <= _codes()
    # What is gone was the same account, made anew.
    _take(other | {"is_deleted": True})
    assert _doubts() == set()
