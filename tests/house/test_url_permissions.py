"""Every address of the installation for every role: who gets in, and that nobody leaks a client."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from integrations.models import IndicatorSource, WarningList
from msp.staff import actions
from msp.staff.models import Role, Technician
from tests.conftest import new_tenant
from tests.msp.console.rows import Rows, fill

pytestmark = pytest.mark.django_db

SIGN_IN = "sign in"
ROLES = ("anonymous", *Role.values)
Cookies = dict[str, str]


class Rule(NamedTuple):
    """What an address answers to anonymous, viewer, technician, approver, admin (by status).

    `of_client`: whether it names something of one client, and is 404 for who doesn't see that.
    """

    answers: tuple[int | str, int, int, int, int]
    path: Callable[[Rows], str] | str
    method: str = "get"
    of_client: bool = False


# One of Holdfast's own detections.
RULE_ID = "6108a21c-e91b-5fed-ac70-df6097124444"
READ = (SIGN_IN, 200, 200, 200, 200)
TECHNICIAN = (SIGN_IN, 403, 200, 200, 200)
ADMIN = (SIGN_IN, 403, 403, 403, 200)
MOVED = (SIGN_IN, 302, 302, 302, 302)
FROM_TECHNICIAN = (SIGN_IN, 403, 302, 302, 302)
FROM_APPROVER = (SIGN_IN, 403, 403, 302, 302)
FROM_ADMIN = (SIGN_IN, 403, 403, 403, 302)
ANYBODY = (200, 200, 200, 200, 200)


@pytest.fixture(autouse=True)
def _without_second_factor(settings) -> None:
    """Second factors are tried in tests/msp/console; here it is about roles."""
    settings.REQUIRE_MFA = False


def _own(row: str, route: str) -> Callable[[Rows], str]:
    return lambda rows: route.format(getattr(rows, row).id)


def _slug(route: str) -> Callable[[Rows], str]:
    return lambda rows: route.format(rows.tenant.slug)


def _warning_list() -> WarningList:
    made, _ = WarningList.objects.get_or_create(
        name="list", defaults={"kind": WarningList.Kind.STRING, "entries": 0, "author": "test"}
    )
    return made


def _source() -> IndicatorSource:
    return IndicatorSource.objects.get_or_create(name="feed", defaults={"kind": "url"})[0]


def _contact(route: str) -> Callable[[Rows], str]:
    return lambda rows: route.format(rows.tenant.slug, rows.contact.id)


def _account(route: str) -> Callable[[Rows], str]:
    return lambda rows: route.format(rows.tenant.slug, rows.account.id)


def _device(route: str) -> Callable[[Rows], str]:
    return lambda rows: route.format(rows.tenant.slug, rows.device.id)


def _own_door(route: str) -> Callable[[Rows], str]:
    return lambda rows: route.format(rows.tenant.id, rows.connection.id)


RULES: dict[str, Rule] = {
    "home": Rule((302, 302, 302, 302, 302), "/"),
    "healthz": Rule(ANYBODY, "/healthz"),
    # A client's contact has no account; links that count are tried in tests/msp/approval.
    "approve": Rule((404, 404, 404, 404, 404), "/approve/forged/"),
    "was_it_you": Rule((404, 404, 404, 404, 404), "/approve/forged/question/"),
    # The console.
    "console:queue": Rule(READ, "/admin/queue/"),
    "console:approvals": Rule(READ, "/admin/approvals/"),
    "console:decide": Rule(
        FROM_APPROVER, _own("approval", "/admin/approvals/{}/decide/"), "post", of_client=True
    ),
    "console:client_link": Rule(
        FROM_APPROVER, _own("approval", "/admin/approvals/{}/client-link/"), "post", of_client=True
    ),
    "console:risk": Rule(READ, "/admin/risk/"),
    "console:case": Rule(READ, _own("case", "/admin/cases/{}/"), of_client=True),
    "console:take": Rule(
        FROM_TECHNICIAN, _own("case", "/admin/cases/{}/take/"), "post", of_client=True
    ),
    "console:close": Rule(
        FROM_TECHNICIAN, _own("case", "/admin/cases/{}/close/"), "post", of_client=True
    ),
    "console:ask_user": Rule(
        FROM_TECHNICIAN, _own("case", "/admin/cases/{}/ask/"), "post", of_client=True
    ),
    "console:intelligence": Rule(READ, "/admin/intelligence/"),
    "console:source_add": Rule(ADMIN, "/admin/intelligence/sources/add/"),
    "console:source_change": Rule(
        FROM_ADMIN,
        lambda _rows: f"/admin/intelligence/sources/{_source().id}/change/",
        "post",
    ),
    "console:warning_list_add": Rule(FROM_ADMIN, "/admin/intelligence/warnings/add/", "post"),
    "console:warning_list_remove": Rule(
        FROM_ADMIN,
        lambda _rows: f"/admin/intelligence/warnings/{_warning_list().id}/remove/",
        "post",
    ),
    "console:threats": Rule(READ, _slug("/admin/clients/{}/threats/"), of_client=True),
    "console:quality": Rule(READ, "/admin/quality/"),
    "console:measures": Rule(READ, "/admin/measures/"),
    "console:baselines": Rule(READ, "/admin/measures/by-hand/"),
    "console:baseline_declare": Rule(FROM_ADMIN, "/admin/measures/by-hand/declare/", "post"),
    "console:quality_review": Rule(
        FROM_TECHNICIAN, _own("quality", "/admin/quality/{}/review/"), "post", of_client=True
    ),
    "console:quality_process": Rule(
        FROM_ADMIN, _slug("/admin/clients/{}/process/"), "post", of_client=True
    ),
    "console:known_good": Rule(READ, "/admin/known-good/"),
    "console:known_good_new": Rule(
        TECHNICIAN, _own("case", "/admin/cases/{}/known-good/"), of_client=True
    ),
    "console:known_good_change": Rule(
        FROM_TECHNICIAN,
        lambda rows: f"/admin/known-good/{rows.known_good.pattern}/change/",
        "post",
        of_client=True,
    ),
    "console:case_merge": Rule(
        FROM_TECHNICIAN, _own("case", "/admin/cases/{}/merge/"), "post", of_client=True
    ),
    "console:case_split": Rule(
        FROM_TECHNICIAN, _own("case", "/admin/cases/{}/split/"), "post", of_client=True
    ),
    "console:case_change_undo": Rule(
        FROM_TECHNICIAN, _own("change", "/admin/cases/changes/{}/undo/"), "post", of_client=True
    ),
    "console:roll_back": Rule(
        FROM_TECHNICIAN, _own("plan", "/admin/plans/{}/roll-back/"), "post", of_client=True
    ),
    "console:stop_plan": Rule(
        FROM_TECHNICIAN, _own("plan", "/admin/plans/{}/stop/"), "post", of_client=True
    ),
    "console:tell_step": Rule(
        FROM_TECHNICIAN, _own("plan", "/admin/plans/{}/tell/"), "post", of_client=True
    ),
    "console:plan": Rule(READ, _own("plan", "/admin/plans/{}/"), of_client=True),
    "console:ask_again": Rule(
        FROM_TECHNICIAN, _own("plan", "/admin/plans/{}/ask-again/"), "post", of_client=True
    ),
    "console:carry_out": Rule(
        FROM_TECHNICIAN, _own("plan", "/admin/plans/{}/carry-out/"), "post", of_client=True
    ),
    "console:playbooks": Rule(READ, "/admin/playbooks/"),
    "console:connectors": Rule(READ, "/admin/connectors/"),
    "console:playbook": Rule(READ, "/admin/playbooks/contain-cloud-account/"),
    "console:playbook_mode": Rule(
        FROM_ADMIN,
        _slug("/admin/playbooks/contain-cloud-account/{}/mode/"),
        "post",
        of_client=True,
    ),
    "console:practice": Rule(
        READ, _slug("/admin/playbooks/contain-cloud-account/{}/"), of_client=True
    ),
    "console:playbook_spread": Rule(
        ADMIN, _slug("/admin/playbooks/contain-cloud-account/{}/spread/"), of_client=True
    ),
    "console:detections": Rule(READ, "/admin/detections/"),
    "console:coverage": Rule(READ, "/admin/coverage/"),
    "console:detection": Rule(READ, f"/admin/detections/rules/{RULE_ID}/"),
    "console:detection_stage": Rule(FROM_ADMIN, f"/admin/detections/stage/{RULE_ID}/", "post"),
    "console:evidence": Rule(READ, _own("evidence", "/admin/evidence/{}/"), of_client=True),
    "console:health": Rule(READ, "/admin/health/"),
    "console:connection_health": Rule(
        READ, _own("connection", "/admin/health/{}/"), of_client=True
    ),
    "console:connection_check": Rule(
        FROM_TECHNICIAN, _own("connection", "/admin/health/{}/check/"), "post", of_client=True
    ),
    "console:connection_change": Rule(
        ADMIN, _own("connection", "/admin/health/{}/change/"), of_client=True
    ),
    "console:connection_remove": Rule(
        ADMIN, _own("connection", "/admin/health/{}/remove/"), of_client=True
    ),
    "console:connection_pause": Rule(
        FROM_ADMIN, _own("connection", "/admin/health/{}/pause/"), "post", of_client=True
    ),
    "console:alarm_accept": Rule(
        FROM_TECHNICIAN, _own("alarm", "/admin/health/alarms/{}/accept/"), "post", of_client=True
    ),
    "console:onboarding": Rule(ADMIN, "/admin/onboarding/"),
    "console:onboarding_new": Rule(ADMIN, "/admin/onboarding/new/"),
    "console:onboarding_file": Rule(ADMIN, "/admin/onboarding/file/", "post"),
    "console:onboarding_template": Rule(ADMIN, "/admin/onboarding/clients.csv"),
    "console:onboard": Rule(ADMIN, _slug("/admin/onboarding/{}/steps/"), of_client=True),
    "console:onboard_choose": Rule(
        FROM_ADMIN, _slug("/admin/onboarding/{}/products/"), "post", of_client=True
    ),
    "console:onboard_connect": Rule(
        ADMIN, _slug("/admin/onboarding/{}/connect/microsoft365/"), of_client=True
    ),
    # Without what it needs it answers with the page that says so.
    "console:onboard_consent": Rule(
        ADMIN, _slug("/admin/onboarding/{}/consent/"), "post", of_client=True
    ),
    "console:onboard_relationship": Rule(
        FROM_ADMIN, _slug("/admin/onboarding/{}/relationship/"), "post", of_client=True
    ),
    "console:onboard_rules": Rule(
        (SIGN_IN, 403, 403, 403, 404), _slug("/admin/onboarding/{}/rules/"), "post", of_client=True
    ),
    "console:onboard_start": Rule(
        ADMIN, _slug("/admin/onboarding/{}/start/"), "post", of_client=True
    ),
    "consent_microsoft": Rule((404, 404, 404, 404, 404), "/consent/microsoft/?state=forged"),
    "console:tenants": Rule(READ, "/admin/clients/"),
    "console:tenant": Rule(READ, _slug("/admin/clients/{}/"), of_client=True),
    "console:rules": Rule(READ, _slug("/admin/clients/{}/rules/"), of_client=True),
    "console:rules_edit": Rule(ADMIN, _slug("/admin/clients/{}/rules/edit/"), of_client=True),
    "console:siem": Rule(READ, _slug("/admin/clients/{}/siem/"), of_client=True),
    "console:siem_accept": Rule(
        FROM_TECHNICIAN, _slug("/admin/clients/{}/siem/accept/"), "post", of_client=True
    ),
    "console:siem_audit": Rule(
        FROM_TECHNICIAN, _slug("/admin/clients/{}/siem/audit/"), "post", of_client=True
    ),
    "console:routines": Rule(READ, "/admin/routines/"),
    "console:routine_start": Rule(
        TECHNICIAN, _slug("/admin/clients/{}/routines/access-review/"), of_client=True
    ),
    "console:routine_cancel": Rule(
        FROM_TECHNICIAN, _own("case", "/admin/routines/{}/cancel/"), "post", of_client=True
    ),
    "console:msp_rules": Rule(READ, "/admin/rules/"),
    "console:msp_rules_edit": Rule(ADMIN, "/admin/rules/edit/"),
    "console:own_identities": Rule(ADMIN, "/admin/own-identities/"),
    "console:protected": Rule(READ, _slug("/admin/clients/{}/protected/"), of_client=True),
    "console:protect": Rule(
        TECHNICIAN, _slug("/admin/clients/{}/protected/add/"), "post", of_client=True
    ),
    "console:important": Rule(READ, _slug("/admin/clients/{}/important/"), of_client=True),
    "console:mark_vip": Rule(
        TECHNICIAN, _slug("/admin/clients/{}/important/mark/"), "post", of_client=True
    ),
    "console:mark_criticality": Rule(
        TECHNICIAN, _slug("/admin/clients/{}/important/criticality/"), "post", of_client=True
    ),
    "console:mark_device": Rule(
        TECHNICIAN, _slug("/admin/clients/{}/important/devices/"), "post", of_client=True
    ),
    "console:unprotect": Rule(
        FROM_ADMIN, _account("/admin/clients/{}/protected/{}/end/"), "post", of_client=True
    ),
    "console:exclude_device": Rule(
        TECHNICIAN, _slug("/admin/clients/{}/protected/devices/"), "post", of_client=True
    ),
    "console:include_device": Rule(
        FROM_ADMIN, _device("/admin/clients/{}/protected/devices/{}/end/"), "post", of_client=True
    ),
    "console:chat_channel": Rule(ADMIN, _slug("/admin/clients/{}/chat/"), of_client=True),
    "console:contact_add": Rule(ADMIN, _slug("/admin/clients/{}/contacts/add/"), of_client=True),
    "console:contact": Rule(ADMIN, _contact("/admin/clients/{}/contacts/{}/"), of_client=True),
    "console:contact_move": Rule(
        FROM_ADMIN, _contact("/admin/clients/{}/contacts/{}/move/"), "post", of_client=True
    ),
    "console:contact_active": Rule(
        FROM_ADMIN, _contact("/admin/clients/{}/contacts/{}/active/"), "post", of_client=True
    ),
    "console:stop_tenant": Rule(
        FROM_TECHNICIAN, _slug("/admin/clients/{}/stop/"), "post", of_client=True
    ),
    "console:start_tenant": Rule(
        FROM_ADMIN, _slug("/admin/clients/{}/start/"), "post", of_client=True
    ),
    "console:stop_everything": Rule(FROM_ADMIN, "/admin/clients/stop/", "post"),
    "console:start_everything": Rule(FROM_ADMIN, "/admin/clients/start/", "post"),
    "console:matches": Rule(READ, "/admin/matches/"),
    "console:match_decide": Rule(
        FROM_TECHNICIAN, _own("doubt", "/admin/matches/{}/decide/"), "post", of_client=True
    ),
    "console:match_part": Rule(
        FROM_TECHNICIAN, _own("account", "/admin/matches/accounts/{}/part/"), "post", of_client=True
    ),
    "console:match_revert": Rule(
        FROM_TECHNICIAN, _own("match", "/admin/matches/decided/{}/revert/"), "post", of_client=True
    ),
    "console:ledgers": Rule(READ, "/admin/ledger/"),
    "console:ledger": Rule(READ, _slug("/admin/ledger/{}/?verify=1"), of_client=True),
    "console:quarantine": Rule(READ, "/admin/quarantine/"),
    "console:quarantined_record": Rule(
        READ, _own("quarantined", "/admin/quarantine/{}/"), of_client=True
    ),
    "console:take_again": Rule(
        FROM_TECHNICIAN, _own("quarantined", "/admin/quarantine/{}/take/"), "post", of_client=True
    ),
    "console:report": Rule(READ, _own("report", "/admin/reports/{}/"), of_client=True),
    # The admin site's lists.
    "admin:index": Rule(MOVED, "/admin/"),
    "admin:app_list": Rule(MOVED, "/admin/tenants/"),
    "admin:login": Rule((302, 302, 302, 302, 302), "/admin/login/"),
    "admin:logout": Rule((302, 302, 302, 302, 302), "/admin/logout/", "post"),
    "admin:password_change": Rule(MOVED, "/admin/password_change/"),
    "admin:search": Rule(READ, "/admin/search/?s=case"),
    "admin:jsi18n": Rule(READ, "/admin/jsi18n/"),
    "admin:tenants_case_changelist": Rule(READ, "/admin/tenants/case/"),
    # Sends on to the case's page, which is the one that knows.
    "admin:tenants_case_change": Rule(MOVED, _own("case", "/admin/tenants/case/{}/")),
    "admin:tenants_finding_changelist": Rule(READ, "/admin/tenants/finding/"),
    "admin:tenants_finding_change": Rule(
        READ, _own("finding", "/admin/tenants/finding/{}/"), of_client=True
    ),
    "admin:tenants_account_changelist": Rule(READ, "/admin/tenants/account/"),
    "admin:tenants_account_change": Rule(
        READ, _own("account", "/admin/tenants/account/{}/"), of_client=True
    ),
    "admin:integrations_connection_changelist": Rule(READ, "/admin/integrations/connection/"),
    "admin:integrations_connection_change": Rule(
        READ, _own("connection", "/admin/integrations/connection/{}/"), of_client=True
    ),
    "admin:reports_report_changelist": Rule(READ, "/admin/reports/report/"),
    "admin:reports_report_change": Rule(MOVED, _own("report", "/admin/reports/report/{}/")),
    "admin:staff_technician_changelist": Rule(ADMIN, "/admin/staff/technician/"),
    "admin:staff_technician_change": Rule(
        ADMIN, lambda rows: f"/admin/staff/technician/{_somebody()}/"
    ),
    "admin:staff_apikey_changelist": Rule(ADMIN, "/admin/staff/apikey/"),
    "admin:staff_apikey_change": Rule(ADMIN, lambda rows: f"/admin/staff/apikey/{_a_key()}/"),
    # Sign-in. Who is signed in already is sent on.
    "account_login": Rule((200, 302, 302, 302, 302), "/accounts/login/"),
    "account_logout": Rule((302, 200, 200, 200, 200), "/accounts/logout/"),
    "account_inactive": Rule(ANYBODY, "/accounts/inactive/"),
    "account_reauthenticate": Rule(READ, "/accounts/reauthenticate/"),
    "account_change_password": Rule(READ, "/accounts/password/change/"),
    "mfa_index": Rule(READ, "/accounts/2fa/"),
    "mfa_authenticate": Rule(MOVED, "/accounts/2fa/authenticate/"),
    "mfa_reauthenticate": Rule(MOVED, "/accounts/2fa/reauthenticate/"),
    "mfa_activate_totp": Rule(READ, "/accounts/2fa/totp/activate/"),
    "mfa_deactivate_totp": Rule((SIGN_IN, 404, 404, 404, 404), "/accounts/2fa/totp/deactivate/"),
    "mfa_view_recovery_codes": Rule((SIGN_IN, 404, 404, 404, 404), "/accounts/2fa/recovery-codes/"),
    "mfa_generate_recovery_codes": Rule(READ, "/accounts/2fa/recovery-codes/generate/"),
    "mfa_download_recovery_codes": Rule(
        (SIGN_IN, 404, 404, 404, 404), "/accounts/2fa/recovery-codes/download/"
    ),
    # The API knows no technicians: its keys are tried in tests/msp/api.
    "api-licensing-usage": Rule((401, 401, 401, 401, 401), "/api/v1/licensing/usage"),
    "api-measures": Rule((401, 401, 401, 401, 401), "/api/v1/measures"),
    # The door knows no technicians either, only sources that sign: tests/msp/api/test_inbound.py.
    "api-inbound": Rule((401, 401, 401, 401, 401), _own_door("/api/v1/in/{}/{}"), "post"),
    # Nor does this door: only vendors that were given a secret.
    "api-notices": Rule((401, 401, 401, 401, 401), _own_door("/api/v1/notices/{}/{}"), "post"),
    "api-schema": Rule(ANYBODY, "/api/v1/schema/"),
    "api-unknown": Rule((404, 404, 404, 404, 404), "/api/v9/"),
}


def _somebody() -> str:
    return str(actions.create_technician("sam", role=Role.VIEWER, password="x" * 20 + "!7").id)


def _a_key() -> str:
    return str(actions.create_api_key("billing", scopes=["licensing:read"])[0].id)


def _names(patterns: list, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            namespace = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from _names(pattern.url_patterns, prefix + namespace)
        elif isinstance(pattern, URLPattern):
            yield f"{prefix}{pattern.name or pattern.pattern}"


def test_every_address_is_in_the_table() -> None:
    existing = set(_names(get_resolver().url_patterns))
    assert sorted(existing - set(RULES)) == [], "name these addresses in RULES, with who gets in"
    assert sorted(set(RULES) - existing) == [], "these addresses no longer exist"


def _signed_in(role: str, tenants: list | None = None) -> Cookies:
    """The cookies of a new technician who has just signed in."""
    name = f"{role}.of.{'one' if tenants else 'all'}"
    technician = actions.create_technician(
        name, role=Role(role), password="x" * 20 + "!7", tenants=tenants
    )
    client = Client()
    client.force_login(technician, backend="allauth.account.auth_backends.AuthenticationBackend")
    _has_just_signed_in(client, technician)
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


def _has_just_signed_in(client: Client, technician: Technician) -> None:
    """Note the sign-in as allauth does, so that it doesn't ask for the password again.

    However long the tests take: it counts from an hour later.
    """
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time() + 3600, "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(technician.pk)
    session.save()


def _browser(cookies: Cookies) -> Client:
    """A new browser with these cookies: what one test does with it counts for no other."""
    client = Client()
    client.cookies.load(cookies)
    return client


def _ask(client: Client, rule: Rule, rows: Rows):
    path = rule.path if isinstance(rule.path, str) else rule.path(rows)
    return getattr(client, rule.method)(path)


@pytest.fixture(scope="module")
def clients(django_db_setup, django_db_blocker) -> Iterator[tuple[Rows, Rows]]:
    """Two clients of one installation; whatever a test does to them is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield fill(new_tenant("acme-matrix")), fill(new_tenant("beta-matrix"))
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def sessions(clients) -> dict[str, Cookies]:
    """By role, the cookies of somebody who has just signed in; to sign in takes as long as a page.

    Who is anonymous has none.
    """
    return {"anonymous": {}} | {role: _signed_in(role) for role in Role.values}


