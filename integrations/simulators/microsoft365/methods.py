"""Authentication methods of users, by kind.

Source: https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview
"""

from __future__ import annotations

from integrations.simulators.base.store import Record

from .errors import GraphError, bad_request, not_found
from .graph import Answer, Request, Route, audit, entity, existing, listing, no_content, one, route
from .users import user_id

_READ_METHODS = ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All")
_WRITE_METHODS = ("UserAuthenticationMethod.ReadWrite.All",)
METHOD_TYPES = {
    "passwordMethods": "passwordAuthenticationMethod",
    "phoneMethods": "phoneAuthenticationMethod",
    "microsoftAuthenticatorMethods": "microsoftAuthenticatorAuthenticationMethod",
    "fido2Methods": "fido2AuthenticationMethod",
    "softwareOathMethods": "softwareOathAuthenticationMethod",
    "emailMethods": "emailAuthenticationMethod",
    "temporaryAccessPassMethods": "temporaryAccessPassAuthenticationMethod",
    "windowsHelloForBusinessMethods": "windowsHelloForBusinessAuthenticationMethod",
    "platformCredentialMethods": "platformCredentialAuthenticationMethod",
    "externalAuthenticationMethods": "externalAuthenticationMethod",
}
# The same in every tenant: https://learn.microsoft.com/graph/api/resources/phoneauthenticationmethod
PHONE_IDS = {
    "mobile": "3179e48a-750b-4051-897c-87b9720928f7",
    "alternateMobile": "b6332ec1-7057-4abe-9331-3d72feddfe41",
    "office": "e37fc753-ff3b-4958-9484-eaa9425c82bc",
}
PASSWORD_METHOD_ID = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105


def _methods(request: Request) -> str:
    return f"methods:{user_id(request)}"


def list_methods(request: Request) -> Answer:
    uid = user_id(request)
    records = request.tenant.all(f"methods:{uid}")
    return listing(request, records, f"users('{uid}')/authentication/methods")


def get_method(request: Request) -> Answer:
    return entity(
        one(request, _methods(request), request.params["method"]), "authenticationMethods"
    )


def _is_of(record: Record | None, segment: str) -> bool:
    name = METHOD_TYPES.get(segment)
    return record is not None and record["@odata.type"] == f"#microsoft.graph.{name}"


def _segment(request: Request) -> str:
    wanted = request.params["kind"].casefold()
    for segment in METHOD_TYPES:
        if segment.casefold() == wanted:
            return segment
    raise bad_request(f"Resource not found for the segment '{request.params['kind']}'.")


def list_typed_methods(request: Request) -> Answer:
    segment = _segment(request)
    uid = user_id(request)
    found = [m for m in request.tenant.all(f"methods:{uid}") if _is_of(m, segment)]
    return listing(request, found, f"users('{uid}')/authentication/{segment}")


def get_typed_method(request: Request) -> Answer:
    segment = _segment(request)
    record = one(request, _methods(request), request.params["method"])
    if not _is_of(record, segment):
        raise not_found(request.params["method"])
    return entity(record, segment)


def delete_typed_method(request: Request) -> Answer:
    segment = _segment(request)
    if segment == "passwordMethods":
        raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
    uid = user_id(request, for_writing=True)
    method_id = request.params["method"]
    record = existing(request, f"methods:{uid}", method_id)
    if not _is_of(record, segment):
        raise not_found(method_id)
    request.tenant.remove(f"methods:{uid}", method_id)
    request.effect("auth_method.delete", f"{uid}/{segment}/{method_id}")
    _audit_method(request, uid, "Admin deleted security info")
    return no_content()


