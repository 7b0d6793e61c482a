"""A client's rules of engagement: read them, change them, and see what would have happened."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_safe

from msp.console import rules_form, rules_page, words
from msp.console.actions import actor_of
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks import rules as policies
from playbooks import what_if
from playbooks.engagement import Engagement
from playbooks.errors import PlaybookError
from playbooks.models import RulesOfEngagement, Tier
from tenants.canonical import sha256_of
from tenants.models import Tenant

_VERSIONS = 30
# More would make somebody wait for the page; the command looks at all of them.
_MOST_PLANS = 500


@require_safe
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what holds for a client, where each rule comes from, and the versions there were."""
    technician = technician_of(request)
    found = _tenant(request, slug)
    with writing(technician, found.id):
        newest = policies.newest_of_tenant()
        told = rules_page.build(
            policies.in_force(), policies.msp_wide(), newest.document if newest else None
        )
    versions = RulesOfEngagement.in_scope().filter(tenant=found).order_by("-version")
    return page(
        request,
        "rules.html",
        f"Rules of {found.name}",
        tenant=found,
        told=told,
        newest=newest,
        author=words.actor(newest.author) if newest else "",
        versions=[
            (row, words.actor(row.author), rules_form.as_yaml(row.document))
            for row in versions[:_VERSIONS]
        ],
        may_change=technician.has_role(Role.ADMIN),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change a client's rules as a form or as YAML; a preview shows what it would have changed."""
    found = _tenant(request, slug)
    with writing(technician_of(request), found.id):
        newest = policies.newest_of_tenant()
        kept = newest.document if newest else rules_form.NEW
        if request.method != "POST":
            return _form(request, found, newest, kept)
        try:
            document = _posted(request, kept)
        except PlaybookError as error:
            return _form(request, found, newest, kept, problems=error.problems)
        try:
            checked = policies.check(document)
            _must_be_newest(request, newest)
        except PlaybookError as error:
            return _form(request, found, newest, document, problems=error.problems)
        if not _was_seen(request, document):
            past = what_if.replay(checked, most=_MOST_PLANS)
            return _form(request, found, newest, document, past=past)
        row = policies.save(document, actor=actor_of(technician_of(request)))
    messages.success(request, f"Version {row.version} of the rules is in force for {found.name}.")
    return redirect("console:rules", found.slug)


def _posted(request: HttpRequest, kept: dict[str, Any]) -> dict[str, Any]:
    if "yaml" in request.POST:
        return rules_form.from_yaml(request.POST["yaml"])
    switched_on = request.POST.getlist("msp_rule")
    return rules_form.from_fields(request.POST.dict(), switched_on, kept, policies.msp_wide())


def _was_seen(request: HttpRequest, document: dict[str, Any]) -> bool:
    """Whether exactly these rules are to be saved after their preview was looked at."""
    if request.POST.get("what") != "save":
        return False
    if request.POST.get("previewed") == sha256_of(document):
        return True
    messages.warning(request, "Look at what these rules would have changed, then save them.")
    return False


def _must_be_newest(request: HttpRequest, newest: RulesOfEngagement | None) -> None:
    """PlaybookError where somebody else has changed the rules since the form was opened."""
    if request.POST.get("version", "") != (str(newest.version) if newest else "0"):
        who = f" ({words.actor(newest.author)} made version {newest.version})" if newest else ""
        raise PlaybookError(
            [f"The rules were changed since you opened this page{who}: look at them, then save."]
        )


def _form(
    request: HttpRequest,
    tenant: Tenant,
    newest: RulesOfEngagement | None,
    document: dict[str, Any],
    problems: tuple[str, ...] = (),
    past: what_if.WhatIf | None = None,
) -> HttpResponse:
    base = policies.msp_wide()
    as_yaml = "yaml" in request.POST or request.GET.get("as") == "yaml"
    return page(
        request,
        "rules_edit.html",
        f"Change the rules of {tenant.name}",
        tenant=tenant,
        version=newest.version if newest else 0,
        fields=_fields(document, base),
        text=request.POST.get("yaml") or rules_form.as_yaml(document),
        as_yaml=as_yaml,
        tiers=[(str(tier), label) for tier, label in words.TIERS.items()],
        asked=Tier.TECHNICIAN,
        problems=problems,
        past=past,
        previewed=sha256_of(document) if past else "",
        changes=rules_page.changes(past) if past else [],
        counts=rules_page.counts(past) if past else [],
    )


def _fields(document: dict[str, Any], base: Engagement) -> dict[str, Any]:
    """Return the form's fields; those of the MSP alone where the document has no such form."""
    try:
        return rules_form.fields_of(document, base)
    except (AttributeError, TypeError):
        return rules_form.fields_of(rules_form.NEW, base)


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
