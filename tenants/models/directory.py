"""A tenant's directory: who there is, with which accounts, devices and mailboxes."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone

from tenants.models.base import TenantModel

# How much hangs on a person or device, from 1 (low) to 4 (critical), where nobody says otherwise.
NORMAL_CRITICALITY = 2


class Weighed(models.Model):
    """What a technician said of how critical it is, above any feed's word."""

    criticality_by_hand = models.PositiveSmallIntegerField(
        null=True, help_text="1 low … 4 critical; empty: nobody said"
    )
    criticality_by = models.CharField(max_length=200, blank=True)
    criticality_because = models.TextField(blank=True)

    class Meta:
        abstract = True


class Person(TenantModel):
    """A human being of the client; owns accounts, uses devices, is what a seat is counted by."""

    display_name = models.CharField(max_length=256)
    primary_email = models.CharField(max_length=320, blank=True)
    job_title = models.CharField(max_length=256, blank=True)
    is_vip = models.BooleanField(default=False)
    criticality = models.PositiveSmallIntegerField(
        default=NORMAL_CRITICALITY, help_text="1 low … 4 critical"
    )
    criticality_because = models.TextField(blank=True, help_text="who says so, and why")

    class Meta:
        ordering = ["display_name"]
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.display_name


class Listed(TenantModel):
    """What a provider lists: which list told of it last, so that what is gone is noticed."""

    deleted_upstream_at = models.DateTimeField(null=True, blank=True)
    listed_by = models.UUIDField(null=True, editable=False, help_text="which list told of it last")
    listed_in = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="in which reading of that list"
    )

    class Meta:
        abstract = True


class Account(Listed, Weighed):
    """One identity at one provider."""

    class Kind(models.TextChoices):
        MEMBER = "member"
        GUEST = "guest"
        SERVICE = "service"
        SHARED = "shared", "shared mailbox"

    class Authority(models.TextChoices):
        CLOUD = "cloud"
        ACTIVE_DIRECTORY = "active_directory"
        UNKNOWN = "unknown"

    person = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    own_person = models.OneToOneField(
        Person,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="first_account",
        help_text="whom it made when it stood alone; taken up again when a joining is undone",
    )
    provider = models.CharField(max_length=64, help_text="the connector it came from")
    external_id = models.CharField(max_length=256)
    username = models.CharField(max_length=320, help_text="user principal name or login")
    email = models.CharField(max_length=320, blank=True)
    display_name = models.CharField(max_length=256, blank=True)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.MEMBER)
    kind_set_by = models.CharField(
        max_length=200,
        blank=True,
        help_text="who decided the kind by hand; then no provider's feed changes it",
    )
    is_enabled = models.BooleanField(null=True, help_text="empty: not known")
    is_licensed = models.BooleanField(null=True, help_text="empty: not known")
    roles = models.JSONField(default=list, blank=True, help_text="directory roles held")
    is_privileged = models.BooleanField(default=False)
    vip_by_hand = models.BooleanField(
        null=True, help_text="a technician's word on a VIP, above any feed's; empty: nobody said"
    )
    is_break_glass = models.BooleanField(default=False)
    is_excluded = models.BooleanField(
        default=False, help_text="Named exclusion: no action ever touches this account."
    )
    source_of_authority = models.CharField(
        max_length=20, choices=Authority, default=Authority.UNKNOWN
    )
    on_premises_sid = models.CharField(max_length=200, blank=True)
    is_mfa_registered = models.BooleanField(null=True, help_text="empty: not known")
    risk_level = models.CharField(max_length=16, blank=True, help_text="as the provider says")
    last_seen_at = models.DateTimeField(
        null=True, blank=True, help_text="its last sign-in that is known"
    )
    attributes = models.JSONField(default=dict, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["username"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "external_id"], name="account_once_per_provider"
            )
        ]
        indexes = [models.Index(fields=["tenant", "username"], name="account_by_username")]

    def __str__(self) -> str:
        return self.username

    @property
    def is_protected(self) -> bool:
        """Whether no action may ever touch it (break-glass or a named exclusion)."""
        return self.is_break_glass or self.is_excluded

    @property
    def is_vip(self) -> bool:
        """Whether it is an important person's, or important itself where it is no person's."""
        return self.person.is_vip if self.person else bool(self.vip_by_hand)

    @property
    def criticality(self) -> tuple[int, str]:
        """How much hangs on whose it is, or on itself where it is no person's, and why."""
        if self.person is not None:
            return self.person.criticality, self.person.criticality_because
        return self.criticality_by_hand or NORMAL_CRITICALITY, self.criticality_because


