"""An Entra tenant: names, and the collection of which Graph tells what changed."""

from __future__ import annotations

from integrations.simulators.base.store import App, Tenant, stable_id


def initial_domain(tenant: Tenant) -> str:
    """The onmicrosoft.com name that every tenant has."""
    return f"{tenant.domain.split('.')[0].replace('-', '')}.onmicrosoft.com"


def object_id(app: App) -> str:
    """The id of an application's service principal in its tenant."""
    return stable_id("service-principal", app.client_id)


class EntraTenant(Tenant):
    """One Entra tenant."""

    tracked = frozenset({"users"})

    @property
    def names(self) -> frozenset[str]:
        """Its id and its domains."""
        return super().names | {initial_domain(self)}
