"""Lists of what there is, to read, filter and search. Nothing is changed through the admin."""

import uuid
from typing import Any

from django.contrib.admin import SimpleListFilter, display
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from integrations.models import Connection
from msp.console import finding_page, words
from msp.console.sites import site
from msp.console.templatetags.console import ago, chip, moment
from msp.reports.models import Report
from msp.staff.access import technician_of
from msp.staff.models import ApiKey, Role, Technician
from msp.staff.selectors import tenants_of
from tenants.models import Account, Case, Finding


class TenantFilter(SimpleListFilter):
    """By client, of those that the technician sees (Django's own filter would name all)."""

    title = "client"
    parameter_name = "client"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the technician's clients."""
        return [(tenant.slug, tenant.name) for tenant in tenants_of(technician_of(request))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows of the chosen client."""
        return queryset.filter(tenant__slug=self.value()) if self.value() else queryset


class ReadOnlyAdmin(ModelAdmin):
    """A list and a page for each row, for technicians from `least_role` on; never a form.

    `nothing_yet` is what an empty list says about where its rows come from.
    """

    least_role = Role.VIEWER
    nothing_yet = ""
    actions = None
    list_per_page = 50

    def get_urls(self) -> list[URLPattern]:
        """Return the list and the page of one row; the admin's other addresses don't exist."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        guard = self.admin_site.admin_view
        return [
            path("", guard(self.changelist_view), name=f"{name}_changelist"),
            path("<uuid:object_id>/", guard(self.change_view), name=f"{name}_change"),
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the technician's role reaches."""
        return technician_of(request).has_role(self.least_role)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the technician's role reaches."""
        return technician_of(request).has_role(self.least_role)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: rows are made by actions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False: rows are changed by actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return False: rows are not deleted."""
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: Any,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one row; 404 where there is none in the technician's scope."""
        own = self.page_of(request, object_id) if self.has_view_permission(request) else None
        if own is not None:
            return own
        object_id = str(object_id)
        if self.has_view_permission(request) and self.get_object(request, object_id) is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return super().change_view(request, object_id, form_url, extra_context)

    def page_of(self, request: HttpRequest, object_id: uuid.UUID) -> HttpResponse | None:
        """Return a page of its own for a row; None where all its fields are shown."""
        return None


class TenantAdmin(ReadOnlyAdmin):
    """Rows of clients: row-level security shows those of the technician's own."""

    list_select_related: tuple[str, ...] = ("tenant",)
    readonly_fields = ("client",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return the fields of a row's page, where a tenant is called a client."""
        names = [name for name in super().get_fields(request, obj) if name != "client"]
        return ["client" if name == "tenant" else name for name in names]

    @display(description="client", ordering="tenant__name")
    def client(self, row: Any) -> SafeString:
        """Return the client, linked."""
        return _link("console:tenant", row.tenant.slug, row.tenant.name)


def _link(name: str, key: Any, label: str) -> SafeString:
    return format_html('<a class="hf-link" href="{}">{}</a>', reverse(name, args=[key]), label)


class CaseAdmin(TenantAdmin):
    """All cases; one opens as its own page."""

    nothing_yet = "A case is opened by the first alert, or by a routine that somebody starts."
    list_display = ("what", "client", "risk", "level", "verdict_word", "state", "opened")
    list_display_links = None
    list_filter = (TenantFilter, "status", "severity_id", "verdict")
    search_fields = ("title", "account__username", "account__person__display_name", "entities")
    ordering = ("-opened_at",)

    def page_of(self, request: HttpRequest, object_id: uuid.UUID) -> HttpResponse:
        """Send to the page of the case, which answers 404 where there is none."""
        return redirect("console:case", object_id)

    @display(description="case", ordering="number")
    def what(self, row: Case) -> SafeString:
        """Return number and title, linked."""
        return _link("console:case", row.id, f"#{row.number} {row.title}")

    @display(description="severity", ordering="severity_id")
    def level(self, row: Case) -> SafeString:
        """Return the severity in its tone."""
        return chip(words.severity(row.severity_id))

    @display(description="verdict", ordering="verdict")
    def verdict_word(self, row: Case) -> str:
        """Return the verdict."""
        return words.verdict(row).label.partition(":")[0]

    @display(description="state", ordering="status")
    def state(self, row: Case) -> SafeString:
        """Return the state in its tone."""
        return chip(words.CASES[Case.Status(row.status)])

    @display(description="opened", ordering="opened_at")
    def opened(self, row: Case) -> str:
        """Return when the case was opened."""
        return moment(row.opened_at)


class FindingAdmin(TenantAdmin):
    """Alerts as they were understood."""

    nothing_yet = "They come with the alerts of the clients' connections."
    list_display = ("title", "client", "level", "target", "connector", "seen", "case")
    list_filter = (TenantFilter, "severity_id", "connector", "vendor_status")
    search_fields = ("title", "actor", "target", "uid")
    list_select_related = ("tenant", "case")
    ordering = ("-time",)

    def page_of(self, request: HttpRequest, object_id: uuid.UUID) -> HttpResponse:
        """Show a finding in words; 404 where there is none in the technician's scope."""
        rows = Finding.in_scope().select_related("tenant", "case")
        return finding_page.shown(request, get_object_or_404(rows, id=object_id))

    @display(description="severity", ordering="severity_id")
    def level(self, row: Finding) -> SafeString:
        """Return the severity in its tone."""
        return chip(words.severity(row.severity_id))

    @display(description="created", ordering="time")
    def seen(self, row: Finding) -> str:
        """Return when the vendor created the alert."""
        return moment(row.time)


class AccountAdmin(TenantAdmin):
    """Accounts of the clients' directories."""

    nothing_yet = "They come with the directories of the clients' connections."
    list_display = ("username", "person_name", "client", "kind", "sign_in", "remarks")
    list_filter = (TenantFilter, "kind", "is_enabled", "is_privileged", "provider")
    list_select_related = ("tenant", "person")
    search_fields = ("username", "display_name", "email")
    exclude = ("content_hash",)

    @display(description="person", ordering="person__display_name")
    def person_name(self, row: Account) -> str:
        """Return whose account it is."""
        return row.person.display_name if row.person else row.display_name

    @display(description="sign-in", ordering="is_enabled")
    def sign_in(self, row: Account) -> str:
        """Return whether the account may sign in."""
        return {True: "allowed", False: "blocked"}.get(row.is_enabled, "not known")  # type: ignore[arg-type]

    @display(description="remarks")
    def remarks(self, row: Account) -> str:
        """Return what makes the account special."""
        said = {
            "important person": row.is_vip,
            "administrator": row.is_privileged,
            "break-glass": row.is_break_glass,
            "excluded from all actions": row.is_excluded,
            "no second sign-in factor": row.is_mfa_registered is False,
        }
        return ", ".join(word for word, holds in said.items() if holds)


class ConnectionAdmin(TenantAdmin):
    """Connections and whether they work; their secrets are shown to nobody."""

    nothing_yet = "“Bring clients in” connects the first."
    list_display = ("name", "client", "connector", "health", "last_read", "error")
    list_filter = (TenantFilter, "state", "connector")
    search_fields = ("name",)
    exclude = ("secret",)

    @display(description="state", ordering="state")
    def health(self, row: Connection) -> SafeString:
        """Return the state in its tone."""
        tones = {"active": "good", "paused": "quiet", "broken": "bad"}
        return chip(words.Word(row.get_state_display().capitalize(), tones[row.state]))

    @display(description="last seen to work", ordering="last_healthy_at")
    def last_read(self, row: Connection) -> str:
        """Return how long ago a canary read through the whole path."""
        return f"{ago(row.last_healthy_at)} ago" if row.last_healthy_at else "never"


class ReportAdmin(TenantAdmin):
    """Reports, as PDF."""

    nothing_yet = "“manage.py report outcome” makes one."
    list_display = ("client", "kind", "period", "made", "pdf_link")
    list_display_links = None
    list_filter = (TenantFilter, "kind", "period")
    ordering = ("-made_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Leave the bytes in the database."""
        return super().get_queryset(request).defer("pdf")

    def page_of(self, request: HttpRequest, object_id: uuid.UUID) -> HttpResponse:
        """Send to the PDF, which answers 404 where there is none."""
        return redirect("console:report", object_id)

    @display(description="made", ordering="made_at")
    def made(self, row: Report) -> str:
        """Return when it was made."""
        return moment(row.made_at)

    @display(description="")
    def pdf_link(self, row: Report) -> SafeString:
        """Return the link to the PDF."""
        return _link("console:report", row.id, "Open the PDF")


class TechnicianAdmin(ReadOnlyAdmin):
    """Who works here; `manage.py technician` changes it."""

    least_role = Role.ADMIN
    list_display = ("username", "role", "is_active", "sees_all_tenants", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email")
    fields = (
        "username", "email", "role", "is_active", "sees_all_tenants", "last_login", "date_joined",
    )  # fmt: skip


class ApiKeyAdmin(ReadOnlyAdmin):
    """Machines' credentials; `manage.py apikey` changes them."""

    least_role = Role.ADMIN
    nothing_yet = (
        "A machine gets its key with “manage.py apikey create NAME --scope licensing:read”, which "
        "shows it once."
    )
    list_display = ("name", "prefix", "scopes", "created_at", "expires_at", "revoked_at")
    search_fields = ("name", "prefix")
    exclude = ("sha256",)


for model, model_admin in (
    (Case, CaseAdmin),
    (Finding, FindingAdmin),
    (Account, AccountAdmin),
    (Connection, ConnectionAdmin),
    (Report, ReportAdmin),
    (Technician, TechnicianAdmin),
    (ApiKey, ApiKeyAdmin),
):
    site.register(model, model_admin)
