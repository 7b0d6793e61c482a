"""The commands for sources: their address and key, and files of the same forms."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integrations import connections, inbound
from integrations.models import Connection
from tenants import scope
from tenants.models import Event, Finding, RawRecord

MAPPING = {"uid": "id", "time": "at", "title": "what"}
RECORD = {"id": "1", "at": "2026-01-01T00:00:00Z", "what": "w"}


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def told(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"address +(\S+)\nsigning key +(whsec_\S+)\n", text)
    assert found, text
    return found[1], found[2]


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(MAPPING))
    return path


def taken(tenant, path, feed: str, *more: str) -> dict:
    return json.loads(
        run("intake", str(path), "--tenant", tenant.slug, "--connector", "webhook", "--feed", feed,
            "--json", *more)
    )  # fmt: skip


def test_a_source_is_made_shown_and_gets_a_new_key(tenant, mapping, settings) -> None:
    settings.PUBLIC_URL = "https://holdfast.example"
    address, key = told(
        run("webhook", "create", tenant.slug, "app", "--feed", "json", "--mapping", str(mapping))
    )
    with scope.tenant(tenant.id):
        row = Connection.in_scope().get(name="app")
        assert address == connections.door(row)
        assert (inbound.key_of(row), row.settings["feed"]) == (key, "json")
    assert address.startswith("https://holdfast.example/api/v1/in/")
    assert told(run("webhook", "show", tenant.slug, "app")) == (address, key)
    again = told(run("webhook", "renew-key", tenant.slug, "app"))
    assert again[0] == address
    assert again[1] != key
    assert told(run("webhook", "show", tenant.slug, "app")) == again


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("create", "app", "--feed", "xml"), "ocsf, cef, syslog, json"),
     (("create", "app", "--feed", "json", "--mapping", "/nowhere"), "can't be read"),
     (("create", "app", "--feed", "syslog", "--time-zone", "Mars"), "time_zone"),
     (("show", "app"), "no source 'app'"), (("renew-key", "app"), "none yet")],
)  # fmt: skip
def test_what_can_not_be_done_is_said(tenant, arguments, named) -> None:
    verb, name, *more = arguments
    with pytest.raises(CommandError, match=named):
        run("webhook", verb, tenant.slug, name, *more)


def test_a_name_is_given_once(tenant) -> None:
    run("webhook", "create", tenant.slug, "app", "--feed", "cef")
    with pytest.raises(CommandError, match="already"):
        run("webhook", "create", tenant.slug, "app", "--feed", "syslog")


def test_files_of_lines_are_taken_in_once(tenant, tmp_path) -> None:
    path = tmp_path / "messages"
    path.write_bytes(
        b"<34>Oct 11 22:14:15 host su: x\n<13>no time\n\xff\nnothing\n"
        b"CEF:0|A|B|1|2|n|9|rt=1764064800000\n"
    )
    found = taken(tenant, path, "syslog")
    assert [found[one] for one in ("records", "events", "findings", "quarantined")] == [5, 2, 1, 2]
    again = taken(tenant, path, "syslog")
    assert (again["duplicates"], again["records"]) == (5, 5)
    # The same file through the other feed: what is CEF is the same alert there.
    found = taken(tenant, path, "cef")
    assert (found["findings"], found["quarantined"], found["duplicates"]) == (0, 2, 3)
    with scope.tenant(tenant.id):
        assert Finding.objects.get().title == "n"
        assert Event.objects.count() == 2


def test_json_is_read_by_the_mapping_of_the_connection(tenant, tmp_path, mapping) -> None:
    path = tmp_path / "records.ndjson"
    path.write_text(json.dumps(RECORD) + "\n" + json.dumps({"id": "2"}) + "\n")
    assert taken(tenant, path, "json")["quarantined"] == 2
    create = ("webhook", "create", tenant.slug)
    run(*create, "app", "--feed", "json", "--mapping", str(mapping))
    found = taken(tenant, path, "json")
    # What still can't be read is in quarantine already.
    assert (found["findings"], found["duplicates"]) == (1, 1)
    with scope.tenant(tenant.id):
        assert sorted(RawRecord.objects.values_list("reason_code", flat=True)) == [
            "", "no_mapping", "no_mapping",
        ]  # fmt: skip
    run(*create, "other", "--feed", "json")
    with pytest.raises(CommandError, match="--connection: app, other"):
        taken(tenant, path, "json")
    assert taken(tenant, path, "json", "--connection", "app")["duplicates"] == 2
    with pytest.raises(CommandError, match="no webhook connection 'x'"):
        taken(tenant, path, "json", "--connection", "x")


def test_ocsf_files_are_taken_in(tenant, tmp_path) -> None:
    path = tmp_path / "ocsf.json"
    event = {"class_uid": 3002, "activity_id": 1, "severity_id": 1, "time": 1764064800000,
             "metadata": {"version": "1.8.0", "uid": "e1"}}  # fmt: skip
    path.write_text(json.dumps([event, {"class_uid": 1}]))
    found = taken(tenant, path, "ocsf")
    assert (found["events"], found["quarantined"]) == (1, 1)