class Contact(TenantModel):
    """A person at the client whom the MSP may ask, in the order of `position`."""

    name = models.CharField(max_length=200)
    email = models.EmailField()
    position = models.PositiveSmallIntegerField(default=1, help_text="1 is asked first")
    can_approve = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position", "name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "email"], name="contact_email_once")
        ]

    def __str__(self) -> str:
        return self.name


class Device(Listed, Weighed):
    """A computer or phone."""

    owner = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="devices"
    )
    provider = models.CharField(max_length=64)
    external_id = models.CharField(max_length=256)
    hostname = models.CharField(max_length=256, blank=True)
    operating_system = models.CharField(max_length=128, blank=True)
    is_server = models.BooleanField(default=False)
    is_excluded = models.BooleanField(
        default=False, help_text="Named exclusion: no action ever touches this device."
    )
    excluded_until = models.DateTimeField(null=True, blank=True, help_text="empty: for good")
    excluded_by = models.CharField(max_length=200, blank=True)
    excluded_because = models.TextField(blank=True)
    exposed_by_hand = models.BooleanField(
        null=True,
        help_text="a technician's word on whether the internet reaches it; empty: nobody said",
    )
    exposed_by = models.CharField(max_length=200, blank=True)
    exposed_because = models.TextField(blank=True)
    user_keys = ArrayField(
        models.CharField(max_length=320),
        default=list,
        blank=True,
        help_text="addresses and logins of who uses it, as its provider tells",
    )
    last_seen_at = models.DateTimeField(null=True, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["hostname"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "external_id"], name="device_once_per_provider"
            )
        ]
        indexes = [
            GinIndex(fields=["user_keys"], name="device_by_user"),
            models.Index(
                fields=["tenant"], name="device_excluded", condition=models.Q(is_excluded=True)
            ),
        ]

    def __str__(self) -> str:
        return self.hostname or self.external_id

    @property
    def is_protected(self) -> bool:
        """Whether no action may touch it now (a named exclusion that has not ended)."""
        until = self.excluded_until
        return self.is_excluded and (until is None or until > timezone.now())


class Mailbox(Listed):
    """A mailbox of one account."""

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="mailbox"
    )
    provider = models.CharField(max_length=64)
    external_id = models.CharField(max_length=256)
    address = models.CharField(max_length=320)
    purpose = models.CharField(max_length=32, blank=True, help_text="user, shared, room …")
    attributes = models.JSONField(default=dict, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["address"]
        verbose_name_plural = "mailboxes"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "external_id"], name="mailbox_once_per_provider"
            )
        ]

    def __str__(self) -> str:
        return self.address


class DirectoryObject(Listed):
    """Anything else a provider's directory holds: roles, methods, inbox rules, grants, groups.

    `attributes` is the normalised content, `parent` the external id of the account or object that
    it belongs to.
    """

    provider = models.CharField(max_length=64)
    kind = models.CharField(max_length=32)
    external_id = models.CharField(max_length=512)
    parent = models.CharField(max_length=512, blank=True)
    name = models.CharField(max_length=512, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "kind", "external_id"],
                name="directory_object_once_per_provider",
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "provider", "kind", "parent"], name="object_by_parent"),
            GinIndex(fields=["attributes"], name="object_attributes", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name or self.external_id}"
