"""A real name server is asked: what it tells of good and bad domains, and when it fails."""

import dataclasses

import pytest

from integrations.connectors.dns.client import DnsClient, connect
from integrations.connectors.dns.feeds import domains
from integrations.connectors.dns.manifest import MANIFEST
from integrations.errors import ConnectionMisconfigured, Rejected, Unavailable
from tests.integrations.conformance.subject import QUICK
from tests.integrations.dns.subject import DOMAINS, SUBJECT

POLICY = ["version: STSv1", "mode: enforce", "mx: *.good.test", "max_age: 604800"]


@pytest.fixture
def vendor(tmp_path):
    """The name server."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor):
    """A client of it; the web server is tried in test_policy.py."""
    connected = vendor.connect()
    connected.policy = lambda domain: POLICY if domain == "good.test" else []
    yield connected
    connected.close()


def read(client: DnsClient) -> dict[str, dict]:
    feed = MANIFEST.feed("domains")
    found = [feed.normalise(record) for page in domains(client, {}) for record in page.records]
    assert [item.kind for item in found] == ["domain"] * len(found)
    return {item.external_id: dict(item.attributes) for item in found}


def test_a_well_kept_domain_has_no_problem_but_a_short_key(client) -> None:
    told = read(client)["good.test"]
    assert told["problems"] == ["dkim.short_key"]
    assert (told["spf"]["default"], told["spf"]["lookups"]) == ("fail", 2)
    assert (told["dmarc"]["policy"], told["dmarc"]["subdomain_policy"]) == ("reject", "quarantine")
    assert [(one["selector"], one["bits"]) for one in told["dkim"]["keys"]] == [
        ("selector1", 2048), ("custom", 1024),
    ]  # fmt: skip
    assert [one["host"] for one in told["mx"]["hosts"]] == ["mx1.good.test", "mx2.good.test"]
    assert (told["mta_sts"]["mode"], told["mta_sts"]["max_age_seconds"]) == ("enforce", 604800)
    assert told["caa"]["issue"] == ["letsencrypt.org"]
    assert told["name_servers"] == ["ns.root"]


def test_an_open_domain_shows_each_problem(client) -> None:
    told = read(client)["open.test"]
    assert set(told["problems"]) >= {
        "spf.several_records", "dmarc.only_watches", "dmarc.no_reports", "dkim.all_revoked",
        "mx.host_without_address", "mta_sts.missing", "caa.missing",
    }  # fmt: skip
    assert {(one["name"], one["type"], one["target"]) for one in told["dangling"]} == {
        ("shop.open.test", "CNAME", "deleted.cloud.test"),
        ("events.open.test", "CNAME", "gone-too.cloud.test"), ("open.test", "MX", "mx.gone.test"),
    }  # fmt: skip


def test_a_parked_domain_and_one_below_another(client) -> None:
    found = read(client)
    parked = found["parked.test"]
    assert parked["mx"]["takes_no_mail"] is True
    assert set(parked["problems"]) == {
        "dkim.missing", "dmarc.not_for_all_mail", "dmarc.no_reports", "caa.missing",
    }  # fmt: skip
    below = found["below.good.test"]
    assert (below["dmarc"]["policy"], below["dmarc"]["inherited_from"]) == (
        "quarantine", "good.test",
    )  # fmt: skip
    assert below["caa"]["inherited_from"] == "good.test"


def test_a_domain_whose_name_servers_fail_holds_up_no_other(vendor, client) -> None:
    vendor.fault("server_error", path=r"(^|[ .])open\.test$")
    found = read(client)
    assert set(found) == set(DOMAINS)
    assert found["good.test"]["problems"] == ["dkim.short_key"]
    asked = [one["path"] for one in vendor.requests(path="^MX open.test$")]
    assert len(asked) == QUICK.repeats + 1


def test_a_domain_that_is_gone_is_marked(vendor) -> None:
    gone = vendor.connect(domains="gone.test, good.test")
    feed = MANIFEST.feed("domains")
    items = [feed.normalise(one) for page in domains(gone, {}) for one in page.records]
    assert [(item.external_id, item.is_deleted) for item in items] == [
        ("gone.test", True), ("good.test", False),
    ]  # fmt: skip
    with pytest.raises(Rejected, match=r"gone\.test"):
        MANIFEST.canary(gone)
    gone.close()


def test_a_silent_name_server_is_told_and_asked_again_later(vendor) -> None:
    vendor.fault("drop_before_effect", path="^MX ")
    hasty = vendor.connect(dataclasses.replace(QUICK, read=0.2, repeats=1))
    with pytest.raises(Unavailable, match="does not answer"):
        read(hasty)
    assert len(vendor.requests(path="^MX ")) == 2
    hasty.close()


def test_a_refusing_name_server_needs_a_person(vendor, client) -> None:
    vendor.fault("refuse", path="^TXT ")
    with pytest.raises(Rejected, match="refuses to answer"):
        read(client)


def test_a_long_answer_comes_by_tcp(vendor) -> None:
    small = vendor.connect()
    found = small.ask("selector1._domainkey.good.test", "TXT")
    assert len(found.values[0]) > 390
    assert small.ask("good.test", "MX").values == ("10 mx1.good.test", "20 mx2.good.test")
    small.close()


def test_each_question_is_asked_once(vendor, client) -> None:
    read(client)
    of_good = [one["path"] for one in vendor.requests() if one["path"].endswith(" good.test")]
    assert sorted(of_good) == sorted(set(of_good)) or of_good.count("CAA good.test") == 2
    assert len(vendor.requests()) < 250


@pytest.mark.parametrize(
    ("settings", "named"),
    [({}, "domains"), ({"domains": "localhost"}, "domains"),
     ({"domains": "a b.c_d-.test"}, "domains"),
     ({"domains": "x" * 64 + ".test"}, "domains"),
     ({"domains": "a.test", "names": "www"}, "names"),
     ({"domains": "a.test", "resolver": "http://9.9.9.9/"}, "resolver"),
     ({"domains": ",".join(f"d{n}.test" for n in range(201))}, "domains")],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(settings, named) -> None:
    with pytest.raises(ConnectionMisconfigured, match=named):
        connect({"resolver": "9.9.9.9", **settings}, {})


def test_names_in_other_letters_are_written_as_dns_does() -> None:
    made = connect({"domains": "Bücher.example; ACME.example", "resolver": "9.9.9.9"}, {})
    assert made.domains == ("xn--bcher-kva.example", "acme.example")
    made.close()
