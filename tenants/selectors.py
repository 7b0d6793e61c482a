"""Reads of the register of clients."""

from tenants.errors import TenantNotFound
from tenants.models import Tenant

_SHOWN = 20


def tenant_by_slug(slug: str) -> Tenant:
    """Return the tenant of that slug; TenantNotFound lists those there are."""
    # PostgreSQL refuses a NUL in a text, and no slug has one.
    tenant = None if "\0" in slug else Tenant.objects.filter(slug=slug).first()
    if tenant is not None:
        return tenant
    slugs = list(Tenant.objects.order_by("slug").values_list("slug", flat=True)[: _SHOWN + 1])
    known = ", ".join(slugs[:_SHOWN]) + (" …" if len(slugs) > _SHOWN else "")
    raise TenantNotFound(f"There is no client {slug!r}. Clients: {known or 'none yet'}.")
