"""Licences of users.

Source: https://learn.microsoft.com/graph/api/user-assignlicense
"""

from __future__ import annotations

from .errors import bad_request
from .graph import Answer, Request, Route, audit, entity, existing, listing, one, route
from .users import project, user_id

_READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_WRITE = ("LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All")


def list_licences(request: Request) -> Answer:
    uid = user_id(request)
    user = one(request, "users", uid)
    owned = {licence["skuId"] for licence in user.get("assignedLicenses", [])}
    records = [
        {key: sku[key] for key in ("skuId", "skuPartNumber", "servicePlans", "id")}
        for sku in request.tenant.all("subscribedSkus")
        if sku["skuId"] in owned
    ]
    return listing(request, records, f"users('{uid}')/licenseDetails")


def assign_licence(request: Request) -> Answer:
    uid = user_id(request, for_writing=True)
    body = request.json({"addLicenses", "removeLicenses"})
    user = existing(request, "users", uid)
    skus = {sku["skuId"] for sku in request.tenant.true_all("subscribedSkus")}
    held = {one_["skuId"]: one_ for one_ in user["assignedLicenses"]}
    for sku in body.get("removeLicenses") or []:
        if sku not in held:
            raise bad_request("User does not have a corresponding license.", "Request_BadRequest")
        del held[sku]
        request.effect("licence.remove", f"{uid}/{sku}")
    for added in body.get("addLicenses") or []:
        if added.get("skuId") not in skus:
            raise bad_request(
                f"License {added.get('skuId')} does not correspond to a valid company License.",
                "Request_BadRequest",
            )
        held[added["skuId"]] = {
            "disabledPlans": added.get("disabledPlans") or [], "skuId": added["skuId"],
        }  # fmt: skip
        request.effect("licence.assign", f"{uid}/{added['skuId']}")
    states = [
        {
            "skuId": sku,
            "disabledPlans": one_["disabledPlans"],
            "assignedByGroup": None,
            "state": "Active",
            "error": "None",
            "lastUpdatedDateTime": request.now(),
        }
        for sku, one_ in held.items()
    ]
    after = request.tenant.update(
        "users", uid, {"assignedLicenses": list(held.values()), "licenseAssignmentStates": states}
    )
    audit(request, "Change user license", after)
    return entity(project(after, []), "users")


ROUTES: list[Route] = [
    route("GET", "/users/{user}/licenseDetails", list_licences, *_READ),
    route("POST", "/users/{user}/assignLicense", assign_licence, *_WRITE),
]
