"""Asking a person whether it was them: whom, by which link, and what they said."""

from django.db import models

from tenants.models import Account, Case, Contact, Person, TenantModel


class UserQuestion(TenantModel):
    """One person asked about one case. The answer is kept as evidence as well, hashed."""

    class Answer(models.TextChoices):
        YES = "yes", "yes, it was"
        NO = "no", "no, it was not"
        NOT_SURE = "not_sure", "not sure"

    class Way(models.TextChoices):
        MAIL = "mail", "by mail"
        CHAT = "chat", "in the client's chat"
        LINK = "link", "by a link to copy"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="user_questions")
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, null=True, related_name="+",
        help_text="empty: the manager, or whoever it is about where no account is in doubt",
    )  # fmt: skip
    recipient = models.EmailField()
    name = models.CharField(max_length=256)
    about = models.CharField(max_length=320, help_text="who may have done it")
    way = models.CharField(max_length=8, choices=Way, default=Way.MAIL)
    seen_by = models.CharField(
        max_length=200, blank=True, help_text="the technician who was shown the link"
    )
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    send_error = models.TextField(blank=True)
    opened_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=16, choices=Answer, blank=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"question to {self.recipient}"

    @property
    def is_self(self) -> bool:
        """Whether it asks the very person that it is about: who uses the computer in doubt."""
        return self.contact_id is None and self.about.startswith(f"{self.name} (")

    @property
    def is_of_program(self) -> bool:
        """Whether it is about an account that a program signs in with: nobody can say “me”."""
        account = self.case.account
        return account is not None and account.kind == Account.Kind.SERVICE

    @property
    def words(self) -> str:
        """The question, as whoever is asked reads it."""
        if self.is_of_program:
            return f"Was this expected of the program that uses {self.about}?"
        return "Was this you?" if self.is_self else f"Was this {self.about}?"


class ChatChannel(TenantModel):
    """A client's chat channel that questions are posted into. Its address is in the vault.

    Whoever holds the address can post there, and only its contacts may read it.
    """

    class Kind(models.TextChoices):
        TEAMS = "teams", "Microsoft Teams"
        SLACK = "slack", "Slack"

    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=100, help_text="as its readers know it")
    host = models.CharField(max_length=255, help_text="of its address, which is secret")
    is_active = models.BooleanField(default=True)
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text="when a message last got there")
    error = models.TextField(blank=True, help_text="why the last message did not get there")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="chat_channel_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} channel {self.name}"


class Absence(TenantModel):
    """That somebody is on leave, or leaves, as a person said. The newest of a person counts."""

    class Kind(models.TextChoices):
        ON_LEAVE = "on_leave", "on leave"
        LEAVER = "leaver", "leaves"
        PRESENT = "present", "works here"

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="absences")
    kind = models.CharField(max_length=16, choices=Kind)
    first_day = models.DateField(help_text="of the leave; of a leaver the last day of work")
    last_day = models.DateField(null=True, help_text="of the leave; empty: not known")
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.person} {self.get_kind_display()}"
