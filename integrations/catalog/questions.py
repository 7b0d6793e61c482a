"""What can be asked: read-only, each with the answers that conditions may read."""

from integrations.catalog.action import CatalogAction, gatherer

QUESTIONS: tuple[CatalogAction, ...] = (
    gatherer(
        "identity.get_account", "Account, its roles and state", "account", {"account": "object"}
    ),
    gatherer(
        "identity.list_sign_ins",
        "Sign-ins of the last days",
        "account",
        {
            "sign_ins": "list",
            "countries": "list",
            "unusual_countries": "list",
            "count": "integer",
            "suspicious_successes": "integer",
            "first_suspicious_at": "string",
            "is_complete": "boolean",
        },
        days="integer",
    ),
    gatherer(
        "identity.compare_sign_ins",
        "What is usual for the person's sign-ins, and what is new",
        "account",
        {
            "count": "integer",
            "before": "integer",
            **dict.fromkeys(
                (
                    "usual_countries",
                    "usual_devices",
                    "usual_clients",
                    "new_countries",
                    "new_devices",
                    "new_clients",
                ),
                "list",
            ),
        },
        days="integer",
    ),
    gatherer(
        "identity.list_auth_methods", "Registered sign-in methods", "account", {"methods": "list"}
    ),
    gatherer(
        "identity.list_risk_detections",
        "Risk detections of the provider",
        "account",
        {"detections": "list", "user_risk_level": "string", "user_risk_state": "string"},
        days="integer",
    ),
    gatherer(
        "identity.list_directory_changes",
        "Changes made to or by the account",
        "account",
        {"changes": "list", "methods_registered": "list"},
        days="integer",
    ),
    gatherer(
        "mailbox.list_inbox_rules",
        "Inbox rules",
        "account",
        {"rules": "list", "has_mailbox": "boolean"},
    ),
    gatherer(
        "mailbox.get_forwarding",
        "Mailbox forwarding",
        "account",
        {"forwarding": "object", "is_forwarding": "boolean", "forwards_outside": "boolean"},
    ),
    gatherer(
        "identity.list_mfa_prompts",
        "Requests to confirm a sign-in",
        "account",
        {
            "prompts": "list",
            "count": "integer",
            "denied": "integer",
            "approved_after_denials": "boolean",
        },
    ),
    gatherer(
        "identity.list_source_activity",
        "What else the same addresses tried",
        "account",
        {
            "sources": "list",
            "accounts_tried": "integer",
            "accounts_succeeded": "integer",
            "failures": "integer",
        },
    ),
    gatherer(
        "identity.list_oauth_grants", "Apps that were allowed access", "account", {"grants": "list"}
    ),
    gatherer(
        "identity.list_role_assignments",
        "Administrator roles held",
        "account",
        {"assignments": "list"},
    ),
    gatherer("identity.list_groups", "Group memberships", "account", {"groups": "list"}),
    gatherer("identity.list_licences", "Licences", "account", {"licences": "list"}),
    gatherer(
        "identity.list_devices",
        "Devices of the account",
        "account",
        {"devices": "list"},
        lists={"devices": "device"},
        is_asked_everywhere=True,
    ),
    gatherer(
        "identity.list_privileged_accounts",
        "Accounts with administrator roles",
        "tenant",
        {"accounts": "list"},
        lists={"accounts": "account"},
    ),
    gatherer(
        "identity.list_inactive_accounts",
        "Accounts that nobody has used",
        "tenant",
        {"accounts": "list"},
        lists={"accounts": "account"},
        days="integer",
    ),
    gatherer(
        "identity.get_password_policy",
        "What is demanded of the password",
        "account",
        {"policy": "object"},
    ),
    gatherer(
        "identity.get_replication_right",
        "Right to copy the whole directory",
        "account",
        {
            "may_replicate": "boolean",
            "is_long_held": "boolean",
            "rights_changed_at": "string",
            "through": "list",
        },
    ),
    gatherer(
        "identity.get_break_glass_state",
        "State of the emergency accounts",
        "tenant",
        {"accounts": "list"},
        lists={"accounts": "account"},
    ),
    gatherer(
        "hr.get_employment",
        "Employment",
        "account",
        dict.fromkeys(("status", "last_day", "until", "source"), "string"),
    ),
    gatherer(
        "mailbox.list_delegates", "Who else can open the mailbox", "account", {"delegates": "list"}
    ),
    gatherer("mailbox.list_trusted_senders", "Trusted senders", "account", {"senders": "list"}),
    gatherer(
        "mailbox.trace_sent_mail",
        "Mail sent",
        "account",
        {"sent": "integer", "recipients_outside": "integer", "is_unusual": "boolean"},
        hours="integer",
    ),
    gatherer(
        "email.get_message", "The message and what is known of it", "message", {"message": "object"}
    ),
    gatherer(
        "email.find_copies",
        "Copies of the message in other mailboxes",
        "message",
        {"copies": "list", "count": "integer"},
        lists={"copies": "message"},
    ),
    gatherer(
        "email.list_interactions",
        "Who opened, clicked or answered",
        "message",
        {"clicked": "integer", "replied": "integer", "opened": "integer", "accounts": "list"},
        lists={"accounts": "account"},
    ),
    gatherer("endpoint.get_device", "Device and its state", "device", {"device": "object"}),
    gatherer(
        "endpoint.get_compliance",
        "Whether the device keeps to the policies",
        "device",
        {
            "products": "list",
            "is_compliant": "boolean",
            "is_encrypted": "boolean",
            "owner": "string",
        },
    ),
    gatherer(
        "endpoint.list_alerts",
        "Alerts about the device",
        "device",
        {"alerts": "list", "count": "integer", "high": "integer"},
        days="integer",
    ),
    gatherer(
        "endpoint.list_processes",
        "Programs that ran",
        "device",
        {"processes": "list"},
        hours="integer",
    ),
    gatherer(
        "endpoint.list_files",
        "Files that were written",
        "device",
        {"files": "list"},
        hours="integer",
    ),
    gatherer(
        "endpoint.list_file_changes",
        "How files were changed",
        "device",
        {
            "changed": "integer",
            "renamed": "integer",
            "ransom_notes": "integer",
            "shadow_copies_deleted": "boolean",
        },
        hours="integer",
    ),
    gatherer(
        "endpoint.list_credential_access",
        "Attempts to read stored passwords",
        "device",
        {"accesses": "list", "count": "integer"},
        hours="integer",
    ),
    gatherer(
        "endpoint.list_remote_access_tools",
        "Remote-access programs",
        "device",
        {"tools": "list", "alerts_explained": "boolean"},
    ),
    gatherer(
        "endpoint.list_logged_on_users",
        "Users signed in on the device",
        "device",
        {"users": "list"},
        lists={"users": "account"},
    ),
    gatherer(
        "endpoint.list_connections",
        "Network connections",
        "device",
        {"connections": "list"},
        hours="integer",
    ),
    gatherer(
        "files.list_activity",
        "Files downloaded and shared",
        "account",
        {
            "downloads": "integer",
            "shared_outside": "integer",
            "baseline_downloads": "integer",
            "is_unusual": "boolean",
        },
        hours="integer",
    ),
    gatherer(
        "posture.list_drift", "Security settings that were weakened", "tenant", {"settings": "list"}
    ),
    gatherer("patch.list_missing", "Missing updates", "device", {"patches": "list"}),
    gatherer(
        "patch.list_pending_updates",
        "Devices of a ring, and the approved updates that each lacks",
        "tenant",
        {"devices": "list"},
        lists={"devices": "device"},
        ring="string",
    ),
    gatherer(
        "patch.list_exposed_devices",
        "Devices open to a known hole, and the updates that close it",
        "tenant",
        {"devices": "list"},
        lists={"devices": "device"},
        cve="string",
    ),
    gatherer(
        "indicator.list_matches",
        "What is known of the addresses, names and files",
        "tenant",
        {"matches": "list", "count": "integer", "highest_confidence": "integer"},
    ),
    gatherer(
        "person.get_word",
        "What people said when they were asked whether it was them",
        "account",
        {"answer": "string", "asked": "integer", "said": "list"},
    ),
    gatherer(
        "case.list_past_cases",
        "Earlier cases of the same person",
        "account",
        {
            "cases": "list",
            "count": "integer",
            "true_positives": "integer",
            "harmless": "integer",
            "same_kind": "integer",
        },
        days="integer",
    ),
    gatherer(
        "case.count_elsewhere",
        "Other clients' cases with the same indicators",
        "tenant",
        {"indicators": "list", "clients": "integer", "is_counted": "boolean"},
        days="integer",
    ),
)
