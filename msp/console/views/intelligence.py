"""What is known of attackers, where clients met it, and each client's threat profile."""

from collections.abc import Iterable, Sequence

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations.alerting import coverage
from integrations.intelligence import holes, profiles, sightings, store
from integrations.models import Indicator, IndicatorSource
from msp.console import actions
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Tenant

_PAGE = 50
_SIGHTINGS = 100
_HOLES = 100


@require_safe
def intelligence(request: HttpRequest) -> HttpResponse:
    """List where clients met indicators, the sources, and what is kept and not looked for."""
    asked = request.GET.get("q", "").strip()[:200]
    rows = Indicator.objects.all()
    if asked:
        rows = rows.filter(
            Q(entity__icontains=asked) | Q(title__icontains=asked) | Q(source__icontains=asked)
        )
    live = dict(store.in_force().order_by().values_list("source").annotate(Count("id")))
    sources = (
        Indicator.objects.order_by("source")
        .values("source")
        .annotate(kept=Count("id"), left=Count("id", filter=~Q(not_matched="")))
    )
    clients = tenants_of(technician_of(request))
    read = dict(IndicatorSource.objects.values_list("name", "read_at"))
    return page(
        request, "intelligence.html", "Intelligence", asked=asked,
        sightings=sightings.shown().select_related("indicator", "tenant")[:_SIGHTINGS],
        sources=[
            {**one, "live": live.get(one["source"], 0), "read_at": read.get(one["source"])}
            for one in sources
        ],
        holes=_named(holes.on_computers(), clients), now=timezone.now(),
        pages=Paginator(rows, _PAGE).get_page(request.GET.get("page")),
        clients=clients, query=f"q={asked}&" if asked else "",
    )  # fmt: skip


def _named(
    found: Sequence[holes.Hole], clients: Iterable[Tenant]
) -> list[tuple[Tenant, holes.Hole]]:
    by_id = {client.id: client for client in clients}
    return [(by_id[one.tenant_id], one) for one in found if one.tenant_id in by_id][:_HOLES]


@require_http_methods(["GET", "HEAD", "POST"])
def threats(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a client's techniques by weight and what covers them; administrators set the profile."""
    technician = technician_of(request)
    client = get_object_or_404(tenants_of(technician), slug=slug)
    if request.method == "POST":
        return _keep(request, slug)
    with writing(technician, client.id):
        profile = profiles.current()
        found = holes.on_computers()
    return page(
        request, "threats.html", f"Threats to {client.name}", client=client, profile=profile,
        ranked=profiles.rank(profile, coverage.of_tenants([client.id])),
        reasons=[one for one in profiles.reasons(profile) if one.says], holes=found,
        countries=profiles.countries(),
        sectors=[(name, one["title"]) for name, one in profiles.told()["sectors"].items()],
        tools=[
            (name, one["title"], bool(profile and name in profile.tools))
            for name, one in profiles.told()["tools"].items()
        ],
        may_set=technician.has_role(Role.ADMIN),
    )  # fmt: skip


@needs_role(Role.ADMIN)
@needs_second_factor
def _keep(request: HttpRequest, slug: str) -> HttpResponse:
    technician = technician_of(request)
    client = get_object_or_404(tenants_of(technician), slug=slug)
    try:
        with writing(technician, client.id):
            profiles.keep(
                request.POST.get("sector", ""), request.POST.get("country", ""),
                request.POST.getlist("tool")[:50], actor=actions.actor_of(technician),
            )  # fmt: skip
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept.")
    return redirect("console:threats", client.slug)