def add_phone_method(request: Request) -> Answer:
    uid = user_id(request, for_writing=True)
    body = request.json({"phoneNumber", "phoneType", "smsSignInState", "id", "createdDateTime"})
    phone_type, number = body.get("phoneType"), body.get("phoneNumber")
    if phone_type not in PHONE_IDS or not isinstance(number, str) or not number.startswith("+"):
        raise bad_request("Invalid phoneNumber or phoneType.", "invalidRequest")
    method_id = PHONE_IDS[str(phone_type)]
    if request.tenant.true(f"methods:{uid}", method_id) is not None:
        raise bad_request(f"The {phone_type} phone is already registered.", "resourceAlreadyExists")
    record = {
        "@odata.type": "#microsoft.graph.phoneAuthenticationMethod",
        "id": method_id,
        "createdDateTime": request.now(),
        "phoneNumber": number,
        "phoneType": phone_type,
        "smsSignInState": "notAllowedByPolicy",
    }
    request.tenant.put(f"methods:{uid}", record)
    request.effect("auth_method.add", f"{uid}/phoneMethods/{method_id}")
    _audit_method(request, uid, "Admin registered security info")
    answer = entity(record, "phoneMethods")
    answer.status = 201
    return answer


def _audit_method(request: Request, uid: str, activity: str) -> None:
    user = request.tenant.true("users", uid) or {"id": uid}
    audit(request, activity, user, service="Authentication Methods")


def registration_details(request: Request) -> Answer:
    records = [_registration(request, user) for user in request.tenant.all("users")]
    return listing(request, records, "userRegistrationDetails")


def get_registration_details(request: Request) -> Answer:
    return entity(_registration(request, one(request, "users", user_id(request))), "reports")


def _registration(request: Request, user: Record) -> Record:
    types = {m["@odata.type"].split(".")[-1] for m in request.tenant.all(f"methods:{user['id']}")}
    names = {
        "phoneAuthenticationMethod": "mobilePhone",
        "microsoftAuthenticatorAuthenticationMethod": "microsoftAuthenticatorPush",
        "fido2AuthenticationMethod": "passKeyDeviceBound",
        "softwareOathAuthenticationMethod": "softwareOneTimePasscode",
        "emailAuthenticationMethod": "email",
        "windowsHelloForBusinessAuthenticationMethod": "windowsHelloForBusiness",
    }
    registered = sorted(names[t] for t in types if t in names)
    strong = [name for name in registered if name != "email"]
    roles = request.tenant.all("roleAssignments")
    return {
        "id": user["id"],
        "isAdmin": any(r["principalId"] == user["id"] for r in roles),
        "isMfaCapable": bool(strong),
        "isMfaRegistered": bool(strong),
        "isPasswordlessCapable": bool(
            {"passKeyDeviceBound", "windowsHelloForBusiness"} & {*strong}
        ),
        "isSsprCapable": bool(registered),
        "isSsprEnabled": True,
        "isSsprRegistered": bool(registered),
        "isSystemPreferredAuthenticationMethodEnabled": True,
        "lastUpdatedDateTime": request.now(),
        "methodsRegistered": registered,
        "systemPreferredAuthenticationMethods": [],
        "userDisplayName": user["displayName"],
        "userPreferredMethodForSecondaryAuthentication": "push" if strong else "none",
        "userPrincipalName": user["userPrincipalName"],
        "userType": str(user["userType"]).lower(),
    }


_METHODS = "/users/{user}/authentication/{kind}"
ROUTES: list[Route] = [
    route("GET", "/users/{user}/authentication/methods", list_methods, *_READ_METHODS),
    route("GET", "/users/{user}/authentication/methods/{method}", get_method, *_READ_METHODS),
    route("POST", "/users/{user}/authentication/phoneMethods", add_phone_method, *_WRITE_METHODS),
    route("GET", _METHODS, list_typed_methods, *_READ_METHODS),
    route("GET", _METHODS + "/{method}", get_typed_method, *_READ_METHODS),
    route("DELETE", _METHODS + "/{method}", delete_typed_method, *_WRITE_METHODS),
    route(
        "GET",
        "/reports/authenticationMethods/userRegistrationDetails",
        registration_details,
        "AuditLog.Read.All",
    ),
    route(
        "GET",
        "/reports/authenticationMethods/userRegistrationDetails/{user}",
        get_registration_details,
        "AuditLog.Read.All",
    ),
]
