"""Mail: message traces as Email Activity (OCSF 4009), inbox rules and mailbox settings.

Sources: https://learn.microsoft.com/powershell/module/exchange/get-messagetracev2,
https://learn.microsoft.com/graph/api/resources/messagerule, /graph/api/resources/mailboxsettings,
https://learn.microsoft.com/defender-xdr/advanced-hunting-emailevents-table.
"""

import re
from typing import Any

from integrations import ocsf
from integrations.values import (
    Fields,
    address,
    content_uid,
    entities,
    entity,
)
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event

_DELIVERED = frozenset({"delivered", "resolved", "expanded", "success"})
_NOT_DELIVERED = frozenset(
    {"failed", "quarantined", "filteredasspam", "blocked", "junked", "rejected", "dropped"}
)
_DIRECTIONS = {"inbound": 1, "outbound": 2, "intra-org": 3, "internal": 3}
# Exchange's own form of a recipient in a rule: "Name" [SMTP:address]
_SMTP = re.compile(r"\[SMTP:([^\]]+)\]", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>\[\]\";,]+@[^\s<>\[\]\";,]+")


def message_trace(record: Fields) -> Event:
    """Return what happened to one message for one recipient."""
    sender = record.text(
        "SenderAddress", "sender_address", "SenderFromAddress", "SenderMailFromAddress"
    )
    recipient = record.text(
        "RecipientAddress", "recipient_address", "RecipientEmailAddress", "RecipientStatus"
    )
    if not sender and not recipient:
        raise Quarantine(
            "not_a_message", "The record names neither a sender nor a recipient. Check the feed."
        )
    time = record.essential_time(
        "Received", "receivedDateTime", "Timestamp", "origin_timestamp_utc", "date_time_utc",
        "TimeGenerated", "time",
    )  # fmt: skip
    status = record.text("Status", "DeliveryAction", "recipient_status", "event_id")
    word = status.lower().replace(" ", "")
    is_success = True if word in _DELIVERED else False if word in _NOT_DELIVERED else None
    message_id = record.text("MessageId", "message_id", "InternetMessageId")
    trace = record.text("MessageTraceId", "id", "NetworkMessageId", "network_message_id")
    ip = address(record.text("FromIP", "SenderIPv4", "SenderIPv6", "original_client_ip"))
    # One message has one trace id for all its recipients.
    uid = f"{trace or message_id}:{recipient.lower()}" if trace or message_id else ""
    uid = uid or content_uid(record.body)
    subject = record.text("Subject", "message_subject")
    return Event(
        uid=uid,
        class_uid=ocsf.EMAIL_ACTIVITY,
        activity=f"Trace: {status}" if status else "Trace",
        time=time,
        is_success=is_success,
        actor=sender,
        target=recipient,
        source_ip=ip,
        entities=entities(
            entity("message", message_id),
            entity("message", record.text("NetworkMessageId")),
            entity("mailbox", recipient),
            entity("account", recipient),
            entity("sender", sender),
            entity("ip", ip),
        ),
        ocsf=ocsf.event(
            ocsf.EMAIL_ACTIVITY, 4, "Trace", time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("Exchange Online", "Microsoft"),
            direction_id=_DIRECTIONS.get(record.word("EmailDirection", "directionality"), 0),
            **ocsf.status(is_success, status, record.text("Detail", "DeliveryLocation")),
            email=ocsf.filled(
                uid=trace, message_uid=message_id, subject=subject, size=record.number("Size"),
                to=[recipient] if recipient else [], smtp_from=sender,
                **{"from": record.text("SenderFromAddress") or sender},
            ),
            actor=ocsf.actor(ocsf.user(email=sender)),
            src_endpoint=ocsf.endpoint(ip),
            dst_endpoint=ocsf.endpoint(address(record.text("ToIP"))),
            unmapped=ocsf.filled(threats=record.texts("ThreatTypes")),
        ),
    )  # fmt: skip


def inbox_rule(record: Fields, user_id: str) -> DirectoryItem:
    """Return one inbox rule of Graph or of Get-InboxRule.

    Rule ids are unique only in their mailbox, so the external id is ``user/rule`` where the user
    is known. What the rule does is under ``conditions`` and ``actions`` in Graph's words.
    """
    rule_id = record.essential("id", "RuleIdentity", "Identity", what="inbox rule").split("\\")[-1]
    owner = user_id or record.text("MailboxOwnerId")
    body = graph_rule(record)
    name = record.text("displayName", "Name")
    return DirectoryItem(
        kind="inbox_rule",
        external_id=f"{owner}/{rule_id}" if owner else rule_id,
        name=name or "(no name)",
        parent=owner,
        attributes={
            "rule_id": rule_id,
            "is_enabled": record.truth("isEnabled", "Enabled"),
            "sequence": record.number("sequence", "Priority"),
            "has_error": record.truth("hasError", "InError"),
            "is_read_only": record.truth("isReadOnly"),
            "conditions": body["conditions"],
            "exceptions": body["exceptions"],
            "actions": body["actions"],
            "forwards_to": forwarding_addresses(body["actions"]),
            "deletes": deletes(body["actions"]),
            "moves_to": Fields(body["actions"]).text("moveToFolder"),
        },
    )


