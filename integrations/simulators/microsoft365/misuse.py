"""More of what befalls an organisation: apps, roles, refused prompts, guessed passwords."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.store import Record, stable_id

from .alerts import message_evidence
from .directory import grant_id
from .graph import instant
from .messages import message
from .people import ATTACKER, recipient, unknown_device
from .roles import ACTIVATED, eligibility, role_assignment, role_changes
from .scenarios import Scenarios
from .tenant_wide import ROLES

_DENIED = {
    "errorCode": 500121,
    "failureReason": "Authentication failed during strong authentication request.",
    "additionalDetails": "MFA denied; user declined the authentication",
}
_CONFIRMED = {
    "errorCode": 0,
    "failureReason": "Other.",
    "additionalDetails": "MFA completed in Azure AD",
}
_WRONG = {
    "errorCode": 50126,
    "failureReason": "Invalid username or password.",
    "additionalDetails": None,
}


class Misuse(Scenarios):
    """Verbs over one tenant, as those of `Scenarios`."""

    def consent_to_app(
        self,
        user: str,
        app: str = "Mail Helper",
        scope: str = "Mail.Read offline_access",
        at: datetime | None = None,
    ) -> Record:
        """Somebody lets an app of an unknown maker read the mailbox; returns the grant."""
        person, when = self.user(user), at or self.now
        resource = next(
            p for p in self.tenant.true_all("servicePrincipals")
            if p["displayName"] == "Microsoft Graph"
        )  # fmt: skip
        client = stable_id(self.tenant.id, "principal", app)
        self.tenant.put(
            "servicePrincipals",
            {**resource, "id": client, "appId": stable_id("third-party", app),
             "displayName": app, "appDisplayName": app, "servicePrincipalNames": [],
             "appOwnerOrganizationId": stable_id("tenant", "attacker.example"),
             "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None,
                                   "addedDateTime": None}},
        )  # fmt: skip
        grant = {"clientId": client, "consentType": "Principal", "principalId": person["id"],
                 "resourceId": resource["id"], "scope": scope}  # fmt: skip
        self._audit(person, "Consent to application", when, {"id": client, "displayName": app,
                    "type": "ServicePrincipal"}, "ApplicationManagement")  # fmt: skip
        return self.tenant.put("oauth2PermissionGrants", {"id": grant_id(grant), **grant})

    def grant_role(
        self,
        user: str,
        role: str,
        by: str,
        is_eligible: bool = False,
        at: datetime | None = None,
        is_activated: bool = False,
    ) -> Record:
        """An administrator gives a role, for good or to be switched on when needed.

        `is_activated`: its holder switches it on, for eight hours.
        """
        person, when = self.user(user), at or self.now
        collection = "roleEligibilityScheduleInstances" if is_eligible else "roleAssignments"
        for held in self.tenant.true_all(collection):
            # Nobody can hold the same role twice.
            if (held["principalId"], held["roleDefinitionId"]) == (person["id"], ROLES[role]):
                return held
        definition = self.tenant.true("roleDefinitions", ROLES[role]) or {}
        changed = {"id": person["id"], "displayName": person["displayName"], "type": "User",
                   "userPrincipalName": person["userPrincipalName"],
                   "modifiedProperties": [
                       {"displayName": name, "oldValue": old, "newValue": new}
                       for name, (old, new) in role_changes(definition).items()
                   ]}  # fmt: skip
        kind = "eligible member" if is_eligible else "member"
        self._audit(self.user(by), f"Add {kind} to role", when, changed, "RoleManagement")
        if not is_eligible:
            record = role_assignment(self._id("assignment"), person, ROLES[role])
            if is_activated:
                until = instant(when + timedelta(hours=8))
                self.tenant.put(ACTIVATED, {"id": record["id"], "startDateTime": instant(when),
                                            "endDateTime": until})  # fmt: skip
            return self.tenant.put(collection, record)
        body = {"directoryScopeId": "/", "principalId": person["id"],
                "roleDefinitionId": ROLES[role]}  # fmt: skip
        record = eligibility(self._id("eligibility"), body, instant(when), None)
        return self.tenant.put(collection, record)

    def weary(self, user: str, prompts: int = 4, is_accepted: bool = True) -> list[Record]:
        """The attacker, who knows the password, asks for a confirmation again and again."""
        person, address = self.user(user), f"{ATTACKER.network}79"
        start = self.now - timedelta(minutes=2 * prompts + 5)
        results = [*[_DENIED] * prompts, *([_CONFIRMED] if is_accepted else [])]
        return [
            self._sign_in(
                person, start + timedelta(minutes=2 * number), ATTACKER, address,
                unknown_device(), status=result,
            )
            for number, result in enumerate(results)
        ]  # fmt: skip

    def spray(self, users: list[str], succeeds_for: str = "") -> list[Record]:
        """The attacker tries a common password on many accounts from one address."""
        address = f"{ATTACKER.network}80"
        good = {"errorCode": 0, "failureReason": "Other.", "additionalDetails": None}
        return [
            self._sign_in(
                self.user(name), self.now - timedelta(minutes=30 - number), ATTACKER, address,
                unknown_device(), status=good if name == succeeds_for else _WRONG,
            )
            for number, name in enumerate(users)
        ]  # fmt: skip

    def take_files(
        self, user: str, count: int, action: str = "FileDownloaded", at: datetime | None = None
    ) -> list[Record]:
        """Somebody downloads, or shares, so many files."""
        person = self.user(user)
        return [
            self.tenant.put(
                "cloudAppEvents",
                {
                    "id": self._id("cloud-app-event"),
                    "AccountObjectId": person["id"],
                    "ActionType": action,
                    "Timestamp": instant(at or self.now - timedelta(hours=1)),
                },
            )
            for _ in range(count)
        ]

    def weaken(self) -> Record:
        """Somebody switches the block of old ways to sign in off, and lets users do more."""
        for policy in self.tenant.true_all("conditionalAccessPolicies"):
            if policy["displayName"].startswith("Block legacy"):
                changes: Record = {"state": "disabled"}
                self.tenant.update("conditionalAccessPolicies", policy["id"], changes)
        before = self.tenant.true("policies", "authorizationPolicy") or {}
        grants = ["ManagePermissionGrantsForSelf.microsoft-user-default-legacy"]
        role = {**before["defaultUserRolePermissions"], "allowedToCreateApps": True,
                "permissionGrantPoliciesAssigned": grants}  # fmt: skip
        weaker = {"allowInvitesFrom": "everyone", "defaultUserRolePermissions": role}
        return self.tenant.update("policies", "authorizationPolicy", weaker)

    def try_emergency_account(self, user: str = "emergency.access") -> Record:
        """Somebody tries from the office whether the emergency account still works."""
        person = self.user(user)
        device = unknown_device()
        made = self._sign_in(person, self.now, self.office, f"{self.office.network}10", device)
        seen = {"lastSignInDateTime": made["createdDateTime"], "lastSignInRequestId": made["id"],
                "lastSuccessfulSignInDateTime": made["createdDateTime"],
                "lastSuccessfulSignInRequestId": made["id"],
                "lastNonInteractiveSignInDateTime": None,
                "lastNonInteractiveSignInRequestId": None}  # fmt: skip
        self.tenant.update("users", person["id"], {"signInActivity": seen})
        return made

    def give_access(
        self, user: str, to: str, kind: str = "full_access", at: datetime | None = None
    ) -> Record:
        """Somebody lets another open the mailbox, or send in its name."""
        person = self.user(user)
        exchange = (self.tenant.true("mailboxes", person["id"]) or {})["exchange"]
        cmdlet, name, changes = {
            "full_access": ("Add-MailboxPermission", "User", {
                "Permissions": [*exchange.get("Permissions", []),
                                {"User": to, "AccessRights": ["FullAccess"]}]}),
            "send_as": ("Add-RecipientPermission", "Trustee", {
                "SendAs": [*exchange.get("SendAs", []), to]}),
            "send_on_behalf": ("Set-Mailbox", "GrantSendOnBehalfTo", {
                "GrantSendOnBehalfTo": [*exchange.get("GrantSendOnBehalfTo", []), to]}),
        }[kind]  # fmt: skip
        self._cmdlet(person, cmdlet, {name: to}, at or self.now)
        changed = {"exchange": {**exchange, **changes}}
        return self.tenant.update("mailboxes", person["id"], changed)

    def trust_sender(self, user: str, sender: str, at: datetime | None = None) -> Record:
        """Somebody lets a sender's mail past the junk filter of a mailbox."""
        person = self.user(user)
        exchange = (self.tenant.true("mailboxes", person["id"]) or {})["exchange"]
        trusted = [*exchange.get("TrustedSendersAndDomains", []), sender]
        given = {"TrustedSendersAndDomains": ";".join(trusted)}
        self._cmdlet(person, "Set-MailboxJunkEmailConfiguration", given, at or self.now)
        changed = {"exchange": {**exchange, "TrustedSendersAndDomains": trusted}}
        return self.tenant.update("mailboxes", person["id"], changed)

    def send_mail(
        self, user: str, recipients: int, domain: str = "customers.example",
        at: datetime | None = None,
    ) -> list[Record]:  # fmt: skip
        """The mailbox sends one message to many addresses."""
        person, message = self.user(user), self._id("message")
        told, when = f"<{message}@{self.tenant.domain}>", at or self.now
        return [
            self._trace(told, person["mail"], f"person{number}@{domain}", "New bank details", when)
            for number in range(recipients)
        ]

    def _trace(
        self, message_id: str, sender: str, to: str, subject: str, at: datetime | None = None
    ) -> Record:
        """What message trace tells of one copy of a message."""
        return self.tenant.put(
            "messageTraces",
            {
                "id": self._id("trace"),
                "MessageTraceId": stable_id(message_id, to),
                "MessageId": message_id,
                "Received": instant(at or self.now - timedelta(hours=1)),
                "SenderAddress": sender,
                "RecipientAddress": to,
                "Subject": subject,
                "Status": "Delivered",
                "Size": 20_000,
                "FromIP": None,
                "ToIP": None,
            },
        )

    def deliver(
        self,
        users: list[str],
        subject: str = "Unpaid invoice 4711",
        sender: str = "accounts@bad.example",
        message_id: str = "<4711@bad.example>",
        authentication: str = "spf=pass dkim=pass dmarc=pass",
        threat: str = "",
        is_reported: bool = False,
    ) -> Record:
        """The same message reaches several mailboxes; `threat` is what an alert calls it.

        `is_reported`: the first who got it calls it phishing, by Outlook's button.
        """
        for name in users:
            person = self.user(name)
            given = {
                "internetMessageId": message_id,
                "conversationId": stable_id(person["id"], message_id),
                "subject": subject,
                "from": recipient(sender),
                "sender": recipient(sender),
                "toRecipients": [recipient(person["mail"])],
                "receivedDateTime": instant(self.now - timedelta(hours=1)),
                "internetMessageHeaders": [
                    {"name": "Authentication-Results", "value": authentication},
                    {"name": "Message-ID", "value": message_id},
                ],
            }
            record = message(self._id("message"), "Inbox", given)
            self.tenant.put(f"messages:{person['id']}", record)
            self._trace(message_id, sender, person["mail"], subject)
        if threat:
            person = self.user(users[0])
            when = self.now - timedelta(minutes=50)
            evidence = message_evidence(person, when, message_id, sender, subject, threat)
            self._alert(
                person, when, "Email messages removed after delivery", "medium", "InitialAccess",
                ["T1566.002"], [evidence], detector="microsoftDefenderForOffice365",
            )  # fmt: skip
        if is_reported:
            self._report_mail(self.user(users[0]), message_id, sender, subject)
        return {"internetMessageId": message_id}

    def _report_mail(self, person: Record, message_id: str, sender: str, subject: str) -> None:
        """What Microsoft tells of a user's report, which it has not judged yet."""
        when = self.now - timedelta(minutes=40)
        evidence = message_evidence(person, when, message_id, sender, subject, "")
        self._alert(
            person, when, "Email reported by user as malware or phish", "low", "InitialAccess",
            ["T1566"], [{**evidence, "verdict": "unknown"}],
            detector="microsoftDefenderForOffice365",
        )  # fmt: skip

    def click(self, user: str, message_id: str = "<4711@bad.example>") -> Record:
        """Somebody follows a link in a message."""
        person, click_id = self.user(user), self._id("click")
        click = {
            "id": click_id,
            "InternetMessageId": message_id,
            "AccountUpn": person["userPrincipalName"],
            "ActionType": "ClickAllowed",
            "IsClickedThrough": 0,
        }
        return self.tenant.put("urlClicks", click)

    def answer(self, user: str, message_id: str = "<4711@bad.example>") -> Record:
        """Somebody opens a message and answers it."""
        person = self.user(user)
        collection = f"messages:{person['id']}"
        for found in self.tenant.true_all(collection):
            if found["internetMessageId"] == message_id:
                self.tenant.update(collection, found["id"], {"isRead": True})
        given = {
            "internetMessageId": f"<{self._id('reply')}@{self.tenant.domain}>",
            "conversationId": stable_id(person["id"], message_id),
            "subject": "Re: Unpaid invoice",
            "from": recipient(person["mail"]),
            "sender": recipient(person["mail"]),
            "receivedDateTime": instant(self.now),
        }
        record = message(self._id("message"), "Sent Items", given)
        return self.tenant.put(collection, record)

    def _cmdlet(self, person: Record, cmdlet: str, given: Record, when: datetime) -> None:
        """The entry of the unified audit log for a cmdlet that was run on a mailbox."""
        entry_id = self._id("unified-audit")
        parameters = {"Identity": person["userPrincipalName"], **given}
        self.tenant.put(
            "unifiedAudit",
            {
                "id": entry_id,
                "Id": entry_id,
                "CreationTime": instant(when),
                "Operation": cmdlet,
                "OrganizationId": self.tenant.id,
                "RecordType": 1,
                "UserId": person["userPrincipalName"],
                "UserType": 0,
                "Workload": "Exchange",
                "ObjectId": person["userPrincipalName"],
                "ResultStatus": "True",
                "Parameters": [{"Name": n, "Value": v} for n, v in parameters.items()],
            },
        )

    def _audit(
        self, actor: Record, activity: str, when: datetime, target: Record, category: str
    ) -> None:
        who = {"id": actor["id"], "displayName": actor["displayName"],
               "userPrincipalName": actor["userPrincipalName"], "ipAddress": None}  # fmt: skip
        entry_id = f"Directory_{self._id('audit')}"
        target = {"userPrincipalName": None, "groupType": None, "modifiedProperties": [], **target}
        self.tenant.put(
            "directoryAudits",
            {
                "id": entry_id,
                "category": category,
                "correlationId": stable_id(entry_id, "correlation"),
                "result": "success",
                "resultReason": "",
                "activityDisplayName": activity,
                "activityDateTime": instant(when),
                "loggedByService": "Core Directory",
                "operationType": "Assign",
                "initiatedBy": {"app": None, "user": who},
                "targetResources": [target],
                "additionalDetails": [],
            },
        )
