"""Sign-in, second factor, and what the commands make."""

import io

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.conf import global_settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import NoReverseMatch, reverse

import msp.settings
from msp.staff import actions
from msp.staff.models import ApiKey, Role, Technician

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


def _technician(name: str = "mira", role: Role = Role.APPROVER) -> Technician:
    return actions.create_technician(name, role=role, password=PASSWORD)


def _sign_in(client: Client, name: str = "mira", password: str = PASSWORD, after: str = ""):
    address = f"/accounts/login/{f'?next={after}' if after else ''}"
    return client.post(address, {"login": name, "password": password})


def test_the_admin_sends_to_the_one_sign_in_and_back(client: Client) -> None:
    _technician()
    response = client.get("/admin/approvals/", follow=True)
    assert response.redirect_chain[-1][0].startswith(
        "/accounts/login/?next=%2Fadmin%2Fapprovals%2F"
    )
    response = _sign_in(client, after="/admin/approvals/")
    assert (response.status_code, response.url) == (302, "/admin/approvals/")
    assert client.get("/admin/approvals/").status_code == 200


def test_the_admins_own_login_form_does_not_exist(client: Client) -> None:
    _technician()
    response = client.post("/admin/login/", {"username": "mira", "password": PASSWORD})
    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/")
    assert client.get("/admin/queue/").status_code == 302


def test_a_password_is_kept_as_a_hash_that_is_slow_to_guess(client: Client, settings) -> None:
    shipped = getattr(msp.settings, "PASSWORD_HASHERS", global_settings.PASSWORD_HASHERS)
    settings.PASSWORD_HASHERS = shipped
    kept = _technician().password
    assert kept.startswith("pbkdf2_sha256$")
    assert int(kept.split("$")[1]) >= 600_000
    assert _sign_in(client).status_code == 302
    assert client.get("/admin/queue/").status_code == 200


def test_a_wrong_password_is_refused(client: Client) -> None:
    _technician()
    assert _sign_in(client, password="wrong").status_code == 200
    assert client.get("/admin/queue/").status_code == 302


def test_who_has_a_second_factor_must_show_it(client: Client) -> None:
    technician = _technician()
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(technician, secret)
    response = _sign_in(client)
    assert response.url.startswith("/accounts/2fa/authenticate/")
    assert client.get("/admin/queue/").status_code == 302
    assert client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    code = totp.format_hotp_value(
        totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time())))
    )
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
    assert client.get("/admin/queue/").status_code == 200


def test_the_second_factors_secret_is_not_readable_in_the_database() -> None:
    technician = _technician()
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(technician, secret)
    kept = Authenticator.objects.get(user=technician, type=Authenticator.Type.TOTP)
    assert secret not in str(kept.data)
    assert kept.wrap().validate_code(
        totp.format_hotp_value(
            totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time())))
        )
    )


def test_nobody_signs_up(client: Client) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")
    assert client.get("/accounts/signup/").status_code == 404


def test_a_disabled_technician_is_out_at_once(client: Client) -> None:
    technician = _technician()
    _sign_in(client)
    assert client.get("/admin/queue/").status_code == 200
    actions.set_active(technician, is_active=False)
    assert client.get("/admin/queue/").status_code == 302


def test_signing_out_ends_the_session(client: Client) -> None:
    _technician()
    _sign_in(client)
    assert client.get("/admin/logout/").status_code == 405
    assert client.post("/admin/logout/").url == "/accounts/login/"
    assert client.get("/admin/queue/").status_code == 302


def test_the_command_makes_a_technician_who_can_sign_in(client: Client, tenant) -> None:
    out = io.StringIO()
    call_command(
        "technician", "create", "tom", "--role=technician", f"--tenant={tenant.slug}", stdout=out
    )
    password = out.getvalue().rsplit(": ", 1)[1].strip()
    assert _sign_in(client, "tom", password).status_code == 302
    made = Technician.objects.get(username="tom")
    assert (made.role, made.sees_all_tenants, list(made.tenants.all())) == (
        "technician",
        False,
        [tenant],
    )


def test_the_command_reads_a_password_and_refuses_a_weak_one(monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="at least 12 characters"):
        call_command("technician", "create", "tom", password_stdin=True)
    assert not Technician.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "mira"], "already"),
        (["create", "tom", "--tenant", "nobody"], "There is no client nobody"),
        (["password", "nobody"], "There is no technician 'nobody'"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], said: str) -> None:
    _technician()
    with pytest.raises(CommandError, match=said):
        call_command("technician", *arguments)


def test_a_lost_second_factor_is_removed(client: Client) -> None:
    totp.TOTP.activate(_technician(), totp.generate_totp_secret())
    call_command("technician", "reset-mfa", "mira", stdout=io.StringIO())
    assert _sign_in(client).url == "/admin/"


def test_an_api_key_is_shown_once_kept_as_a_hash_and_revoked() -> None:
    out = io.StringIO()
    call_command("apikey", "create", "billing", "--scope=licensing:read", stdout=out)
    key = out.getvalue().strip()
    row = ApiKey.objects.get(name="billing")
    assert row.sha256 == ApiKey.hash(key)
    assert key not in (row.name, row.prefix, row.sha256)
    call_command("apikey", "revoke", "billing", stdout=io.StringIO())
    row.refresh_from_db()
    assert row.revoked_at is not None
