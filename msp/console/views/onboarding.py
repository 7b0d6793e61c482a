"""Bringing clients in: one by one in steps that can be left and gone on with, or many from a file.

Secrets that were entered never come back to a page.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import registry
from integrations.contract import Manifest
from msp.console import onboarding_actions as actions
from msp.console import onboarding_page
from msp.console.sites import page
from msp.console.views.connections import day_of, posted, setting_fields
from msp.onboarding import csv_file, progress, shared
from msp.onboarding.actions import ClientDetails
from msp.onboarding.errors import FieldProblem, OnboardingError
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Tenant

_DETAILS = ("slug", "name", "time_zone", "country", "contact_name", "contact_email")
_LONGEST = 300


@require_safe
@needs_role(Role.ADMIN)
@needs_second_factor
def onboarding(request: HttpRequest) -> HttpResponse:
    """List the clients that are on their way in, and the two ways to begin."""
    return _overview(request)


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def new(request: HttpRequest) -> HttpResponse:
    """Register a client."""
    if request.method != "POST":
        return _new(request, {"time_zone": "Europe/London"})
    told = {name: request.POST.get(name, "").strip()[:_LONGEST] for name in _DETAILS}
    told["country"] = told["country"].upper()
    try:
        tenant, is_new = actions.register_client(
            ClientDetails(**told), actor=technician_of(request)
        )
    except OnboardingError as error:
        return _new(request, told, error.problems)
    messages.success(
        request, f"{tenant.name} {'is registered' if is_new else 'was registered already'}."
    )
    return redirect("console:onboard", tenant.slug)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def upload(request: HttpRequest) -> HttpResponse:
    """Bring in the clients of a CSV file. The file is read and forgotten."""
    file = request.FILES.get("file")
    if file is None:
        size = csv_file.LARGEST_BYTES // 2**20
        return _overview(request, [FieldProblem("", f"Choose a CSV file of at most {size} MB.")])
    try:
        rows = actions.bring_in_file(file.read(), actor=technician_of(request))
    except OnboardingError as error:
        return _overview(request, error.problems)
    return page(
        request,
        "onboarding_rows.html",
        "Clients from a file",
        rows=rows,
        done=sum(row.is_ok for row in rows),
    )


@require_safe
@needs_role(Role.ADMIN)
@needs_second_factor
def template(request: HttpRequest) -> HttpResponse:
    """Return an empty file to fill in."""
    response = HttpResponse(csv_file.template(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="clients.csv"'
    return response


@require_safe
@needs_role(Role.ADMIN)
@needs_second_factor
def onboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how far a client is, and what is to be done next."""
    return _wizard(request, _tenant(request, slug))


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def choose(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose what is to be connected."""
    tenant = _tenant(request, slug)
    return _done(
        request, tenant,
        lambda: actions.choose_connectors(
            tenant, request.POST.getlist("connector"), actor=technician_of(request)
        ),
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def connect(request: HttpRequest, slug: str, connector: str) -> HttpResponse:
    """Connect one product, with the vendor's steps beside the form."""
    tenant, manifest = _tenant(request, slug), registry.CONNECTORS.get(connector)
    if manifest is None:
        return redirect("console:onboard", tenant.slug)
    if request.method != "POST":
        return _connect(request, tenant, manifest, {})
    settings = posted(request, "setting", tuple(manifest.settings))
    try:
        what = actions.connect_client(
            tenant,
            connector,
            actor=technician_of(request),
            settings=settings,
            secrets=posted(request, "secret", tuple(manifest.secrets)),
            expires_at=day_of(request.POST.get("expires_on", "")),
            replaces=request.POST.get("replaces") == "yes",
        )
    except OnboardingError as error:
        return _connect(request, tenant, manifest, settings, error.problems)
    except HoldfastError as error:
        return _connect(request, tenant, manifest, settings, [FieldProblem("", str(error))])
    messages.success(request, f"{manifest.title} is {what}. It is being tested now.")
    return redirect("console:onboard", tenant.slug)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def ask_consent(request: HttpRequest, slug: str) -> HttpResponse:
    """Make the address at which the client's administrator consents, and show it once."""
    tenant, expected = _tenant(request, slug), request.POST.get("expected", "")[:_LONGEST]
    given_before = request.POST.get("given") == "yes"
    try:
        url = actions.ask_consent(
            tenant, expected, actor=technician_of(request), given_before=given_before
        )
    except OnboardingError as error:
        return _wizard(request, tenant, error.problems)
    if given_before:
        messages.success(request, "The consent that was given before is being tried.")
        return redirect("console:onboard", tenant.slug)
    return _wizard(request, tenant, consent_url=url)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def look_up(request: HttpRequest, slug: str) -> HttpResponse:
    """Look up the GDAP relationship with a client."""
    tenant = _tenant(request, slug)
    return _done(
        request, tenant,
        lambda: actions.look_up_relationship(tenant, actor=technician_of(request)),
        "The relationship is being looked up.",
    )  # fmt: skip


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def choose_rules(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose the rules of engagement to begin with."""
    tenant, source = _tenant(request, slug), None
    wanted = request.POST.get("rules", "")
    if wanted != "msp":
        source = get_object_or_404(tenants_of(technician_of(request)), slug=wanted)
    return _done(
        request, tenant,
        lambda: actions.choose_first_rules(tenant, source, actor=technician_of(request)),
    )  # fmt: skip


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Start in shadow."""
    tenant = _tenant(request, slug)
    return _done(
        request, tenant,
        lambda: actions.finish_onboarding(tenant, actor=technician_of(request)),
        f"{tenant.name} has started: playbooks say what they would do, and do nothing yet.",
    )  # fmt: skip


def _done(
    request: HttpRequest, tenant: Tenant, do: onboarding_page.Act, said: str = ""
) -> HttpResponse:
    """Do one step and go back to the page; what is wrong is said there."""
    try:
        do()
    except OnboardingError as error:
        return _wizard(request, tenant, error.problems)
    except HoldfastError as error:
        return _wizard(request, tenant, [FieldProblem("", str(error))])
    if said:
        messages.success(request, said)
    return redirect("console:onboard", tenant.slug)


def _overview(request: HttpRequest, problems: onboarding_page.Problems = ()) -> HttpResponse:
    rows, left_out = onboarding_page.on_their_way(technician_of(request))
    return page(
        request,
        "onboarding.html",
        "Bring clients in",
        rows=rows,
        left_out=left_out,
        problems=problems,
    )


def _new(
    request: HttpRequest, told: dict[str, str], problems: onboarding_page.Problems = ()
) -> HttpResponse:
    return page(
        request,
        "onboarding_new.html",
        "Register a client",
        told=told,
        problems=problems,
        zones=onboarding_page.ZONES,
    )


def _wizard(
    request: HttpRequest,
    tenant: Tenant,
    problems: onboarding_page.Problems = (),
    consent_url: str = "",
) -> HttpResponse:
    technician = technician_of(request)
    with writing(technician, tenant.id):
        told = progress.of(tenant)
        own_rules = progress.has_own_rules()
    return page(
        request,
        "onboard.html",
        f"Bring in {tenant.name}",
        tenant=tenant,
        told=told,
        steps=[(one, onboarding_page.STEPS[one.state]) for one in told.steps],
        before_start=onboarding_page.before_start(told),
        products=onboarding_page.products(told),
        connections=onboarding_page.connections(told),
        consent=onboarding_page.consent(told),
        by_consent=any(one.by_consent for one in told.chosen),
        own_rules=own_rules,
        sources=onboarding_page.rule_sources(technician, tenant),
        problems=problems,
        consent_url=consent_url,
    )


def _connect(
    request: HttpRequest,
    tenant: Tenant,
    manifest: Manifest,
    settings: dict[str, str],
    problems: onboarding_page.Problems = (),
) -> HttpResponse:
    with writing(technician_of(request), tenant.id):
        told = progress.of(tenant)
    chosen = next((one for one in told.chosen if one.manifest.id == manifest.id), None)
    row = chosen.report.connection if chosen and chosen.report else None
    given = settings or (dict(row.settings) if row else {})
    common, unreadable = onboarding_page.common(manifest)
    return page(
        request,
        "onboard_connect.html",
        f"Connect {manifest.title} of {tenant.name}",
        tenant=tenant,
        manifest=manifest,
        settings=setting_fields(manifest, given),
        secrets=list(manifest.secrets.items()),
        kept=row is not None,
        common=common,
        by_consent=shared.needs_consent(manifest),
        permissions=onboarding_page.permissions(manifest),
        delegated=onboarding_page.delegation(manifest),
        problems=problems or unreadable,
        expires_on=request.POST.get("expires_on", ""),
    )


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
