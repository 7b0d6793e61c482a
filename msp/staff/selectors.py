"""Which clients a technician may see."""

import uuid

from django.db.models import QuerySet

from msp.staff.models import Technician
from tenants import scope
from tenants.models import Tenant


def readable(technician: Technician) -> list[uuid.UUID] | str:
    """Return what `scope.reading` takes for this technician: tenant ids, or `scope.ALL`."""
    if technician.sees_all_tenants:
        return scope.ALL
    return list(technician.tenants.values_list("id", flat=True))


def tenants_of(technician: Technician) -> QuerySet[Tenant]:
    """Return the clients that this technician may see.

    The register of clients is not under row-level security: read it through here.
    """
    if technician.sees_all_tenants:
        return Tenant.objects.all()
    return Tenant.objects.filter(id__in=technician.tenants.values("id"))


def sees(technician: Technician, tenant_id: uuid.UUID) -> bool:
    """Whether this technician may see that client."""
    return technician.is_active and tenants_of(technician).filter(id=tenant_id).exists()
