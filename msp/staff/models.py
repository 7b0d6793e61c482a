"""Who works here: technicians, and the API credentials of machines."""

import hashlib
import secrets
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models import Tenant, new_id


class Role(models.TextChoices):
    """What a technician may do; each role may do what the one before it may."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Return the role's height on the ladder, 0 for the lowest."""
        return list(Role).index(self)


class Technician(AbstractUser):
    """A person who works for the MSP."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    sees_all_tenants = models.BooleanField(default=True)
    tenants = models.ManyToManyField(Tenant, blank=True, related_name="+")

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = "technician"

    def has_role(self, role: Role) -> bool:
        """Whether this technician is active and stands at least as high as `role`."""
        return self.is_active and Role(self.role).rank >= role.rank


class ApiKey(models.Model):
    """A machine's credential. Only its SHA-256 is kept: the key has 256 random bits."""

    class Scope(models.TextChoices):
        LICENSING_READ = "licensing:read"
        MEASURES_READ = "measures:read"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    prefix = models.CharField(max_length=12, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=64, choices=Scope), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def new_secret() -> tuple[str, str, str]:
        """Return a new key, its public prefix, and the hash to keep. The key is shown once."""
        key = f"hf_{secrets.token_urlsafe(32)}"
        return key, key[:10], ApiKey.hash(key)

    @staticmethod
    def hash(key: str) -> str:
        """Return the SHA-256 (hex) by which a key is looked up."""
        return hashlib.sha256(key.encode()).hexdigest()
