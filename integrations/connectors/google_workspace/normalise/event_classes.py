"""What an event of the Reports API is in OCSF: a table by application and name.

Sources: https://developers.google.com/workspace/admin/reports/v1/appendix/activity/login,
…/user-accounts, …/admin-user-settings, …/admin-delegated-admin-settings, …/token, …/drive.
"""

from dataclasses import dataclass
from typing import Final

from integrations import ocsf
from integrations.connectors.google_workspace.normalise.activity import Activity


@dataclass(frozen=True, slots=True)
class Class:
    """An OCSF class with its activity; `severity_id` and `is_success` as the event's name tells."""

    class_uid: int
    activity_id: int
    activity_name: str
    severity_id: int = 1
    is_success: bool | None = True


_AUTH, _ACCOUNT, _API = ocsf.AUTHENTICATION, ocsf.ACCOUNT_CHANGE, ocsf.API_ACTIVITY
_LOGON, _HIGH, _MEDIUM = "Logon", 4, 3

_BY_NAME: Final = {
    "login_success": Class(_AUTH, 1, _LOGON),
    "login_failure": Class(_AUTH, 1, _LOGON, is_success=False),
    "logout": Class(_AUTH, 2, "Logoff"),
    "login_challenge": Class(_AUTH, 99, "Challenge", is_success=None),
    "login_verification": Class(_AUTH, 99, "Verification", is_success=None),
    # Google's own warnings. Whether the sign-in was let in isn't told by the name.
    "suspicious_login": Class(_AUTH, 1, _LOGON, _HIGH, None),
    "suspicious_login_less_secure_app": Class(_AUTH, 1, _LOGON, _HIGH, None),
    "suspicious_programmatic_login": Class(_AUTH, 1, _LOGON, _HIGH, None),
    "user_signed_out_due_to_suspicious_session_cookie": Class(_AUTH, 2, "Logoff", _HIGH),
    "gov_attack_warning": Class(_AUTH, 99, "Attack Warning", _HIGH, None),
    "risky_sensitive_action_allowed": Class(_AUTH, 99, "Sensitive Action", _HIGH),
    "risky_sensitive_action_blocked": Class(_AUTH, 99, "Sensitive Action", _MEDIUM, False),
    "account_disabled_password_leak": Class(_ACCOUNT, 5, "Disable", _HIGH),
    "account_disabled_hijacked": Class(_ACCOUNT, 5, "Disable", _HIGH),
    "account_disabled_spamming": Class(_ACCOUNT, 5, "Disable", _MEDIUM),
    "account_disabled_spamming_through_relay": Class(_ACCOUNT, 5, "Disable", _MEDIUM),
    "account_disabled_generic": Class(_ACCOUNT, 5, "Disable", _MEDIUM),
    "password_edit": Class(_ACCOUNT, 3, "Password Change"),
    "2sv_enroll": Class(_ACCOUNT, 10, "MFA Factor Enable"),
    "2sv_disable": Class(_ACCOUNT, 11, "MFA Factor Disable"),
    "passkey_enrolled": Class(_ACCOUNT, 10, "MFA Factor Enable"),
    "passkey_removed": Class(_ACCOUNT, 11, "MFA Factor Disable"),
    "recovery_email_edit": Class(_ACCOUNT, 99, "Recovery Email Change"),
    "recovery_phone_edit": Class(_ACCOUNT, 99, "Recovery Phone Change"),
    "recovery_secret_qa_edit": Class(_ACCOUNT, 99, "Recovery Question Change"),
    "titanium_enroll": Class(_ACCOUNT, 99, "Advanced Protection Enroll"),
    "titanium_unenroll": Class(_ACCOUNT, 99, "Advanced Protection Leave"),
    "create_user": Class(_ACCOUNT, 1, "Create"),
    "unsuspend_user": Class(_ACCOUNT, 2, "Enable"),
    "change_password": Class(_ACCOUNT, 4, "Password Reset"),
    "suspend_user": Class(_ACCOUNT, 5, "Disable"),
    "delete_user": Class(_ACCOUNT, 6, "Delete"),
    "assign_role": Class(_ACCOUNT, 7, "Attach Policy"),
    "grant_admin_privilege": Class(_ACCOUNT, 7, "Attach Policy"),
    "grant_delegated_admin_privileges": Class(_ACCOUNT, 7, "Attach Policy"),
    "unassign_role": Class(_ACCOUNT, 8, "Detach Policy"),
    "revoke_admin_privilege": Class(_ACCOUNT, 8, "Detach Policy"),
    "turn_off_2_step_verification": Class(_ACCOUNT, 11, "MFA Factor Disable"),
    "reset_signin_cookies": Class(_ACCOUNT, 99, "Sign-in Cookies Reset"),
}
# Words of other events' names, the first that is found wins.
_VERBS: Final = (
    (("create", "add", "upload", "copy", "authorize", "grant"), 1, "Create"),
    (("view", "download", "read", "preview", "print", "sync"), 2, "Read"),
    (("delete", "remove", "revoke", "trash", "purge"), 4, "Delete"),
    (("change", "edit", "update", "toggle", "move", "rename", "set", "share", "forwarding"), 3,
     "Update"),
)  # fmt: skip
_IN_NAMES: Final = {"login", "user_accounts", "admin"}


def class_of(activity: Activity) -> Class:
    """The class of an event. Names mean the same only in the sign-in and admin applications."""
    name = activity.name.lower().strip()
    if activity.application == "gmail":
        return Class(ocsf.EMAIL_ACTIVITY, 4, "Trace", is_success=None)
    known = _BY_NAME.get(name) if activity.application in _IN_NAMES else None
    if known is not None:
        return known
    words = name.replace(".", "_").split("_")
    for verbs, number, verb in _VERBS:
        if any(word in verbs for word in words):
            return Class(_API, number, verb)
    return Class(_API, ocsf.OTHER, activity.name)