def graph_rule(record: Fields) -> dict[str, Any]:
    """A rule's conditions, exceptions and actions in Graph's words, from either shape."""
    if record.has_any("conditions", "actions", "displayName"):
        return {name: record.nested(name).body for name in ("conditions", "exceptions", "actions")}
    actions: dict[str, Any] = {}
    for theirs, ours in (
        ("ForwardTo", "forwardTo"),
        ("ForwardAsAttachmentTo", "forwardAsAttachmentTo"),
        ("RedirectTo", "redirectTo"),
    ):
        found = [a for text in record.texts(theirs) for a in addresses_in(text)]
        if found:
            actions[ours] = [{"emailAddress": {"address": a}} for a in found]
    for theirs, ours in (("DeleteMessage", "delete"), ("MarkAsRead", "markAsRead"),
                         ("StopProcessingRules", "stopProcessingRules")):  # fmt: skip
        if record.truth(theirs):
            actions[ours] = True
    if record.text("MoveToFolder"):
        actions["moveToFolder"] = record.text("MoveToFolder")
    conditions = {
        ours: record.texts(theirs)
        for theirs, ours in (
            ("SubjectContainsWords", "subjectContains"),
            ("SubjectOrBodyContainsWords", "bodyOrSubjectContains"),
            ("BodyContainsWords", "bodyContains"),
            ("FromAddressContainsWords", "senderContains"),
        )
        if record.texts(theirs)
    }
    return {"conditions": conditions, "exceptions": {}, "actions": actions}


def addresses_in(text: str) -> list[str]:
    """The mail addresses in Exchange's text for recipients."""
    return _SMTP.findall(text) or _ADDRESS.findall(text.removeprefix("smtp:"))


def forwarding_addresses(actions: Any) -> list[str]:
    """Where a Graph rule sends mail on to, in lower case, each once."""
    found = []
    told = Fields(actions if isinstance(actions, dict) else {})
    for name in ("forwardTo", "forwardAsAttachmentTo", "redirectTo"):
        for recipient in told.objects(name):
            mail = recipient.nested("emailAddress").text("address") or recipient.text("address")
            found.append(mail.lower())
    return list(dict.fromkeys(mail for mail in found if mail))


def deletes(actions: Any) -> bool:
    """Whether a Graph rule deletes the mail."""
    told = Fields(actions if isinstance(actions, dict) else {})
    return bool(told.truth("delete") or told.truth("permanentDelete"))


def delegates(record: Fields, owner: str, address: str) -> DirectoryItem:
    """Return who else can open a mailbox, or send in its name: one item for each mailbox.

    Source: https://learn.microsoft.com/powershell/module/exchange/get-mailboxpermission
    """
    return DirectoryItem(
        kind="mailbox_delegates",
        external_id=owner or record.essential("id", what="mailbox"),
        name=address or owner,
        parent=owner,
        attributes={
            "delegates": [
                {"kind": one.text("kind"), "who": one.text("who"), "rights": one.texts("rights")}
                for one in record.objects("delegates")
            ]
        },
    )


def mailbox_settings(record: Fields, user_id: str) -> DirectoryItem:
    """Return the settings of a mailbox; whose they are stands only in the address."""
    owner = user_id or record.text("userId", "ExternalDirectoryObjectId")
    if not owner:
        raise Quarantine(
            "missing_owner",
            "Mailbox settings don't say whose they are: take them in with the address they were "
            "read from, /users/{id}/mailboxSettings (not /me).",
        )
    replies = record.nested("automaticRepliesSetting")
    purpose = record.nested("userPurpose").text("value") or record.text("userPurpose", "value")
    return DirectoryItem(
        kind="mailbox_settings",
        external_id=owner,
        name=record.text("userPrincipalName"),
        parent=owner,
        attributes=ocsf.filled(
            purpose=purpose.lower(),
            time_zone=record.text("timeZone"),
            language=record.nested("language").text("locale"),
            automatic_replies=replies.text("status"),
            automatic_replies_to=replies.text("externalAudience"),
            archive_folder=record.text("archiveFolder"),
            delegate_meeting_messages=record.text("delegateMeetingMessageDeliveryOptions"),
        ),
    )


def mailbox_of_settings(record: Fields, owner: str, mail: str) -> DirectoryItem:
    """Return the mailbox that its settings show to exist, with its address and purpose."""
    settings = mailbox_settings(record, owner)
    purpose = settings.attributes.get("purpose", "")
    attributes = {"purpose": purpose} if purpose else {}
    return DirectoryItem("mailbox", owner, name=mail, parent=owner, attributes=attributes)


def mailbox(record: Fields) -> DirectoryItem:
    """Return one mailbox as Get-Mailbox tells it, or as our client puts it together.

    Its external id is the account's where that is told.
    """
    owner = record.text("ExternalDirectoryObjectId", "userId")
    external_id = owner or record.text("Guid", "ExchangeGuid", "MailboxGuid")
    if not external_id:
        raise Quarantine(
            "missing_id",
            "The mailbox has neither ExternalDirectoryObjectId nor Guid: export it again.",
        )
    kind = record.word("RecipientTypeDetails")
    purposes = {"usermailbox": "user", "sharedmailbox": "shared", "roommailbox": "room",
                "equipmentmailbox": "equipment"}  # fmt: skip
    forwarding = record.text("ForwardingSmtpAddress").removeprefix("smtp:")
    told = record.has_any("DeliverToMailboxAndForward") or forwarding
    return DirectoryItem(
        kind="mailbox",
        external_id=external_id,
        name=record.text("PrimarySmtpAddress", "UserPrincipalName", "mail", "Name"),
        parent=owner,
        attributes=ocsf.filled(
            purpose=purposes.get(kind, kind) or record.word("purpose"),
            display_name=record.text("DisplayName"),
        )
        | (
            {
                "forwarding_smtp_address": forwarding or None,
                "forwarding_address": record.text("ForwardingAddress") or None,
                "keeps_copy": record.truth("DeliverToMailboxAndForward"),
            }
            if told
            else {}
        ),
    )
