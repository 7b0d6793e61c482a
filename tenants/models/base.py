"""What every row that belongs to a client has."""

import uuid
from typing import Any, Self, cast

import uuid_utils.compat
from django.db import models
from django.db.models.fields.related_lookups import RelatedExact
from django.db.models.sql.where import AND

from tenants import scope


def new_id() -> uuid.UUID:
    """Return a new UUIDv7: unique, and ordered by the time it was made."""
    return uuid_utils.compat.uuid7()


class TenantManager(models.Manager):
    """Filters by the tenant of the scope, on top of what row-level security does anyway.

    The filter lets PostgreSQL use the indexes that start with the tenant.
    """

    def get_queryset(self) -> models.QuerySet:
        """Return the rows of the scope's tenant (in a reading scope: of the tenants in it)."""
        tenant_id = scope.current_tenant_id()
        rows = super().get_queryset()
        if tenant_id is not None:
            # What `filter` comes to, without finding its way from names to columns each time.
            field = cast("models.ForeignKey", self.model._meta.get_field("tenant"))
            column = field.get_col(rows.query.get_initial_alias())
            rows.query.where.add(RelatedExact(column, tenant_id), AND)
        return rows


class TenantModel(models.Model):
    """A row of one tenant; its table stands under row-level security."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", editable=False
    )

    objects = TenantManager()

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not args and "tenant" not in kwargs and "tenant_id" not in kwargs:
            kwargs["tenant_id"] = scope.current_tenant_id()
        super().__init__(*args, **kwargs)

    @classmethod
    def in_scope(cls) -> "models.QuerySet[Self]":
        """Return this model's rows in the current scope (typed shorthand for `objects.all()`)."""
        return cast("models.QuerySet[Self]", cls._default_manager.all())
