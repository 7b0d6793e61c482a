"""Questions about what an account did: sign-ins, prompts, changes, risk, files."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from integrations import bursts
from integrations.connectors.google_workspace import audit, scopes
from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.connectors.google_workspace.gatherers.words import (
    ago,
    iso,
    newest_first,
    now,
    recent_since,
)
from integrations.connectors.google_workspace.normalise.activity import Activity
from integrations.connectors.google_workspace.normalise.alerts import alert as alert_of
from integrations.contract import Json, Target
from integrations.values import Fields

_MOST = 1000
# Of files: how far back is looked, what is usual before that, and fewer are never unusual.
_LONGEST, _USUAL, _FEW = dt.timedelta(days=14), dt.timedelta(days=28), 10
_TRIES = frozenset({"login_success", "login_failure"})
_WARNINGS = frozenset(
    {"suspicious_login", "suspicious_login_less_secure_app", "suspicious_programmatic_login"}
)
# A warning belongs to the sign-in of about the same moment.
_SAME = dt.timedelta(minutes=5)
_REGISTERED = frozenset(
    {"2sv_enroll", "passkey_enrolled", "recovery_email_edit", "recovery_phone_edit"}
)
_SOURCES = 5
_LEVELS = {5: "high", 4: "high", 3: "medium", 2: "low"}


def _logins(client: WorkspaceClient, target: Target, since: dt.datetime) -> list[Activity]:
    return audit.events(client, "login", since, user=target.external_id, most=_MOST)


def _warnings(client: WorkspaceClient, target: Target, since: dt.datetime) -> list[Activity]:
    """Google's own warnings about the account; in these Google is the actor."""
    mail = client.address(target.external_id)
    found: list[Activity] = []
    for name in sorted(_WARNINGS):
        found += audit.events(
            client, "login", since, eventName=name, filters=f"affected_email_address=={mail}"
        )
    return found


def _sign_ins(
    client: WorkspaceClient, target: Target, since: dt.datetime
) -> tuple[list[dict[str, Any]], bool]:
    """The account's sign-ins, newest first, and whether those are all."""
    events = _logins(client, target, since)
    warned = [event.time for event in _warnings(client, target, since)]
    tries = [event for event in events if event.name in _TRIES]
    return [_sign_in(event, warned) for event in tries], len(events) < _MOST


def _sign_in(event: Activity, warned: Iterable[dt.datetime]) -> dict[str, Any]:
    is_near = any(abs(event.time - at) <= _SAME for at in warned)
    methods = [m for m in event.parameters.texts("login_challenge_method") if m != "none"]
    is_suspicious = bool(event.parameters.truth("is_suspicious")) or is_near
    return {
        "id": event.uid,
        "time": iso(event.time),
        "ip": event.ip,
        "country": event.country,
        "city": "",
        "app": "Google Workspace",
        "client": event.parameters.text("login_type"),
        "device": "",
        "is_success": event.name == "login_success",
        "risk_level": "high" if is_suspicious else "",
        "is_anonymised": False,
        "is_suspicious": is_suspicious,
        "mfa": ", ".join(methods),
    }


