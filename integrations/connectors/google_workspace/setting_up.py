"""How a client's Google Workspace is connected: steps, scopes, and Google's rate limits."""

from integrations.connectors.google_workspace import scopes
from integrations.contract import Permission, RateLimit, SetUpStep

_ADMIN = "https://developers.google.com/workspace/admin"
_GMAIL = "https://developers.google.com/workspace/gmail/api"
_DELEGATION = "https://support.google.com/a/answer/162106"
_SOURCES = {
    scopes.USERS_READ: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.USERS: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.SECURITY: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.DOMAINS_READ: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.ROLES_READ: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.ROLES: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.GROUPS_READ: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.MEMBERS: f"{_ADMIN}/directory/v1/guides/authorizing",
    scopes.AUDIT: f"{_ADMIN}/reports/v1/guides/authorizing",
    scopes.ALERTS: f"{_ADMIN}/alertcenter/guides/prerequisites",
    scopes.MAIL_SETTINGS: f"{_GMAIL}/auth/scopes",
    scopes.MAIL_SHARING: f"{_GMAIL}/auth/scopes",
    scopes.MAIL_READ: f"{_GMAIL}/auth/scopes",
    scopes.MAIL: f"{_GMAIL}/auth/scopes",
}

PERMISSIONS: tuple[Permission, ...] = tuple(
    Permission(
        scope,
        "In the Admin console under Security, API controls, Domain-wide delegation, add "
        f"{scope} to the service account's client ID.",
        page,
    )
    for scope, page in _SOURCES.items()
)

RATE_LIMITS: tuple[RateLimit, ...] = (
    RateLimit("project and user, Directory", 2_400, 60, f"{_ADMIN}/directory/v1/limits"),
    RateLimit("project and user, Reports", 2_400, 60, f"{_ADMIN}/reports/v1/limits"),
    RateLimit("project and user, Gmail (quota units)", 15_000, 60, f"{_GMAIL}/reference/quota"),
    RateLimit("project, Alert Center", 1_000, 100, f"{_ADMIN}/alertcenter/limits"),
)

SET_UP: tuple[SetUpStep, ...] = (
    SetUpStep(
        "In a Google Cloud project, switch on the Admin SDK, Gmail and Google Workspace Alert "
        "Center APIs.",
        "https://developers.google.com/workspace/guides/enable-apis",
    ),
    SetUpStep(
        "Create a service account, note its client ID, and create a JSON key for it.",
        "https://developers.google.com/workspace/guides/create-credentials#service-account",
    ),
    SetUpStep(
        "In the client's Admin console, delegate the scopes of the feeds and actions that you "
        "want to that client ID.",
        _DELEGATION,
    ),
    SetUpStep(
        "Choose the administrator for whom Holdfast asks: one of its own, with the roles that "
        "the wanted actions need. To change administrators' accounts it must be a super "
        "administrator.",
        "https://support.google.com/a/answer/2405986",
    ),
)
