"""What befalls an organisation: compromised mailboxes, false alarms, and what people do later.

The verbs work while a seed is built and on a running simulator alike. Who is meant is given by
userPrincipalName, id, or the part before the @.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integrations.simulators.base.store import Record, Tenant

from . import tenant_wide
from .alerts import (
    alert,
    directory_audit,
    incident,
    ip_evidence,
    mailbox_evidence,
    malformed_alerts,
    risk_detection,
    user_evidence,
)
from .graph import instant
from .mail import folder_id
from .people import (
    ANONYMISER,
    ATTACKER,
    HOLIDAY,
    Place,
    inbox_rule,
    phone_method,
    recipient,
    sign_in,
    unknown_device,
    usual_device,
)
from .security import risky_user

ATTACKER_MAILBOX = "invoices.archive@collector.example"
ATTACKER_PHONE = "+234 8000000123"


class Scenarios:
    """Verbs over one tenant; times are relative to `now` unless `at` is given."""

    def __init__(self, tenant: Tenant, now: datetime, office: Place) -> None:
        self.tenant = tenant
        self.now = now
        self.office = office

    def user(self, name: str) -> Record:
        """A user by id, userPrincipalName or the part before the @; else KeyError."""
        wanted = name.casefold()
        for user in self.tenant.true_all("users"):
            upn = str(user["userPrincipalName"]).casefold()
            if wanted in {user["id"], upn, upn.split("@")[0]}:
                return user
        raise KeyError(f"no user '{name}' in {self.tenant.domain}")

    def business_email_compromise(self, user: str, at: datetime | None = None) -> Record:
        """A mailbox is taken over: strange sign-ins, a new phone, a rule, forwarding, alerts.

        Returns the incident.
        """
        victim = self.user(user)
        start = at or self.now - timedelta(hours=3)
        address = f"{ATTACKER.network}77"
        bad = self._risky_sign_ins(victim, start, address)
        self._risk(victim, start, address, bad)
        self.register_phone(victim["id"], ATTACKER_PHONE, start + timedelta(minutes=9), address)
        self.add_forwarding_rule(victim["id"], ATTACKER_MAILBOX)
        self.forward_mailbox(victim["id"], ATTACKER_MAILBOX)
        return self._report(victim, start, address)

    def vip_compromise(self, user: str = "sam.adeyemi", at: datetime | None = None) -> Record:
        """The same to a privileged account: what is done about it needs somebody's approval."""
        holder = self.user(user)
        held = {a["principalId"] for a in self.tenant.true_all("roleAssignments")}
        if holder["id"] not in held:
            tenant_wide.assign_role(self.tenant, holder, "Exchange Administrator")
        return self.business_email_compromise(holder["id"], at)

    def false_alarm(self, user: str, at: datetime | None = None) -> Record:
        """An alert about a sign-in from the user's own computer in the usual place."""
        person = self.user(user)
        when = at or self.now - timedelta(hours=5)
        number, address = self._desk(person)
        event = self._sign_in(person, when, self.office, address, usual_device(person, number))
        detection = risk_detection(
            self._id("risk"), person, when, self.office, address, "unfamiliarFeatures", "low",
            event["id"],
        )  # fmt: skip
        self.tenant.put("riskDetections", detection)
        return self._alert(
            person, when, "Unfamiliar sign-in properties", "low", "InitialAccess", ["T1078.004"],
            [user_evidence(self.tenant, person, when, "suspicious"),
             ip_evidence(when, address, self.office, "unknown")],
            detector="azureAdIdentityProtection",
        )  # fmt: skip

    def travel(self, user: str, at: datetime | None = None) -> Record:
        """A user works from abroad on the own computer; Defender for Cloud Apps finds it unusual.

        Returns the alert.
        """
        person = self.user(user)
        when = at or self.now - timedelta(hours=4)
        number, _ = self._desk(person)
        address = f"{HOLIDAY.network}{10 + number}"
        for minutes in (0, 90):
            self._sign_in(
                person, when + timedelta(minutes=minutes), HOLIDAY, address,
                usual_device(person, number),
            )  # fmt: skip
        return self._alert(
            person, when + timedelta(minutes=10), "Activity from infrequent country", "medium",
            "InitialAccess", ["T1078.004"],
            [user_evidence(self.tenant, person, when, "suspicious"),
             ip_evidence(when, address, HOLIDAY, "unknown")],
            detector="cloudAppSecurity",
        )  # fmt: skip

    def malformed_records(self) -> list[Record]:
        """Alerts that no schema promises: missing fields, an unknown value, a wrong type."""
        records = malformed_alerts(self.tenant, self.now - timedelta(hours=2))
        for record in records:
            self.tenant.put("alerts", record)
        return records

    def set_enabled(self, user: str, is_enabled: bool) -> Record:
        """Somebody, or the directory sync, enables or disables an account."""
        return self.tenant.update("users", self.user(user)["id"], {"accountEnabled": is_enabled})

    def register_phone(
        self, user: str, number: str, at: datetime | None = None, address: str | None = None
    ) -> Record:
        """Somebody adds a phone as the user's authentication method."""
        person = self.user(user)
        when = at or self.now
        collection = f"methods:{person['id']}"
        taken = {m.get("phoneType") for m in self.tenant.true_all(collection)}
        kind = "alternateMobile" if "mobile" in taken else "mobile"
        record = self.tenant.put(collection, phone_method(kind, number, instant(when)))
        for activity in ("User registered security info", "User changed default security info"):
            entry = directory_audit(self._id("audit"), person, when, activity, address)
            self.tenant.put("directoryAudits", entry)
        return record

    def add_forwarding_rule(self, user: str, to: str, name: str = ".") -> Record:
        """Somebody adds an inbox rule that sends mail on and hides it."""
        person = self.user(user)
        collection = f"rules:{person['id']}"
        rule = inbox_rule(
            person, name, 1 + len(self.tenant.true_all(collection)),
            conditions={"bodyOrSubjectContains": ["invoice", "payment", "bank", "wire"]},
            actions={
                "moveToFolder": folder_id("RSS Feeds"),
                "markAsRead": True,
                "delete": True,
                "forwardTo": [recipient(to)],
                "stopProcessingRules": True,
            },
        )  # fmt: skip
        return self.tenant.put(collection, rule)

    def forward_mailbox(self, user: str, to: str) -> Record:
        """Somebody makes Exchange forward the whole mailbox."""
        person = self.user(user)
        mailbox = self.tenant.true("mailboxes", person["id"])
        if mailbox is None:
            raise KeyError(f"{person['userPrincipalName']} has no mailbox")
        forwarding = {"ForwardingSmtpAddress": f"smtp:{to}", "DeliverToMailboxAndForward": True}
        changes = {"exchange": {**mailbox["exchange"], **forwarding}}
        return self.tenant.update("mailboxes", person["id"], changes)

    def strange_sign_in(self, user: str, at: datetime | None = None) -> Record:
        """One more successful sign-in by the attacker."""
        person = self.user(user)
        address = f"{ATTACKER.network}78"
        changes = _at_risk("high", ["unfamiliarFeatures"])
        return self._sign_in(person, at or self.now, ATTACKER, address, unknown_device(), **changes)

    def _id(self, kind: str) -> str:
        return self.tenant.new_id(kind)

    def _desk(self, person: Record) -> tuple[int, str]:
        people = [u for u in self.tenant.true_all("users") if u["assignedLicenses"]]
        number = next((i for i, u in enumerate(people) if u["id"] == person["id"]), 0)
        return number, f"{self.office.network}{10 + number}"

    def _sign_in(
        self, person: Record, when: datetime, place: Place, address: str, device: Record,
        **changes: Any,
    ) -> Record:  # fmt: skip
        record = sign_in(self._id("sign-in"), person, when, place, address, device, **changes)
        return self.tenant.put("signIns", record)

    def _risky_sign_ins(self, victim: Record, start: datetime, address: str) -> Record:
        """Two failures and a success from afar, then one through an anonymiser."""
        failed = {"errorCode": 50126, "failureReason": "Invalid username or password.",
                  "additionalDetails": None}  # fmt: skip
        device = unknown_device()
        for minutes in (-6, -4):
            when = start + timedelta(minutes=minutes)
            self._sign_in(victim, when, ATTACKER, address, device, status=failed)
        first = self._sign_in(
            victim, start, ATTACKER, address, device,
            **_at_risk("high", ["unfamiliarFeatures", "unlikelyTravel"]),
        )  # fmt: skip
        self._sign_in(
            victim, start + timedelta(minutes=4), ANONYMISER, f"{ANONYMISER.network}41", device,
            **_at_risk("medium", ["anonymizedIPAddress"]),
        )  # fmt: skip
        return first

    def _risk(self, victim: Record, start: datetime, address: str, event: Record) -> None:
        hidden = f"{ANONYMISER.network}41"
        for kind, level, place, source, minutes in (
            ("unfamiliarFeatures", "high", ATTACKER, address, 0),
            ("unlikelyTravel", "medium", ATTACKER, address, 1),
            ("anonymizedIPAddress", "medium", ANONYMISER, hidden, 4),
        ):
            when = start + timedelta(minutes=minutes)
            record = risk_detection(
                self._id("risk"), victim, when, place, source, kind, level, event["id"]
            )
            self.tenant.put("riskDetections", record)
        when_text = instant(start + timedelta(minutes=6))
        record = risky_user(victim, "high", "atRisk", "none", when_text)
        self.tenant.put("riskyUsers", record)
        kinds = ["unfamiliarFeatures", "unlikelyTravel", "anonymizedIPAddress"]
        item = {
            **record,
            "id": self._id("risk-history"),
            "userId": victim["id"],
            "initiatedBy": None,
            "activity": {"detail": None, "riskEventTypes": kinds},
        }
        self.tenant.put("riskHistory", item)

    def _report(self, victim: Record, start: datetime, address: str) -> Record:
        """What Microsoft says about it: three alerts in one incident."""
        number = str(1000 + self.tenant.store.next("incident"))
        what = incident(self.tenant, number, victim, start + timedelta(minutes=15))
        self.tenant.put("incidents", what)
        person = user_evidence(self.tenant, victim, start, "malicious", "compromised")
        hidden = f"{ANONYMISER.network}41"
        reported = (
            ("Atypical travel", "medium", "InitialAccess", ["T1078.004"], 2,
             [person, ip_evidence(start, address, ATTACKER, "suspicious")],
             "azureAdIdentityProtection"),
            ("Anonymous IP address", "medium", "InitialAccess", ["T1078.004", "T1090"], 5,
             [person, ip_evidence(start, hidden, ANONYMISER, "suspicious")],
             "azureAdIdentityProtection"),
            ("Suspicious inbox manipulation rule", "high", "Persistence", ["T1564.008",
             "T1114.003"], 15,
             [person, mailbox_evidence(victim, start),
              ip_evidence(start, address, ATTACKER, "suspicious")],
             "cloudAppSecurity"),
        )  # fmt: skip
        for title, severity, category, techniques, minutes, evidence, detector in reported:
            self._alert(
                victim, start + timedelta(minutes=minutes), title, severity, category,
                techniques, evidence, detector=detector, incident_id=number,
            )  # fmt: skip
        return what

    def _alert(
        self, person: Record, when: datetime, title: str, severity: str, category: str,
        techniques: list[str], evidence: list[Record], **more: Any,
    ) -> Record:  # fmt: skip
        record = alert(
            self.tenant, self._id("alert"), person, when, title, severity, category, techniques,
            evidence, **more,
        )  # fmt: skip
        return self.tenant.put("alerts", record)


def _at_risk(level: str, kinds: list[str]) -> Record:
    return {
        "riskLevelDuringSignIn": level,
        "riskLevelAggregated": level,
        "riskState": "atRisk",
        "riskEventTypes_v2": kinds,
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "appId": "9199bf20-a13f-4107-85dc-02114787ef48",
        "appDisplayName": "One Outlook Web",
    }
