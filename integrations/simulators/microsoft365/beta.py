"""What Graph serves in beta only: per-user multifactor authentication.

Source: https://learn.microsoft.com/graph/api/authentication-update
"""

from __future__ import annotations

from .errors import bad_request
from .graph import METADATA, Answer, Request, Route, Router, no_content, route
from .users import user_id

_PERMISSION = "Policy.ReadWrite.AuthenticationMethod"
_STATES = ("disabled", "enabled", "enforced")
_PATH = "/users/{user}/authentication/requirements"


def get_requirements(request: Request) -> Answer:
    found = request.tenant.get("mfaRequirements", user_id(request))
    context = f"{METADATA.replace('v1.0', 'beta')}#microsoft.graph.strongAuthenticationRequirements"
    state = found["perUserMfaState"] if found else "disabled"
    return Answer(200, {"@odata.context": context, "perUserMfaState": state})


def update_requirements(request: Request) -> Answer:
    uid = user_id(request, for_writing=True)
    state = request.json({"perUserMfaState"}).get("perUserMfaState")
    if state not in _STATES:
        raise bad_request("Invalid value for 'perUserMfaState'.")
    request.tenant.put("mfaRequirements", {"id": uid, "perUserMfaState": state})
    request.effect("user.require_mfa", uid, state=state)
    return no_content()


ROUTES: list[Route] = [
    route("GET", _PATH, get_requirements, _PERMISSION),
    route("PATCH", _PATH, update_requirements, _PERMISSION),
]
ROUTER = Router(ROUTES)
