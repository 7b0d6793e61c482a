"""Which collection of Graph an address belongs to, and whose it is.

Source: https://learn.microsoft.com/graph/api/overview
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

# A feed of this connector, or one of these where Graph gives objects of several kinds or others.
MEMBERS = "members"
REGISTRATIONS = "registrations"
ROWS = "rows"
OTHER = "other"

_KEY = r"(?:\('[^']*'\)|/[^/]+)?"
# The first that matches the path after the version decides.
_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"security/(incidents/[^/]+/)?alerts(_v2)?\b", "alerts"),
    (r"security/incidents\b", "incidents"),
    (r"security/auditlog/queries", "unified_audit"),
    (r"security/(microsoft\.graph\.security\.)?runhuntingquery\b", ROWS),
    (r"auditlogs/signins\b", "sign_ins"),
    (r"auditlogs/directoryaudits\b", "directory_audit"),
    (r"identityprotection/(serviceprincipal)?riskdetections\b", "risk_detections"),
    (r"identityprotection/risky(users|serviceprincipals)\b", "risky_users"),
    (r"reports/authenticationmethods/userregistrationdetails\b", REGISTRATIONS),
    (r"admin/exchange/tracing/messagetraces\b", "message_trace"),
    (rf"users{_KEY}/mailfolders{_KEY}/messagerules\b", "inbox_rules"),
    (rf"users{_KEY}/authentication/\w*methods\b", "auth_methods"),
    (rf"users{_KEY}/mailboxsettings\b", "mailbox_settings"),
    (rf"(users|serviceprincipals){_KEY}/oauth2permissiongrants\b", "oauth_grants"),
    (rf"(users|groups|serviceprincipals){_KEY}/approleassign(ments|edto)\b", "oauth_grants"),
    (r"(oauth2permissiongrants|approleassignments)\b", "oauth_grants"),
    (rf"(users|groups|directoryroles|serviceprincipals|devices){_KEY}/"
     r"(transitive)?(members|memberof|owners)\b", MEMBERS),
    (rf"users{_KEY}/(assignlicense|reprocesslicenseassignment|restore)\b", "users"),
    (rf"users{_KEY}/manager\b", MEMBERS),
    (r"directoryobjects\b", MEMBERS),
    (r"(directoryroles|directoryroletemplates)\b", "roles"),
    (r"rolemanagement/directory/role\w+\b", "roles"),
    (r"(users|groups|serviceprincipals)(\('[^']*'\)|/[^/]+)/[^/$]+", OTHER),
    (r"users\b", "users"),
    (r"groups\b", "groups"),
    (r"serviceprincipals\b", "service_principals"),
    (r"(identity/)?conditionalaccess/(policies|namedlocations)\b", "policies"),
    (r"namedlocations\b", "policies"),
    (r"policies/", "policies"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), name) for pattern, name in _PATTERNS)
_VERSION = re.compile(r"^/?(v1\.0|beta|\d{4}-\d{2}|v2)/", re.IGNORECASE)
_OWNER = re.compile(r"^(?:users)(?:/|\(')([^/'(]+)", re.IGNORECASE)
_FUNCTIONS = frozenset({"delta", "delta()", "microsoft.graph.delta()", "$count", "$ref"})


@dataclass(frozen=True, slots=True)
class Resource:
    """A place in Graph: `feed` is one of ours, one of the words above, or "" where unknown."""

    feed: str
    path: str = ""
    user_id: str = ""


def resource_of(url: str) -> Resource:
    """Return what an address, or a metadata fragment (``$metadata#users``), leads to."""
    if not url:
        return Resource("")
    if "$metadata#" in url:
        fragment = url.split("$metadata#", 1)[1].removesuffix("/$entity")
        # What was selected and expanded stands in brackets after the name.
        path = re.sub(r"\((?!')[^)]*\)+", "", unquote(fragment))
        path = re.sub(r"^me(?=/|$)", "users/me", path, flags=re.IGNORECASE)
        if path.lower().endswith("edm.string") or path.startswith("Edm."):
            return Resource("")
    else:
        parts = urlsplit(url)
        path = unquote(parts.path)
        if parts.hostname and not _VERSION.match(path):
            return Resource(OTHER, path.strip("/"))
        path = _VERSION.sub("", path, count=1)
        path = re.sub(r"^/?me(?=/|$)", "users/me", path, flags=re.IGNORECASE)
    path = "/".join(p for p in path.strip("/").split("/") if p.lower() not in _FUNCTIONS)
    lower = path.lower()
    owner = _OWNER.match(path)
    user_id = owner.group(1) if owner and owner.group(1).lower() != "me" else ""
    for pattern, name in _COMPILED:
        if pattern.match(lower):
            return Resource(name, path, user_id)
    return Resource(OTHER, path, user_id)
