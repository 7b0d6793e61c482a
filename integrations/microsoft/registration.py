"""The app registration that a connection signs in as, and where Microsoft's services are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.addresses import check_endpoint
from integrations.errors import ConnectionMisconfigured
from integrations.microsoft.tokens import Tokens
from integrations.session import Session
from integrations.transport import Transport

LOGIN = "https://login.microsoftonline.com"
_TENANT = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z.\-]{1,252}")

# What a technician enters for it, the same for every connector.
SETTINGS: Mapping[str, str] = {
    "tenant_id": "Directory (tenant) ID of the client, from the app registration's overview.",
    "client_id": "Application (client) ID of the app registration.",
    "login_endpoint": f"Optional: sign-in service, default {LOGIN}.",
}
SECRETS: Mapping[str, str] = {
    "client_secret": "A client secret of the app registration (its Value, not its ID).",
}


@dataclass(frozen=True, slots=True)
class Registration:
    """An app registration in one tenant."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    login: str

    def tokens(self, transport: Transport) -> Tokens:
        """Its tokens; nothing is sent yet."""
        return Tokens(self.tenant_id, self.client_id, self.client_secret, self.login, transport)


def registration(
    settings: Mapping[str, str], secrets: Mapping[str, str], *, title: str, private: bool
) -> Registration:
    """Read a connection's settings; ConnectionMisconfigured says which can't work."""
    tenant_id = _needed(settings, "tenant_id", title)
    client_id = _needed(settings, "client_id", title)
    if not _TENANT.fullmatch(tenant_id):
        raise ConnectionMisconfigured(
            "tenant_id must be the directory's ID (a GUID) or one of its domain names."
        )
    login = endpoint(settings, "login_endpoint", LOGIN, private=private)
    return Registration(tenant_id, client_id, _needed(secrets, "client_secret", title), login)


def endpoint(settings: Mapping[str, str], name: str, default: str, *, private: bool) -> str:
    """The service's address, checked unless it is the public one."""
    url = (settings.get(name) or default).rstrip("/")
    if url != default:
        check_endpoint(url, allow_private=private)
    return url


def scope(address: str, public: str) -> str:
    """The OAuth scope of a service. A simulator on http stands for the public cloud."""
    return f"{address if address.startswith('https://') else public}/.default"


def session(base_url: str, tokens: Tokens, of: str, transport: Transport) -> Session:
    """A session with one service, whose tokens have the scope `of`."""
    return Session(base_url, transport, tokens.of(of))


def _needed(values: Mapping[str, str], name: str, title: str) -> str:
    value = (values.get(name) or "").strip()
    if not value:
        raise ConnectionMisconfigured(f"The {title} connection lacks {name}: enter it.")
    return value
