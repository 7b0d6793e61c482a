"""A mailbox that was taken over: strange sign-ins, an app, a filter, forwarding, a delegate."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.store import Record, Tenant, stable_id

from .activity import note

HOME, AWAY = "198.51.100.7", "203.0.113.66"
OUTSIDE = "drop.box.77@mail.example"
APP = "987654321098-k3v1lm41lh3lp3r.apps.googleusercontent.com"
_CALENDAR = "123456789012-c4l3nd4r.apps.googleusercontent.com"
_BASE = "https://www.googleapis.com/auth"
MESSAGE_ID = "unpaid.4711@contosso.example"


def takeover(tenant: Tenant, name: str, at: datetime) -> None:
    """Let it happen to a user at a time; everyone had ordinary days before."""
    people = [u for u in tenant.true_all("users") if not u.get("deletionTime")]
    victim = next(u for u in people if u["primaryEmail"].startswith(f"{name}@"))
    for number, user in enumerate(people):
        _ordinary(tenant, user, at - timedelta(days=3), number)
        _alert(tenant, at - timedelta(days=1, hours=number), number, "User reported phishing",
               "Gmail phishing", _phishing(user, number))  # fmt: skip
    _sign_ins(tenant, victim, at)
    _app(tenant, victim, at + timedelta(minutes=10))
    _mail(tenant, victim, people[3], at + timedelta(minutes=20))
    _files(tenant, victim, at + timedelta(minutes=30))
    _messages(tenant, people[1:4], at)
    _sent(tenant, people, victim, at)
    _alert(tenant, at, 100, "Suspicious login", "Google identity", {
        "@type": "type.googleapis.com/google.apps.alertcenter.type.AccountWarning",
        "email": victim["primaryEmail"],
        "loginDetails": {"loginTime": instant(at), "ipAddress": AWAY},
    })  # fmt: skip


def _ordinary(tenant: Tenant, user: Record, start: datetime, number: int) -> None:
    for day in range(2):
        note(tenant, "login", "login", "login_success", ip=HOME, country="GB", actor=user,
             at=start + timedelta(days=day, minutes=number), login_type="google_password",
             is_suspicious=False)  # fmt: skip
    note(tenant, "drive", "access", "view", at=start + timedelta(minutes=number), actor=user,
         ip=HOME, country="GB", doc_id=f"doc-{number}", doc_title="Rota",
         primary_event=True)  # fmt: skip
    token = {
        "kind": "admin#directory#token", "etag": '"t"', "clientId": _CALENDAR,
        "displayText": "Calendar Helper", "anonymous": False, "nativeApp": False,
        "scopes": [f"{_BASE}/calendar.readonly"], "userKey": user["id"],
    }  # fmt: skip
    tenant.put(f"tokens:{user['id']}", token, _CALENDAR)
    newsletter = {
        "id": f"ANe1Bmj{number:03d}", "criteria": {"from": "news@supplier.example"},
        "action": {"addLabelIds": ["Label_1"], "removeLabelIds": ["INBOX"]},
    }  # fmt: skip
    if user["isMailboxSetup"]:
        tenant.put(f"filters:{user['id']}", newsletter)


def _sign_ins(tenant: Tenant, victim: Record, at: datetime) -> None:
    mail = victim["primaryEmail"]
    for minute in range(4):
        note(tenant, "login", "login", "login_challenge", at=at - timedelta(minutes=9 - minute),
             actor=victim, ip=AWAY, country="NG", login_challenge_method=["google_prompt"],
             login_challenge_status="Challenge Failed.")  # fmt: skip
    note(tenant, "login", "login", "login_challenge", at=at - timedelta(minutes=1), actor=victim,
         ip=AWAY, country="NG", login_challenge_method=["google_prompt"],
         login_challenge_status="Challenge Passed.")  # fmt: skip
    note(tenant, "login", "login", "login_success", at=at, actor=victim, ip=AWAY, country="NG",
         login_type="google_password", is_suspicious=True)  # fmt: skip
    note(tenant, "login", "account_warning", "suspicious_login", at=at,
         affected_email_address=mail)  # fmt: skip
    other = next(u for u in tenant.true_all("users") if u["primaryEmail"].startswith("ben.cole@"))
    note(tenant, "login", "login", "login_failure", at=at - timedelta(minutes=30), actor=other,
         ip=AWAY, country="NG", login_type="google_password",
         login_failure_type="login_failure_invalid_password")  # fmt: skip
    note(tenant, "user_accounts", "recovery_info_change", "recovery_phone_edit",
         at=at + timedelta(minutes=5), actor=victim, ip=AWAY, country="NG")  # fmt: skip
    tenant.update("users", victim["id"], {"recoveryPhone": "+2348000000000"})
    tenant.put(f"asps:{victim['id']}", {
        "kind": "admin#directory#asp", "etag": '"a"', "codeId": 7, "name": "Mail",
        "creationTime": str(int((at + timedelta(minutes=6)).timestamp())), "lastTimeUsed": "0",
        "userKey": victim["id"],
    }, "7")  # fmt: skip


def _app(tenant: Tenant, victim: Record, at: datetime) -> None:
    scopes = ["https://mail.google.com/", f"{_BASE}/drive"]
    tenant.put(f"tokens:{victim['id']}", {
        "kind": "admin#directory#token", "etag": '"t"', "clientId": APP,
        "displayText": "Mail Helper Pro", "anonymous": True, "nativeApp": False,
        "scopes": scopes, "userKey": victim["id"],
    }, APP)  # fmt: skip
    note(tenant, "token", "auth", "authorize", at=at, actor=victim, ip=AWAY, country="NG",
         client_id=APP, app_name="Mail Helper Pro", client_type="WEB", scope=scopes)  # fmt: skip


def _mail(tenant: Tenant, victim: Record, friend: Record, at: datetime) -> None:
    owner = victim["id"]
    for mail in (OUTSIDE, f"archive@{tenant.domain}"):
        tenant.put(f"forwarding_addresses:{owner}",
                   {"forwardingEmail": mail, "verificationStatus": "accepted"}, mail)  # fmt: skip
    tenant.put(f"filters:{owner}", {
        "id": "ANe1BmgEvil", "criteria": {"query": "invoice OR payment"},
        "action": {"addLabelIds": ["TRASH"], "removeLabelIds": ["INBOX", "UNREAD"],
                   "forward": OUTSIDE},
    })  # fmt: skip
    tenant.put(f"filters:{owner}", {
        "id": "ANe1BmgHide", "criteria": {"from": "security@contoso-clinic.example"},
        "action": {"addLabelIds": ["TRASH"]},
    })  # fmt: skip
    forwarding = {"enabled": True, "emailAddress": OUTSIDE, "disposition": "trash"}
    tenant.put("forwarding", forwarding, owner)
    tenant.put(f"delegates:{owner}", {
        "delegateEmail": friend["primaryEmail"], "verificationStatus": "accepted",
    }, friend["primaryEmail"])  # fmt: skip
    note(tenant, "user_accounts", "email_forwarding_change", "email_forwarding_out_of_domain",
         at=at, actor=victim, ip=AWAY, country="NG",
         email_forwarding_destination_address=OUTSIDE)  # fmt: skip


def _files(tenant: Tenant, victim: Record, at: datetime) -> None:
    for number in range(12):
        note(tenant, "drive", "access", "download", at=at + timedelta(seconds=number),
             actor=victim, ip=AWAY, country="NG", doc_id=f"secret-{number}",
             doc_title=f"Patient list {number}", primary_event=True)  # fmt: skip
    note(tenant, "drive", "acl_change", "change_user_access", at=at + timedelta(minutes=1),
         actor=victim, ip=AWAY, country="NG", doc_id="secret-0", doc_title="Patient list 0",
         visibility_change="external", target_user=OUTSIDE, visibility="shared_externally",
         new_value=["can_edit"], primary_event=True)  # fmt: skip


def _messages(tenant: Tenant, people: list[Record], at: datetime) -> None:
    for user in people:
        message_id = stable_id(tenant.id, user["id"], "message").replace("-", "")[:16]
        headers = {
            "Message-ID": f"<{MESSAGE_ID}>", "Subject": "Unpaid invoice 4711",
            "From": "Billing <billing@contosso.example>", "To": user["primaryEmail"],
            "Authentication-Results": "mx.google.com; spf=fail smtp.mailfrom=contosso.example; "
                                      "dkim=none; dmarc=fail header.from=contosso.example",
        }  # fmt: skip
        tenant.put(f"messages:{user['id']}", {
            "id": message_id, "threadId": message_id, "labelIds": ["UNREAD", "INBOX"],
            "snippet": "Please pay", "historyId": "1000", "sizeEstimate": 2048,
            "internalDate": str(int(at.timestamp() * 1000)),
            "payload": {
                "mimeType": "text/plain", "filename": "",
                "headers": [{"name": k, "value": v} for k, v in headers.items()],
            },
        })  # fmt: skip


def _sent(tenant: Tenant, people: list[Record], victim: Record, at: datetime) -> None:
    """What Gmail's log says: a few letters before, very many after, and who followed the link."""
    for number in range(3):
        mailed(tenant, victim, at - timedelta(days=number + 4), 1, f"o{number}@clinic.example",
               [f"partner{number}@supplier.example"])  # fmt: skip
    for number in range(40):
        mailed(tenant, victim, at + timedelta(seconds=number), 1, f"s{number}@clinic.example",
               [f"victim{number}@elsewhere.example", people[0]["primaryEmail"]])  # fmt: skip
    for user, kinds in zip(people[1:4], ((7,), (7, 15), (9,)), strict=True):
        for kind in (2, *kinds):
            mailed(tenant, user, at, kind, MESSAGE_ID, [user["primaryEmail"]])


