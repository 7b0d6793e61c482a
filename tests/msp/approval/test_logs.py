"""The token of a client's link stands in no log: not ours, not a server's, at no level."""

import io
import logging
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client

from msp.approval.hidden import configure_logging
from playbooks.ladder import client_links
from playbooks.models import ClientLink
from tenants import scope
from tests.conftest import new_tenant
from tests.journeys.processes import Processes, wait_until
from tests.msp.approval.conftest import Asked, ask

TOKEN = client_links.token(ClientLink(tenant_id=uuid.uuid4()))
PATH = f"/approve/{TOKEN}/"


class ServersOwn(dict[str, Any]):
    """As gunicorn keeps what it logs: every name has an answer."""

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name in self else "-"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A log of some server: its own handler, on a logger of its own that passes nothing on."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("some.server")
    logger.addHandler(handler)
    logger.propagate, logger.level = False, 1
    yield written
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        (f"GET {PATH}?x=1", (), "GET /approve/…/?x=1"),
        ('"%s %s" %d', ("GET", PATH, 200), '"GET /approve/…/" 200'),
        ("%s", ({"path": PATH, "raw_path": PATH.encode()},), "/approve/…/"),
        ("%(r)s %(missing)s", (ServersOwn(r=f"GET {PATH}"),), "GET /approve/…/ -"),
        ("next=%s", (f"%2Fapprove%2F{TOKEN}%2F",), "next=%2Fapprove%2F…%2F"),
        ("the link %s", (TOKEN,), "the link …"),
        ("%s", (f"/approve/{TOKEN[:20]}",), "/approve/…"),
        (ValueError(PATH), (), "/approve/…/"),
        ("nothing to hide: %s, %5.1f", ("/admin/queue/", 1.25), "/admin/queue/,   1.2"),
    ],
)
def test_whoever_logs_it_in_whatever_way(log, message, arguments, shown) -> None:
    logging.getLogger("some.server").log(5, message, *arguments)
    assert shown in log.getvalue()
    assert TOKEN[:20] not in log.getvalue()


def test_an_error_that_names_it_is_told_without_it(log) -> None:
    try:
        raise RuntimeError(f"no route to {PATH}")
    except RuntimeError:
        logging.getLogger("some.server").exception("failed")
    assert "RuntimeError: no route to /approve/…/" in log.getvalue()
    assert TOKEN not in log.getvalue()


def test_setting_it_up_again_changes_nothing(log) -> None:
    before = logging.getLogRecordFactory()
    configure_logging({"version": 1, "incremental": True})
    assert logging.getLogRecordFactory() is before


@pytest.mark.django_db
def test_what_django_refuses_is_logged_without_it(tenant, caplog) -> None:
    asked = ask(tenant)
    with caplog.at_level(logging.DEBUG):
        Client(enforce_csrf_checks=True).post(asked.path, {})
        Client().get(f"{asked.path}nothing/")
    assert "/approve/…/" in caplog.text
    assert asked.path.split("/")[2] not in caplog.text


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.close()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _open_and_answer(address: str, asked: Asked) -> None:
    with httpx.Client(base_url=address, headers={"Referer": f"{address}{asked.path}"}) as browser:
        assert browser.get(asked.path).status_code == 200
        form = {"decision": "approve", "name": "Olive", "sha256": asked.plan.sha256}
        # Refused without the form's own token, and then taken.
        assert browser.post(asked.path, data=form).status_code == 403
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        assert browser.post(asked.path, data=form).status_code == 200
        assert browser.get(asked.path).status_code == 404


@pytest.mark.process
@pytest.mark.parametrize("options", [(), ("--log-level", "trace")])
def test_a_real_server_logs_the_requests_without_it(
    committed_database, processes, tmp_path, options
) -> None:
    asked = ask(new_tenant("acme"))
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    processes.web(port, *options)
    wait_until(lambda: _answers(address), 60, lambda: processes.log("web"))
    _open_and_answer(address, asked)
    written = processes.log("web")
    assert '"GET /approve/…/ HTTP/1.1" 200' in written
    assert '"POST /approve/…/ HTTP/1.1" 403' in written
    assert asked.path.split("/")[2] not in written
    with scope.tenant(asked.tenant.id):
        assert ClientLink.objects.get().used_at is not None
