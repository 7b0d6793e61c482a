"""A domain of the client as an item of the directory: what protects it, and what leads nowhere."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.connectors.dns.normalise import mail, spf
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, SourceRecord

_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_STATUSES = frozenset({"found", "empty", "no_name", "failed"})


def normalise(record: SourceRecord) -> DirectoryItem:
    """One domain with everything that was asked of it."""
    refused = record.context.get("quarantine")
    if isinstance(refused, Mapping):
        raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
    fields = Fields(record.body)
    domain = fields.essential("domain", what="record").lower().rstrip(".")
    if not _DOMAIN.fullmatch(domain):
        raise Quarantine("bad_domain", f"{domain[:80]!r} is no domain.")
    answers = _answers(fields)
    parents = _parents(domain)
    texts = spf.texts_of(answers)
    servers = mail.mx(domain, answers)
    takes_mail = servers["is_present"] and not servers["takes_no_mail"]
    hosts = [one["host"] for one in servers["hosts"]] if takes_mail else []
    checks = {
        "spf": spf.read(domain, texts),
        "dkim": mail.dkim(domain, fields.texts("selectors"), texts),
        "dmarc": mail.dmarc(parents, texts),
        "mx": servers,
        "mta_sts": mail.mta_sts(domain, texts, fields.texts("mta_sts_policy"), hosts),
        "tls_reports": mail.tls_reports(domain, texts),
        "caa": _caa(parents, answers),
    }
    if not takes_mail:
        # Nobody sends mail there, so nobody needs to encrypt on the way.
        for name in ("mta_sts", "tls_reports"):
            checks[name]["problems"] = []
    dangling = _dangling(domain, answers)
    problems = [f"{name}.{one}" for name, told in checks.items() for one in told["problems"]]
    return DirectoryItem(
        kind="domain",
        external_id=domain,
        name=domain,
        is_deleted=answers.get(f"{domain} MX", {}).get("status") == "no_name",
        attributes={
            **checks,
            "name_servers": list(answers.get(f"{domain} NS", {}).get("values", [])),
            "dangling": dangling,
            "problems": problems + [f"dangling.{one['name']}" for one in dangling],
        },
    )


def _answers(fields: Fields) -> dict[str, Any]:
    """The answers; Quarantine where one is not of the form that the feed writes."""
    told = fields.nested("answers").body
    if not told:
        raise Quarantine("no_answers", "The record holds no answers of a name server.")
    for key, answer in told.items():
        good = isinstance(answer, Mapping) and answer.get("status") in _STATUSES
        values = answer.get("values", []) if isinstance(answer, Mapping) else None
        is_list = isinstance(values, list) and all(isinstance(one, str) for one in values)
        if not good or not is_list or not _is_readable(key, values):
            raise Quarantine("bad_answer", f"The answer to {str(key)[:80]!r} can't be read.")
    return dict(told)


def _is_readable(key: str, values: Any) -> bool:
    if key.endswith(" MX"):
        return all(re.fullmatch(r"\d{1,5} \S+", one) for one in values)
    return " " in key


def _parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def _caa(parents: Sequence[str], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Who may issue certificates: of the nearest name with such records (RFC 8659)."""
    for parent in parents:
        values = answers.get(f"{parent} CAA", {}).get("values", [])
        if values:
            told = [value.split(" ", 2) for value in values if value.count(" ") >= 2]
            by_tag: dict[str, list[str]] = {}
            for _, tag, value in told:
                by_tag.setdefault(tag.lower(), []).append(value)
            return {
                "is_present": True,
                "issue": by_tag.get("issue", []),
                "issue_wildcard": by_tag.get("issuewild", []),
                "reports_to": by_tag.get("iodef", []),
                "inherited_from": parent if parent != parents[0] else "",
                "problems": [] if "issue" in by_tag else ["anybody_issues"],
            }
    return {"is_present": False, "problems": ["missing"]}


def _dangling(domain: str, answers: Mapping[str, Any]) -> list[dict[str, str]]:
    """Records that lead to names that don't exist: whoever registers those takes the name over."""
    found = []
    for key, answer in answers.items():
        name, _, kind = key.rpartition(" ")
        if kind not in ("CNAME", "MX", "NS") or not (name == domain or name.endswith(f".{domain}")):
            continue
        for value in answer.get("values", []):
            target = value.rpartition(" ")[2]
            if answers.get(f"{target} A", {}).get("status") == "no_name":
                found.append({"name": name, "type": kind, "target": target})
    return found
