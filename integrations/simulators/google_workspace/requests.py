"""What handlers of all Google's APIs do with a request: who is meant, who may, and pages."""

from __future__ import annotations

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, cut
from integrations.simulators.base.store import Record, Tenant

from .errors import missing, refusal

# The header under which the simulator hands on for whom the caller's token acts.
SUBJECT = "x-simulator-subject"


def user_of(tenant: Tenant, key: str) -> Record | None:
    """A user by id, primary address or alias, as it really is."""
    wanted = key.casefold()
    for user in tenant.true_all("users"):
        names = {user["id"], user["primaryEmail"], *user.get("aliases", [])}
        if wanted in {str(name).casefold() for name in names}:
            return user
    return None


def found_user(request: Request) -> Record:
    """The user that the path names, as it really is; 404 where there is none."""
    user = user_of(request.tenant, request.params["user"])
    if user is None:
        raise missing("userKey")
    return user


def seen_user(request: Request) -> Record:
    """The user that the path names, as readers see it now."""
    seen = request.tenant.get("users", found_user(request)["id"])
    if seen is None:
        raise missing("userKey")
    return seen


def must_be_admin(request: Request) -> None:
    """Directory, Reports and Alert Center answer administrators only."""
    actor = user_of(request.tenant, request.headers.get(SUBJECT, ""))
    if actor is None or not (actor["isAdmin"] or actor["isDelegatedAdmin"]):
        raise refusal(403, "Not Authorized to access this resource/api")


def admin_of(request: Request) -> Record:
    """The administrator for whom the caller acts."""
    must_be_admin(request)
    found = user_of(request.tenant, request.headers[SUBJECT])
    assert found is not None
    return found


def body_of(request: Request, *known: str) -> Record:
    """The request's body, which may hold these fields; 400 for others or none."""
    body = request.body
    if not isinstance(body, dict) or set(body) - {*known, "kind", "etag"}:
        raise refusal(400, "Invalid JSON payload received.")
    return body


def page(
    request: Request, name: str, found: list[Record], size_option: str, kind: str = ""
) -> Answer:
    """One page of a list; an empty list is left out, as Google does."""
    asked = request.options.get(size_option) or str(request.page_size)
    token = request.options.get("pageToken") or "0"
    if not asked.isdigit() or not token.isdigit():
        raise refusal(400, "Invalid Input: pageToken")
    size = max(1, min(int(asked), request.largest_page))
    records, following = cut(found, int(token), size, request.faults)
    told: Record = {"kind": kind, "etag": '"simulated"'} if kind else {}
    if records:
        told[name] = records
    if following is not None:
        told["nextPageToken"] = str(following)
    return Answer(200, told)


def whole(name: str, found: list[Record], kind: str = "") -> Answer:
    """A list that has no pages."""
    told: Record = {"kind": kind, "etag": '"simulated"'} if kind else {}
    return Answer(200, {**told, **({name: found} if found else {})})
