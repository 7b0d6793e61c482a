"""A client's chat channel is kept once a message got there; its address is shown to nobody."""

import pytest
from django.db import connection

from msp.staff.models import Role
from playbooks.models import ChatChannel
from playbooks.questions import chat_channels
from tenants import scope
from tests.msp.notifications.chat_server import chat_server

pytestmark = pytest.mark.django_db
SECRET = "verysecret"


@pytest.fixture
def server(settings):
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    settings.REQUIRE_MFA = False
    with chat_server() as made:
        yield made


def test_an_administrator_sets_it_and_nobody_sees_the_address(browser, rows, server) -> None:
    web = browser(Role.ADMIN)
    address = f"/admin/clients/{rows.tenant.slug}/chat/"
    told = {"kind": "teams", "name": "Security", "url": server.url}
    server.status = 404
    assert "refused the message" in web.post(address, told).content.decode()
    with scope.tenant(rows.tenant.id):
        assert not ChatChannel.objects.exists()
    server.status = 202
    page = web.post(address, told, follow=True).content.decode()
    assert "the channel is kept" in page
    assert "Microsoft Teams channel Security" in page
    assert SECRET not in page
    with scope.tenant(rows.tenant.id):
        assert chat_channels.address() == server.url
        with connection.cursor() as cursor:
            cursor.execute("SELECT s::text FROM tenants_secret s")
            assert SECRET not in str(cursor.fetchall())
    web.post(address, {"remove": "1"})
    with scope.tenant(rows.tenant.id):
        assert chat_channels.of_client() is None
        assert chat_channels.address() == ""