def mailed(
    tenant: Tenant, actor: Record, at: datetime, kind: int, message: str, to: list[str]
) -> None:
    """Add an event of Gmail's log: 1 sent, 2 received, 7 opened, 9 answered, 15 link followed."""
    destinations = ",".join(f"gmail-ui::{one}" for one in to)
    note(tenant, "gmail", "delivery_type", "delivery", at=at, actor=actor,
         event_info={"mail_event_type": kind, "success": True},
         message_info={"rfc2822_message_id": f"<{message}>", "subject": "Unpaid invoice",
                       "flattened_destinations": destinations})  # fmt: skip


def _phishing(user: Record, number: int) -> Record:
    return {
        "@type": "type.googleapis.com/google.apps.alertcenter.type.MailPhishing",
        "maliciousEntity": {"fromHeader": "billing@contosso.example"},
        "messages": [{"messageId": f"<m{number}@contosso.example>",
                      "recipient": user["primaryEmail"], "subjectText": "Unpaid invoice"}],
        "isInternal": False, "systemActionType": "NO_OPERATION",
    }  # fmt: skip


def _alert(tenant: Tenant, at: datetime, number: int, kind: str, source: str, data: Record) -> None:
    alert_id, when = stable_id(tenant.id, "alert", number), instant(at)
    tenant.put("alerts", {
        "customerId": tenant.id[1:], "alertId": alert_id, "createTime": when, "startTime": when,
        "endTime": when, "updateTime": when, "type": kind, "source": source, "etag": alert_id[:8],
        "data": data,
        "metadata": {"customerId": tenant.id[1:], "alertId": alert_id, "status": "NOT_STARTED",
                     "severity": "HIGH" if number == 100 else "MEDIUM", "updateTime": when,
                     "etag": alert_id[:8]},
    }, alert_id)  # fmt: skip
