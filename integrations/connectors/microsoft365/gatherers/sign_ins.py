"""Questions about sign-ins: an account's own, requests to confirm one, and who else was tried."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.words import (
    AUDIT,
    ago,
    iso,
    now,
    recent_since,
)
from integrations.connectors.microsoft365.normalise.places import country_of
from integrations.contract import Json, Target
from integrations.microsoft.odata import literal, quoted
from integrations.values import Fields

MOST_SIGN_INS = 1000
# riskEventTypes that mean an anonymiser, and those that mean an unfamiliar way of signing in.
_ANONYMISED = frozenset({"anonymizedipaddress", "riskyipaddress"})
_UNFAMILIAR = frozenset({"unfamiliarfeatures", "newcountry", "unlikelytravel",
                         "mcasimpossibletravel", "anomaloustoken"})  # fmt: skip
_SETTLED = frozenset({"dismissed", "confirmedsafe"})
# The strong authentication was refused, failed or left unanswered:
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_DENIED = 500121
# The first words of status.additionalDetails where the user confirmed.
_CONFIRMED = ("mfa completed", "mfa successfully completed")
# The password was wrong, the account is locked, or it doesn't exist (same page).
_GUESSES = frozenset({50126, 50053, 50034, 50056})
_SOURCES = 5


def sign_ins(client: GraphClient, condition: str, since: dt.datetime) -> list[Fields]:
    """The sign-ins since then that meet an OData condition, newest first, at most 1,000."""
    path = address(
        "/auditLogs/signIns",
        filter=f"{condition} and createdDateTime ge {literal(since)}",
        top=100,
    )
    found = [Fields(record) for record in client.all(path, AUDIT, MOST_SIGN_INS)]
    return sorted(found, key=lambda s: s.text("createdDateTime"), reverse=True)


def _of_account(client: GraphClient, target: Target, since: dt.datetime) -> list[dict[str, Any]]:
    found = sign_ins(client, f"userId eq '{quoted(target.external_id)}'", since)
    return [sign_in(record) for record in found]


@dataclass(frozen=True, slots=True)
class ListSignIns:
    """The account's sign-ins, with the usual countries and what stands out."""

    name: str = "identity.list_sign_ins"
    permissions: tuple[str, ...] = (AUDIT,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return sign-ins of the last `days` (14), newest first, at most 1,000."""
        seen = _of_account(client, target, ago(inputs, "days", 14, most=30))
        recent = recent_since(inputs).isoformat()
        good = [s for s in seen if s["is_success"] and s["country"]]
        usual = {
            s["country"]
            for s in good
            if (s["time"] or "") < recent and s["risk_level"] in {"", "none", "low", "hidden"}
        }
        lately = {s["country"] for s in good if (s["time"] or "") >= recent}
        suspicious = [s for s in seen if s["is_suspicious"]]
        return {
            "sign_ins": seen,
            "countries": sorted(usual),
            "unusual_countries": sorted(lately - usual),
            "count": len(seen),
            "suspicious_successes": sum(1 for s in suspicious if s["is_success"]),
            "first_suspicious_at": min((s["time"] for s in suspicious if s["time"]), default=None),
            "is_complete": len(seen) < MOST_SIGN_INS,
        }


def sign_in(record: Fields) -> dict[str, Any]:
    """One sign-in. Suspicious: risk medium or high, anonymised, or unfamiliar; unless settled."""
    device, place = record.nested("deviceDetail"), record.nested("location")
    level = record.word("riskLevelDuringSignIn")
    aggregated = record.word("riskLevelAggregated")
    kinds = {k.lower() for k in record.texts("riskEventTypes_v2", "riskEventTypes")}
    is_anonymised = bool(kinds & _ANONYMISED)
    is_risky = bool({"medium", "high"} & {level, aggregated})
    is_settled = record.word("riskState") in _SETTLED
    device_name = device.text("displayName")
    return {
        "id": record.text("id"),
        "time": iso(record.time("createdDateTime")),
        "ip": record.text("ipAddress"),
        "country": country_of(record),
        "city": place.text("city"),
        "app": record.text("appDisplayName"),
        "client": record.text("clientAppUsed"),
        "device": device_name or " ".join(
            part for part in (device.text("operatingSystem"), device.text("browser")) if part
        ),
        "is_success": record.nested("status").number("errorCode") == 0,
        "risk_level": level or aggregated,
        "is_anonymised": is_anonymised,
        "is_suspicious": not is_settled
        and (is_risky or is_anonymised or bool(kinds & _UNFAMILIAR)),
        "mfa": record.text("authenticationRequirement")
        or record.nested("mfaDetail").text("authMethod")
        or record.nested("status").text("additionalDetails"),
    }  # fmt: skip


def error_code(record: Fields) -> int | None:
    """The sign-in's result: 0 where it succeeded."""
    code = record.nested("status").number("errorCode")
    return None if code is None else int(code)


@dataclass(frozen=True, slots=True)
class ListPrompts:
    """Requests to confirm a sign-in."""

    name: str = "identity.list_mfa_prompts"
    permissions: tuple[str, ...] = (AUDIT,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return the requests of the last two days, newest first.

        Denied is also what nobody answered: Microsoft gives both the same code.
        """
        found = sign_ins(client, f"userId eq '{quoted(target.external_id)}'", recent_since(inputs))
        prompts = [prompt for record in found if (prompt := _prompt(record)) is not None]
        oldest_first = [prompt["is_passed"] for prompt in reversed(prompts)]
        first_denial = oldest_first.index(False) if False in oldest_first else len(oldest_first)
        return {
            "prompts": prompts,
            "count": len(prompts),
            "denied": oldest_first.count(False),
            "approved_after_denials": True in oldest_first[first_denial:],
        }


def _prompt(record: Fields) -> dict[str, Any] | None:
    details = record.nested("status").text("additionalDetails")
    code = error_code(record)
    is_confirmed = code == 0 and details.lower().startswith(_CONFIRMED)
    if not is_confirmed and code != _DENIED:
        return None
    return {
        "time": iso(record.time("createdDateTime")),
        "method": record.nested("mfaDetail").text("authMethod"),
        "is_passed": is_confirmed,
        "why": details,
        "ip": record.text("ipAddress"),
        "country": country_of(record),
    }


@dataclass(frozen=True, slots=True)
class ListSourceActivity:
    """What else the addresses of the account's suspicious or failed sign-ins tried."""

    name: str = "identity.list_source_activity"
    permissions: tuple[str, ...] = (AUDIT,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return what the (at most five) addresses of the last seven days did.

        A failure is a wrong password, a locked account, or one that doesn't exist.
        """
        since = now() - dt.timedelta(days=7)
        seen = _of_account(client, target, since)
        strange = [s["ip"] for s in seen if s["ip"] and (s["is_suspicious"] or not s["is_success"])]
        sources = list(dict.fromkeys(strange))[:_SOURCES]
        tries = [
            record
            for ip in sources
            for record in sign_ins(client, f"ipAddress eq '{quoted(ip)}'", since)
        ]
        good = {r.text("userId") for r in tries if error_code(r) == 0}
        return {
            "sources": sources,
            "accounts_tried": len({r.text("userId", "userPrincipalName") for r in tries}),
            "accounts_succeeded": len(good),
            "failures": sum(1 for r in tries if error_code(r) in _GUESSES),
        }
