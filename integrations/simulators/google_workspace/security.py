"""What apps were allowed, and app passwords, of the Directory API.

https://developers.google.com/workspace/admin/directory/reference/rest/v1/tokens
"""

from __future__ import annotations

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route

from .activity import note_admin
from .errors import missing
from .requests import admin_of, found_user, must_be_admin, whole
from .scopes import SECURITY


def _tokens(request: Request) -> Answer:
    must_be_admin(request)
    user = found_user(request)
    return whole("items", request.tenant.all(f"tokens:{user['id']}"), "admin#directory#tokenList")


def _delete_token(request: Request) -> Answer:
    actor, user = admin_of(request), found_user(request)
    collection, client = f"tokens:{user['id']}", request.params["client"]
    token = request.tenant.true(collection, client)
    if token is None:
        raise missing("clientId")
    request.tenant.remove(collection, client)
    note_admin(
        request, actor, "USER_SETTINGS", "REVOKE_3LO_TOKEN",
        USER_EMAIL=user["primaryEmail"], APP_ID=client,
    )  # fmt: skip
    request.effect("token.delete", f"{user['id']}/{client}")
    return Answer(204)


def _asps(request: Request) -> Answer:
    must_be_admin(request)
    user = found_user(request)
    return whole("items", request.tenant.all(f"asps:{user['id']}"), "admin#directory#aspList")


def _delete_asp(request: Request) -> Answer:
    admin_of(request)
    user = found_user(request)
    collection, code = f"asps:{user['id']}", request.params["code"]
    if request.tenant.true(collection, code) is None:
        raise missing("codeId")
    request.tenant.remove(collection, code)
    request.effect("asp.delete", f"{user['id']}/{code}")
    return Answer(204)


_USER = "/admin/directory/v1/users/{user}"
ROUTES: list[Route] = [
    route("GET", f"{_USER}/tokens", _tokens, SECURITY),
    route("DELETE", f"{_USER}/tokens/{{client}}", _delete_token, SECURITY),
    route("GET", f"{_USER}/asps", _asps, SECURITY),
    route("DELETE", f"{_USER}/asps/{{code}}", _delete_asp, SECURITY),
]
