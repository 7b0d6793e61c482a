"""Rules of engagement, a client's and the MSP-wide ones: read, changed, and tried on the past."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_safe

from integrations import catalog
from msp.console import rules_editing, rules_form, rules_page, words
from msp.console.rules_editing import Editing
from msp.console.rules_past import Past
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.engagement import Engagement
from playbooks.errors import PlaybookError
from playbooks.models import MspRules, RulesOfEngagement, Tier
from playbooks.people import named
from playbooks.policy import rules as policies
from tenants.canonical import sha256_of
from tenants.models import Tenant

_VERSIONS = 30


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
        author=named(newest.author) if newest else "",
        versions=_versions(list(versions[:_VERSIONS])),
        may_change=technician.has_role(Role.ADMIN),
    )


@require_safe
def msp_rules(request: HttpRequest) -> HttpResponse:
    """Show the MSP-wide rules, which clients' own are laid on, and whose differ from them."""
    technician = technician_of(request)
    newest = policies.newest_msp_wide()
    own = policies.own_rules()
    return page(
        request,
        "rules.html",
        "MSP-wide rules",
        told=rules_page.build_msp_wide(policies.msp_wide()),
        newest=newest,
        author=named(newest.author) if newest else "",
        versions=_versions(list(MspRules.objects.order_by("-version")[:_VERSIONS])),
        clients=rules_page.clients_apart(tenants_of(technician), own),
        may_change=technician.has_role(Role.ADMIN) and technician.sees_all_tenants,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change a client's rules as a form or as YAML; a preview shows what it would have changed."""
    found = _tenant(request, slug)
    return _edit(request, rules_editing.of_client(technician_of(request), found))


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def edit_msp(request: HttpRequest) -> HttpResponse:
    """Change the MSP-wide rules, after a preview of what that would have changed for whom."""
    return _edit(request, rules_editing.of_msp(technician_of(request)))


def _edit(request: HttpRequest, editing: Editing) -> HttpResponse:
    if request.method != "POST":
        return _form(request, editing, editing.kept)
    try:
        document = _posted(request, editing)
    except PlaybookError as error:
        return _form(request, editing, editing.kept, problems=error.problems)
    try:
        checked = editing.check(document, None if _is_yaml(request) else rules_form.problem_at)
        policies.must_follow(editing.newest, _seen(request))
        if not _was_seen(request, document):
            return _form(request, editing, document, past=editing.replay(checked))
        said = editing.save(document, _seen(request))
    except PlaybookError as error:
        return _form(request, editing, document, problems=error.problems)
    messages.success(request, said)
    return redirect(editing.back)


def _posted(request: HttpRequest, editing: Editing) -> dict[str, Any]:
    if _is_yaml(request):
        return rules_form.from_yaml(request.POST["yaml"])
    switched_on = request.POST.getlist("msp_rule")
    # Of several that are chosen under one name, none is lost.
    posted = {name: ", ".join(values) for name, values in request.POST.lists()}
    return rules_form.from_fields(posted, switched_on, editing.kept, editing.base)


def _is_yaml(request: HttpRequest) -> bool:
    return "yaml" in request.POST


def _seen(request: HttpRequest) -> int:
    """Return the version that the form was opened with."""
    told = request.POST.get("version", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= 9 else -1


def _was_seen(request: HttpRequest, document: dict[str, Any]) -> bool:
    """Whether exactly these rules are to be saved after their preview was looked at."""
    if request.POST.get("what") != "save":
        return False
    if request.POST.get("previewed") == sha256_of(document):
        return True
    messages.warning(request, "Look at what these rules would have changed, then save them.")
    return False


def _form(
    request: HttpRequest,
    editing: Editing,
    document: Mapping[str, Any],
    problems: tuple[str, ...] = (),
    past: Past | None = None,
) -> HttpResponse:
    told, placed = rules_form.by_place(problems)
    return page(
        request,
        "rules_edit.html",
        editing.title,
        editing=editing,
        fields=_fields(document, editing.base, placed),
        text=request.POST.get("yaml") or rules_form.as_yaml(document),
        as_yaml=_is_yaml(request) or request.GET.get("as") == "yaml",
        tiers=[(str(tier), label) for tier, label in words.TIERS.items()],
        catalog=[action for action in catalog.ACTIONS if not action.is_read_only],
        asked=Tier.TECHNICIAN,
        problems=told,
        placed=placed,
        past=past,
        previewed=sha256_of(document) if past else "",
    )


def _fields(
    document: Mapping[str, Any], base: Engagement | None, placed: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Return the form's fields; those of new rules where the document has no such form."""
    try:
        return rules_form.fields_of(document, base, placed)
    except (AttributeError, TypeError):
        return rules_form.fields_of(rules_form.NEW if base else {}, base)


def _versions(
    rows: list[RulesOfEngagement] | list[MspRules],
) -> list[tuple[RulesOfEngagement | MspRules, str, str]]:
    return [(row, named(row.author), rules_form.as_yaml(row.document)) for row in rows]


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
