"""What the Google Workspace connector brings and what it can do, with the least scope for each."""

from integrations.connectors.google_workspace import feeds, scopes
from integrations.connectors.google_workspace.actions import ACTIONS
from integrations.connectors.google_workspace.client import canary, connect, customer
from integrations.connectors.google_workspace.gatherers import GATHERERS
from integrations.connectors.google_workspace.normalise.dispatch import normaliser
from integrations.connectors.google_workspace.recognise import explode
from integrations.connectors.google_workspace.setting_up import PERMISSIONS, RATE_LIMITS, SET_UP
from integrations.connectors.google_workspace.standing import standing
from integrations.contract import Feed, Manifest, Organisation

_ADMIN = "https://developers.google.com/workspace/admin"

MANIFEST = Manifest(
    id="google_workspace",
    vendor="Google",
    title="Google Workspace",
    documentation="https://developers.google.com/workspace/guides/create-credentials",
    settings={
        "admin": "E-mail address of the administrator for whom Google is asked.",
        "token_endpoint": "Optional: Google's token endpoint, default "
                          "https://oauth2.googleapis.com/token.",
        "admin_endpoint": "Optional: Admin SDK, default https://admin.googleapis.com.",
        "gmail_endpoint": "Optional: Gmail, default https://gmail.googleapis.com.",
        "alert_center_endpoint": "Optional: Alert Center, default "
                                 "https://alertcenter.googleapis.com.",
    },
    secrets={"service_account_key": "The JSON key of the service account: the whole file."},
    permissions=PERMISSIONS,
    rate_limits=RATE_LIMITS,
    set_up=SET_UP,
    feeds=(
        Feed(
            name="users", title="Users with 2-step state and administrator roles",
            permissions=(scopes.USERS_READ, scopes.ROLES_READ),
            normalise=normaliser("users"), fetch=feeds.users, interval_seconds=900,
            lists=("account",),
            documentation=f"{_ADMIN}/directory/reference/rest/v1/users/list",
        ),
        Feed(
            name="tokens", title="Apps that users allowed access",
            permissions=(scopes.SECURITY, scopes.USERS_READ),
            normalise=normaliser("tokens"), fetch=feeds.tokens, interval_seconds=3600,
            lists=("oauth_grant",),
            documentation=f"{_ADMIN}/directory/reference/rest/v1/tokens/list",
        ),
        Feed(
            name="activities", title="Sign-in, admin, app, Drive and account activity",
            permissions=(scopes.AUDIT,),
            normalise=normaliser("activities"), fetch=feeds.activities, interval_seconds=300,
            documentation=f"{_ADMIN}/reports/reference/rest/v1/activities/list",
        ),
        Feed(
            name="alerts", title="Alerts of the Alert Center",
            permissions=(scopes.ALERTS,),
            normalise=normaliser("alerts"), fetch=feeds.alerts, interval_seconds=60,
            documentation=f"{_ADMIN}/alertcenter/reference/rest/v1beta1/alerts/list",
        ),
        Feed(
            name="mail_settings", title="Gmail filters, forwarding and delegates",
            permissions=(scopes.MAIL_SETTINGS, scopes.USERS_READ),
            normalise=normaliser("mail_settings"), fetch=feeds.mail_settings,
            interval_seconds=3600, lists=("inbox_rule", "mailbox_settings", "mailbox"),
            documentation="https://developers.google.com/workspace/gmail/api/reference/rest/v1/"
                          "users.settings",
        ),
    ),
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(
        part="admin", split=lambda admin: [admin.rpartition("@")[2]], told=customer
    ),
    explode=explode,
    standing=standing,
)  # fmt: skip