@pytest.fixture(scope="module")
def of_one_client(clients) -> Cookies:
    """The cookies of an administrator who sees the first of the two clients only."""
    return _signed_in("admin", tenants=[clients[0].tenant])


@pytest.mark.parametrize("name", RULES)
def test_who_gets_in(clients, sessions, name: str) -> None:
    for role, expected in zip(ROLES, RULES[name].answers, strict=True):
        with transaction.atomic():
            response = _ask(_browser(sessions[role]), RULES[name], clients[0])
            # The next role finds everything as it was.
            transaction.set_rollback(True)
        if expected == SIGN_IN:
            assert response.status_code == 302, role
            assert "login" in response.url, role
        else:
            assert response.status_code == expected, role
            assert not (expected == 302 and role != "anonymous" and "login/?next" in response.url)


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.of_client])
def test_another_clients_objects_do_not_exist(clients, of_one_client, name: str) -> None:
    assert _ask(_browser(of_one_client), RULES[name], clients[1]).status_code == 404


@pytest.mark.parametrize(
    "name",
    [name for name, rule in RULES.items() if not rule.of_client and rule.method == "get"],
)
def test_no_page_shows_another_clients_data(clients, of_one_client, name: str) -> None:
    theirs = clients[1]
    path = RULES[name].path
    path = path if isinstance(path, str) else path(theirs)
    answer = _browser(of_one_client).get(path, follow=True)
    page = b"" if answer.status_code == 404 else answer.content
    for secret in (theirs.tenant.name, theirs.tenant.slug, str(theirs.case.id)):
        assert secret.encode() not in page, f"{name} shows {secret}"
