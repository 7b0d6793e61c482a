"""The register of the MSP's clients."""

from django.db import models

from tenants.models.base import new_id


class PlaybookMode(models.TextChoices):
    """How far a playbook may go for a tenant by itself."""

    SHADOW = "shadow"
    APPROVE = "approve"
    AUTOMATIC = "automatic"


class Tenant(models.Model):
    """One client organisation of the MSP."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC")
    country = models.CharField(max_length=2, blank=True)
    contact_name = models.CharField(max_length=200, blank=True)
    contact_email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    actions_stopped = models.BooleanField(
        default=False, help_text="Kill switch: no step of this tenant is carried out."
    )
    playbook_mode = models.CharField(
        max_length=16,
        choices=PlaybookMode,
        default=PlaybookMode.SHADOW,
        help_text="How playbooks begin here, until each is promoted: new clients start in shadow.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Installation(models.Model):
    """The one row of settings that hold for all tenants of this installation."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    msp_name = models.CharField(max_length=200, default="Your MSP")
    msp_contact = models.CharField(max_length=200, blank=True)
    actions_stopped = models.BooleanField(
        default=False, help_text="Kill switch: no step of any tenant is carried out."
    )
    own_identities = models.JSONField(
        default=list,
        blank=True,
        help_text="The MSP's own accounts, by username, e-mail domain (@…) or id: never touched.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="only_one_row")]

    def __str__(self) -> str:
        return self.msp_name
