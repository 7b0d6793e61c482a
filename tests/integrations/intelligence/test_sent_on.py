"""Where a mailbox sends its mail on to is looked for as what alerts name is; it joins no cases."""

import pytest
from django.utils import timezone

from integrations.intelligence import sightings, store
from integrations.intelligence.found import Found
from playbooks.correlation import joining
from playbooks.investigating import own_answers
from tenants import evidence, scope
from tenants.models import Case
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
RULES = ("mailbox.list_inbox_rules", {"rules": [
    {"forwards_to": ["archive@mail.collector.test", "home@gmail.com", "boss@acme.example"]},
    {"forwards_to": []},
]})  # fmt: skip
FORWARDING = ("mailbox.get_forwarding", {"forwarding": {
    "smtp_address": "archive@collector.test", "recipient": "Archive", "keeps_copy": True,
}})  # fmt: skip
NONE = ("mailbox.get_forwarding", {"forwarding": {"smtp_address": None, "recipient": None}})


def _known() -> None:
    names = ("domain:collector.test", "domain:gmail.com", "domain:acme.example")
    store.keep("feed", [Found(external_id=one, told=one, entity=one) for one in names])


def _told(case: Case, gatherer: str, facts: dict) -> None:
    evidence.record(
        case, gatherer=gatherer, question="q", asked_of="m", asked_at=timezone.now(),
        answer={"step": "s", "facts": facts, "reason": ""}, is_available=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "met"), [(RULES, True), (FORWARDING, True), (NONE, False)], ids=["rule", "all", "none"]
)
def test_where_mail_is_sent_on_to_is_met_and_neither_a_big_provider_nor_an_own_name(
    tenant, told, met
) -> None:
    _known()
    expected = ["domain:collector.test"] if met else []
    with scope.tenant(tenant.id):
        case = make_case(make_account())
        _told(case, *told)
        answer = own_answers.tell("indicator.list_matches", case, {})
        assert [one["name"] for one in answer["matches"]] == expected
        assert not any(one["in_alert"] for one in answer["matches"])
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        rows = sightings.shown().select_related("indicator")
        assert [(one.indicator.entity, one.cases) for one in rows] == [(one, 1) for one in expected]
        # Nothing of it makes cases one.
        case.refresh_from_db()
        assert not any("collector" in one for one in case.entities)
        assert not joining(["sender:archive@collector.test"])


def test_what_a_merged_cases_mailbox_sent_on_is_told_of_the_case_that_stays(in_tenant) -> None:
    _known()
    stays, gone = make_case(make_account()), make_case(make_account("other"))
    _told(gone, *FORWARDING)
    Case.objects.filter(id=gone.id).update(
        merged_into=stays, status=Case.Status.CLOSED, closed_at=timezone.now()
    )
    answer = own_answers.tell("indicator.list_matches", stays, {})
    assert [one["name"] for one in answer["matches"]] == ["domain:collector.test"]
