"""The simulator asks for the scopes that Google's discovery documents ask for, no others."""

from __future__ import annotations

import json
import re

import pytest

from integrations.simulators.google_workspace.simulator import GoogleWorkspace
from tests.contracts.discovery import methods
from tests.contracts.published import GOOGLE


def _bare(template: str) -> str:
    """A path's template without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", template)


SCOPES = {
    (method["httpMethod"], _bare(f"/{method.get('flatPath') or method['path']}")): method["scopes"]
    for path in GOOGLE.files
    for method in methods(json.loads(path.read_text()))
    if "scopes" in method
}


@pytest.mark.parametrize("route", GoogleWorkspace.routes, ids=lambda r: f"{r.method} {r.template}")
def test_a_route_is_googles_and_asks_for_its_scopes(route) -> None:
    asked = SCOPES[route.method, _bare(route.template)]
    assert route.permissions
    assert route.permissions <= set(asked)
    # Only scopes for add-ons and whole clouds are left out.
    assert all("addons" in s or "cloud" in s for s in set(asked) - route.permissions)
