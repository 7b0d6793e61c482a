"""What the OpenAPI document says beyond the views: how to authenticate."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Either header carries the key."""

    target_class = "msp.api.authentication.ApiKeyAuthentication"
    name = ["bearerKey", "headerKey"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """Return that one of the two is enough."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Return both schemes."""
        scope = getattr(auto_schema.view, "required_scope", "")
        told = f"An API key with the scope `{scope}`, made with `manage.py apikey create`."
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "hf_…", "description": told},
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": told},
        ]
