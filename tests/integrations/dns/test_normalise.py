"""What records mean: SPF, DMARC, DKIM, MTA-STS, and what can't be read."""

import pytest

from integrations.connectors.dns.manifest import MANIFEST
from integrations.connectors.dns.normalise import mail, spf
from tenants.errors import Quarantine
from tenants.records import SourceRecord
from tests.integrations.dns.subject import key


def problems(record: str, **others) -> list[str]:
    return spf.read("a.test", lambda name: (record,) if name == "a.test" else
                    tuple(others.get(name.replace(".", "_"), ())))["problems"]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "found"),
    [("v=spf1 -all", []), ("v=spf1 ~all", []), ("v=spf1 all", ["allows_everybody"]),
     ("v=spf1 ?all", ["no_default"]), ("v=spf1 mx", ["no_default"]),
     ("v=spf1 ptr -all", ["uses_ptr"]), ("V=SPF1 MX -ALL", []),
     ("v=spf1 include:b.test -all", ["include_without_record"]), ("v=spf10 -all", ["missing"]),
     ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:x.test/24 -all", [])],
)  # fmt: skip
def test_spf(record, found) -> None:
    assert problems(record) == found


def test_spf_counts_look_ups_through_includes_and_ends_in_circles() -> None:
    many = "v=spf1 " + " ".join(f"a:h{n}.test" for n in range(11)) + " -all"
    assert problems(many) == ["too_many_lookups"]
    told = {"a.test": "v=spf1 include:b.test -all", "b.test": "v=spf1 include:a.test a mx ~all"}
    found = spf.read("a.test", lambda name: (told[name],) if name in told else ())
    assert found["lookups"] == 4
    told = {"a.test": "v=spf1 redirect=b.test", "b.test": "v=spf1 redirect=a.test"}
    assert spf.read("a.test", lambda name: (told[name],))["default"] == ""
    told["b.test"] = "v=spf1 -all"
    assert spf.read("a.test", lambda name: (told[name],))["default"] == "fail"


@pytest.mark.parametrize(
    ("record", "found"),
    [("v=DMARC1; p=reject; rua=mailto:x@a.test", []),
     ("v=DMARC1;p=none;rua=mailto:x@a.test", ["only_watches"]),
     ("v=DMARC1; p=quarantine; pct=20; rua=mailto:x@a.test", ["not_for_all_mail"]),
     ("v=DMARC1; p=reject; sp=none; rua=mailto:x@a.test", ["subdomains_open"]),
     ("v=DMARC1; p=rejected", ["no_policy", "no_reports"]), ("v=DMARC2; p=reject", ["missing"])],
)  # fmt: skip
def test_dmarc(record, found) -> None:
    told = mail.dmarc(["a.test"], lambda name: (record,) if name == "_dmarc.a.test" else ())
    assert told["problems"] == found


@pytest.mark.parametrize(
    ("record", "found", "bits"),
    [(f"v=DKIM1; p={key(2048)}", [], 2048), (f"k=rsa; p={key(1024)}", ["short_key"], 1024),
     ("v=DKIM1; k=ed25519; p=" + "A" * 43 + "=", [], 256),
     ("v=DKIM1; p=", ["all_revoked"], 0), ("v=DKIM1; p=AAAA", ["unreadable_key"], 0),
     (f"v=DKIM1; t=y:s; p={key(2048)}", ["only_tests"], 2048), ("v=DKIM2; p=x", ["missing"], None)],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_dkim(record, found, bits) -> None:
    told = mail.dkim("a.test", ["s"], lambda name: (record,))
    assert told["problems"] == found
    assert [one["bits"] for one in told["keys"]] == ([] if bits is None else [bits])


@pytest.mark.parametrize(
    ("policy", "found"),
    [(["version: STSv1", "mode: enforce", "mx: mx.a.test", "max_age: 86400"], []),
     (["version: STSv1", "mode: testing", "mx: *.a.test", "max_age: 86400"], ["not_enforced"]),
     (["version: STSv1", "mode: enforce", "mx: *.b.test", "max_age: 86400"], ["host_not_covered"]),
     (["version: STSv1", "mode: enforce", "mx: mx.a.test", "max_age: 60"], ["short_age"]),
     ([], ["no_policy"]), (["<html>"], ["no_policy"])],
)  # fmt: skip
def test_mta_sts(policy, found) -> None:
    told = mail.mta_sts("a.test", lambda name: ("v=STSv1; id=1",), policy, ["mx.a.test"])
    assert told["problems"] == found


def answer(*values: str, status: str = "found") -> dict:
    return {"status": status, "values": list(values)}


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "missing_id"), ({"domain": "a.test"}, "no_answers"),
     ({"domain": "nowhere"}, "bad_domain"),
     ({"domain": "a.test", "answers": {"a.test MX": "x"}}, "bad_answer"),
     ({"domain": "a.test", "answers": {"a.test MX": answer("ten mx")}}, "bad_answer"),
     ({"domain": "a.test", "answers": {"a.test MX": answer(status="odd")}}, "bad_answer"),
     ({"domain": "a.test", "answers": {"x": answer()}}, "bad_answer")],
    ids=str,
)  # fmt: skip
def test_what_can_not_be_read_is_quarantined(body, code) -> None:
    with pytest.raises(Quarantine) as caught:
        MANIFEST.feed("domains").normalise(SourceRecord(body))
    assert caught.value.code == code
    assert caught.value.reason.endswith(".")


def test_what_is_not_known_is_not_called_dangling() -> None:
    body = {"domain": "a.test", "answers": {
        "a.test MX": answer("10 mx.b.test"), "mx.b.test A": answer(status="failed"),
        "www.a.test CNAME": answer("x.c.test"), "x.c.test A": answer(status="empty"),
        "x.c.test AAAA": answer(status="empty"),
    }}  # fmt: skip
    told = MANIFEST.feed("domains").normalise(SourceRecord(body)).attributes
    assert told["dangling"] == []
    assert told["mx"]["hosts"][0]["resolves"] is None
    assert "mx.host_without_address" not in told["problems"]
