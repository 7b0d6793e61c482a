"""The feeds that Microsoft 365 gives by other services than Graph."""

from tests.integrations.conformance.subject import Door

DOORS = (
    Door("unified_audit", "/activity/feed/subscriptions/content$"),
    Door("unified_audit", "/activity/feed/audit/"),
    Door("message_trace", "/InvokeCommand/Get-MessageTraceV2$"),
    Door("mailbox_settings", "/InvokeCommand/Get-MailboxPermission$", tries=2),
)