@dataclass(frozen=True, slots=True)
class ListSignIns:
    """The account's sign-ins, with the usual countries and what stands out."""

    name: str = "identity.list_sign_ins"
    permissions: tuple[str, ...] = (scopes.AUDIT, scopes.USERS_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return sign-ins of the last `days` (14), newest first, at most 1,000.

        Google tells a sign-in's country since 2025 only; where it doesn't, none is counted.
        """
        seen, is_complete = _sign_ins(client, target, ago(inputs, "days", 14, most=180))
        recent = iso(recent_since(inputs)) or ""
        good = [s for s in seen if s["is_success"] and s["country"]]
        usual = {s["country"] for s in good if s["time"] < recent and not s["is_suspicious"]}
        lately = {s["country"] for s in good if s["time"] >= recent}
        suspicious = [s for s in seen if s["is_suspicious"]]
        return {
            "sign_ins": seen,
            "countries": sorted(usual),
            "unusual_countries": sorted(lately - usual),
            "count": len(seen),
            "suspicious_successes": sum(1 for s in suspicious if s["is_success"]),
            "first_suspicious_at": min((s["time"] for s in suspicious), default=None),
            "is_complete": is_complete,
        }


@dataclass(frozen=True, slots=True)
class ListPrompts:
    """Requests to confirm a sign-in."""

    name: str = "identity.list_mfa_prompts"
    permissions: tuple[str, ...] = (scopes.AUDIT,)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return the challenges of the last two days, newest first."""
        events = _logins(client, target, recent_since(inputs))
        prompts = [_prompt(event) for event in events if event.name == "login_challenge"]
        oldest_first = [prompt["is_passed"] for prompt in reversed(prompts)]
        first_denial = oldest_first.index(False) if False in oldest_first else len(oldest_first)
        return {
            "prompts": prompts,
            "count": len(prompts),
            "denied": sum(1 for passed in oldest_first if passed is False),
            "approved_after_denials": True in oldest_first[first_denial:],
        }


def _prompt(event: Activity) -> dict[str, Any]:
    status = event.parameters.word("login_challenge_status")
    is_passed = "passed" in status if "passed" in status or "failed" in status else None
    return {
        "time": iso(event.time),
        "method": ", ".join(event.parameters.texts("login_challenge_method")),
        "is_passed": is_passed,
        "ip": event.ip,
        "country": event.country,
    }


@dataclass(frozen=True, slots=True)
class ListSourceActivity:
    """What else the addresses of the account's suspicious or failed sign-ins tried."""

    name: str = "identity.list_source_activity"
    permissions: tuple[str, ...] = (scopes.AUDIT, scopes.USERS_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return what the (at most five) addresses of the last seven days did."""
        since = now() - dt.timedelta(days=7)
        seen, _ = _sign_ins(client, target, since)
        strange = [s["ip"] for s in seen if s["ip"] and (s["is_suspicious"] or not s["is_success"])]
        sources = list(dict.fromkeys(strange))[:_SOURCES]
        tries = [
            event
            for ip in sources
            for event in audit.events(client, "login", since, actorIpAddress=ip)
            if event.name in _TRIES
        ]
        good = {event.actor for event in tries if event.name == "login_success"}
        return {
            "sources": sources,
            "accounts_tried": len({event.actor for event in tries}),
            "accounts_succeeded": len(good),
            "failures": sum(1 for event in tries if event.name == "login_failure"),
        }


@dataclass(frozen=True, slots=True)
class ListRiskDetections:
    """What Google itself warns of about the account."""

    name: str = "identity.list_risk_detections"
    permissions: tuple[str, ...] = (scopes.ALERTS, scopes.AUDIT, scopes.USERS_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return the warnings and alerts of the last `days` (30).

        Google rates alerts, not accounts: the account's risk is that of its worst open alert.
        """
        since = ago(inputs, "days", 30, most=90)
        mail = client.address(target.external_id).lower()
        collection = client.alerts.alerts()
        request = collection.list(
            filter=f'createTime >= "{audit.rfc3339(since)}"',
            orderBy="create_time desc", pageSize=100,
        )  # fmt: skip
        told = client.all(collection, request, "alerts", scopes.ALERTS, most=_MOST)
        found = [alert_of(Fields(body)) for body in told]
        about = [one for one in found if f"account:{mail}" in one.entities]
        levels = [
            one.severity_id for one in about if one.vendor_status not in {"CLOSED", "DELETED"}
        ]
        level = _LEVELS.get(max(levels, default=0), "none")
        detections = [
            {"id": a.uid, "kind": a.title, "level": _LEVELS.get(a.severity_id, ""),
             "state": a.vendor_status, "time": iso(a.time), "ip": "", "country": ""}
            for a in about
        ] + [
            {"id": e.uid, "kind": e.name, "level": "high", "state": "", "time": iso(e.time),
             "ip": e.ip, "country": e.country}
            for e in _warnings(client, target, since)
        ]  # fmt: skip
        return {
            "detections": detections,
            "user_risk_level": level,
            "user_risk_state": "atRisk" if levels else "none",
        }


@dataclass(frozen=True, slots=True)
class ListDirectoryChanges:
    """Changes made to the account, or by it."""

    name: str = "identity.list_directory_changes"
    permissions: tuple[str, ...] = (scopes.AUDIT, scopes.USERS_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return the changes of the last `days` (14), newest first."""
        since = ago(inputs, "days", 14, most=180)
        mail, own = client.address(target.external_id), target.external_id
        events = newest_first(
            audit.events(client, "admin", since, filters=f"USER_EMAIL=={mail}"),
            audit.events(client, "admin", since, user=own),
            audit.events(client, "user_accounts", since, user=own),
        )
        changes = [
            {
                "id": event.uid,
                "time": iso(event.time),
                "activity": event.name,
                "initiated_by": event.actor,
                "target": event.affected or event.actor,
                "is_success": True,
                "category": event.type,
            }
            for event in events
        ]
        return {
            "changes": changes,
            "methods_registered": [
                {"time": c["time"], "method": c["activity"], "initiated_by": c["initiated_by"]}
                for c in changes
                if c["activity"] in _REGISTERED
            ],
        }


@dataclass(frozen=True, slots=True)
class ListFileActivity:
    """Files that the account downloaded and shared."""

    name: str = "files.list_activity"
    permissions: tuple[str, ...] = (scopes.AUDIT,)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return the downloads of the busiest `hours` (48) since ``inputs.since``, and all shares.

        Without ``since``, of the last `hours`. The baseline is what as many hours usually bring,
        by the 28 days before. Unusual: at least ten downloads, and five times the baseline.
        """
        asked = bursts.asked(inputs, 48, _LONGEST)
        before = asked.since - _USUAL
        events = audit.events(client, "drive", before, user=target.external_id, most=5 * _MOST)
        down = [event for event in events if event.name == "download"]
        lately = [event for event in down if event.time >= asked.since]
        most = bursts.most(((event.time, 1) for event in lately), asked.span)
        usual = asked.usual(len(down) - len(lately), _USUAL)
        shared = {
            event.uid
            for event in events
            if event.time >= asked.since
            and event.parameters.word("visibility_change") == "external"
        }
        return {
            "downloads": most,
            "shared_outside": len(shared),
            "baseline_downloads": usual,
            "is_unusual": bursts.is_unusual(most, usual, least=_FEW),
        }
