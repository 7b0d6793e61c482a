"""Updates of Debian's and Ubuntu's packages: what apt would install, and what was installed."""

import re
from collections.abc import Iterator
from typing import Any

from integrations.managed.computers import Update
from integrations.values import Fields
from tenants.records import DirectoryItem

# apt-get -s: Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])
_PENDING = re.compile(r"Inst (\S+) (?:\[([^\]]*)\] )?\((\S+) ?([^)]*)\)")
# dpkg.log: 2026-11-20 10:00:00 upgrade openssl:amd64 3.0.1 3.0.2
_DONE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) upgrade (\S+?)(?::\S+)? (\S+) (\S+)")


def manager_of(report: Fields) -> str:
    """The host's package manager: apt, or other."""
    lines = report.texts("state")
    found = (line.partition(" ")[2] for line in lines if line.startswith("manager "))
    return next(found, "")


def rows_of(report: Fields) -> Iterator[dict[str, Any]]:
    """Each update that a host's report tells of; one that only adds a package is none."""
    for line in report.texts("state"):
        pending, done = _PENDING.match(line), _DONE.match(line)
        if pending and pending[2]:
            yield {
                "package": pending[1], "current": pending[2], "candidate": pending[3],
                "origin": pending[4], "state": "pending",
                "is_security": "-security" in pending[4].lower(),
            }  # fmt: skip
        elif done:
            yield {
                "package": done[2], "current": done[3], "candidate": done[4],
                "state": "installed", "installed_at": done[1],
            }  # fmt: skip


def pending_of(report: Fields) -> list[Fields]:
    """The updates that the host lacks."""
    return [Fields(row) for row in rows_of(report) if row["state"] == "pending"]


def _title(fields: Fields) -> str:
    return f"{fields.text('package')} {fields.text('current')} → {fields.text('candidate')}"


def update(fields: Fields) -> Update:
    """An update as questions see it: what apt offers may be installed."""
    return Update(
        external_id=fields.text("package"),
        name=fields.text("package"),
        title=_title(fields),
        state="approved" if fields.word("state") == "pending" else "installed",
        severity="security" if fields.truth("is_security") else "",
        category=fields.text("origin"),
    )


def patch(fields: Fields) -> DirectoryItem:
    """An update of one host, as the directory keeps it below the host."""
    name, package = fields.essential("host", what="update"), fields.essential(
        "package", what="update"
    )  # fmt: skip
    is_pending = fields.word("state") == "pending"
    return DirectoryItem(
        kind="patch",
        external_id=f"{name}:{package}",
        name=package,
        parent=name,
        attributes={
            "title": _title(fields),
            "state": "approved" if is_pending else "installed",
            "vendor_status": fields.text("state"),
            "severity": "security" if fields.truth("is_security") else "",
            "category": fields.text("origin"),
            "installed_at": None if is_pending else fields.time("installed_at"),
        },
    )
