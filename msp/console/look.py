"""How the admin site looks: name, colours, and what stands in the sidebar.

Imported by the settings, so it imports no models.
"""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from msp import relaxed


def _is_admin(request: HttpRequest) -> bool:
    return getattr(request.user, "role", "") == "admin"


def _style(_request: HttpRequest) -> str:
    return static("console/console.css")


def _switched_off(_request: HttpRequest) -> list[str] | None:
    """Return the label beside the technician's name, on every page."""
    if relaxed.by_demo():
        return ["Demo", "warning"]
    return ["Not protected", "danger"] if relaxed.by_environment() else None


def _icon(_request: HttpRequest) -> str:
    return static("console/icon.svg")


def _item(title: str, icon: str, link: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(link), **more}


# Tailwind's "sky" from 600 on a step darker, so that white text on it has a ratio above 4.5.
_PRIMARY = {
    "50": "#f0f9ff",
    "100": "#e0f2fe",
    "200": "#bae6fd",
    "300": "#7dd3fc",
    "400": "#38bdf8",
    "500": "#0ea5e9",
    "600": "#0369a1",
    "700": "#075985",
    "800": "#0c4a6e",
    "900": "#0b3d5c",
    "950": "#082f49",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Holdfast",
    "SITE_HEADER": "Holdfast",
    "SITE_SYMBOL": "anchor",
    "SITE_URL": None,
    "ENVIRONMENT": _switched_off,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": _PRIMARY,
        "font": {
            "subtle-light": "var(--color-base-600)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-300)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "STYLES": [_style],
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("account_change_password")},
            {"title": "Second sign-in factor", "link": reverse_lazy("mfa_index")},
        ]
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Work",
                "items": [
                    _item("Work queue", "inbox", "console:queue"),
                    _item("Approvals", "how_to_vote", "console:approvals"),
                    _item("Routines", "event_repeat", "console:routines"),
                    _item("Cases", "folder_open", "admin:tenants_case_changelist"),
                    _item("Playbooks", "menu_book", "console:playbooks"),
                    _item("Known good", "verified", "console:known_good"),
                    _item("Intelligence", "travel_explore", "console:intelligence"),
                    _item("Findings", "notifications", "admin:tenants_finding_changelist"),
                    _item("Detections", "radar", "console:detections"),
                    _item("ATT&CK coverage", "grid_view", "console:coverage"),
                ],
            },
            {
                "title": "Clients",
                "items": [
                    _item("All clients", "apartment", "console:tenants"),
                    _item(
                        "Bring clients in",
                        "person_add",
                        "console:onboarding",
                        permission=_is_admin,
                    ),
                    _item("Rules of engagement", "gavel", "console:msp_rules"),
                    _item("Accounts", "person", "admin:tenants_account_changelist"),
                    _item("Doubtful matches", "group", "console:matches"),
                    _item("Connections", "cable", "console:health"),
                    _item("Connectors", "hub", "console:connectors"),
                    _item("Quarantine", "report", "console:quarantine"),
                ],
            },
            {
                "title": "Proof",
                "items": [
                    _item("Quality", "fact_check", "console:quality"),
                    _item("Measures", "speed", "console:measures"),
                    _item("Ledger", "receipt_long", "console:ledgers"),
                    _item("Reports", "description", "admin:reports_report_changelist"),
                ],
            },
            {
                "title": "Staff",
                "items": [
                    _item(
                        "Technicians",
                        "badge",
                        "admin:staff_technician_changelist",
                        permission=_is_admin,
                    ),
                    _item("API keys", "key", "admin:staff_apikey_changelist", permission=_is_admin),
                ],
            },
        ],
    },
}
