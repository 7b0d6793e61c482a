"""What is known of attackers, where clients met it, and each client's threat profile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations.alerting import coverage
from integrations.intelligence import (
    aging,
    holes,
    matching,
    own_names,
    profiles,
    quality,
    sightings,
    store,
    warning_lists,
    warnings,
)
from integrations.models import Indicator, IndicatorSource, WarningList
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
    technician = technician_of(request)
    clients = tenants_of(technician)
    met = sightings.shown().select_related("indicator", "tenant")[:_SIGHTINGS]
    listed = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
    return page(
        request, "intelligence.html", "Intelligence", asked=asked,
        sightings=[(one, _left(one.indicator)) for one in met],
        sources=_sources(),
        may_change=technician.has_role(Role.ADMIN) and technician.sees_all_tenants,
        holes=_named(holes.on_computers(), clients), now=timezone.now(),
        pages=listed, indicators=[(one, _left(one)) for one in listed],
        warning_lists=WarningList.objects.all(), kept_out=warnings.kept_out().items(),
        aging=aging.told(), own_lists=warning_lists.told()["sources"].items(),
        clients=clients, query=f"q={asked}&" if asked else "",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Source:
    """A source with its counts: kept, looked for, and left for a reason; where it is read.

    `quality`: what became of the cases that named what it told.
    """

    name: str
    row: IndicatorSource | None
    kept: int
    live: int
    left: int
    quality: quality.Quality

    @property
    def shown(self) -> str:
        """The address without a query, which may hold a key."""
        return self.row.address.partition("?")[0] if self.row else ""


def _left(one: Indicator) -> int:
    """Return the confidence (percent) that is left of an indicator's now."""
    return matching.sure(one, timezone.now())


def _sources() -> list[_Source]:
    became = quality.by_source()
    rows = {row.name: row for row in IndicatorSource.objects.all()}
    live = dict(store.in_force().order_by().values_list("source").annotate(Count("id")))
    counted = {
        name: (kept, left)
        for name, kept, left in Indicator.objects.order_by()
        .values_list("source")
        .annotate(kept=Count("id"), left=Count("id", filter=~Q(not_matched="")))
    }
    return [
        _Source(
            name,
            rows.get(name),
            kept,
            live.get(name, 0),
            left,
            became.get(name, quality.Quality()),
        )
        for name, (kept, left) in sorted(
            {**{name: (0, 0) for name, row in rows.items() if row.kind}, **counted}.items()
        )
    ]


def _named(
    found: Sequence[holes.Hole], clients: Iterable[Tenant]
) -> list[tuple[Tenant, holes.Hole]]:
    by_id = {client.id: client for client in clients}
    return [(by_id[one.tenant_id], one) for one in found if one.tenant_id in by_id][:_HOLES]


@require_http_methods(["GET", "HEAD", "POST"])
def threats(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a client's techniques by weight and what covers them; technicians set the profile."""
    technician = technician_of(request)
    client = get_object_or_404(tenants_of(technician), slug=slug)
    if request.method == "POST":
        return _keep(request, slug)
    with writing(technician, client.id):
        profile = profiles.current()
        found = holes.on_computers()
        own = sorted(own_names.of_scope())
        # What names the client itself is no sighting there, and worth a look all the same.
        own_called_bad = list(store.in_force(own)[:_HOLES])
    return page(
        request, "threats.html", f"Threats to {client.name}", client=client, profile=profile,
        ranked=profiles.rank(profile, coverage.of_tenants([client.id])),
        reasons=[one for one in profiles.reasons(profile) if one.says], holes=found,
        countries=profiles.countries(), own=own, own_called_bad=own_called_bad,
        entered="\n".join(one.partition(":")[2] for one in profile.own) if profile else "",
        licence=profiles.told()["licence"],
        sectors=[(name, one["title"]) for name, one in profiles.told()["sectors"].items()],
        tools=[
            (name, one["title"], bool(profile and name in profile.tools))
            for name, one in profiles.told()["tools"].items()
        ],
        may_set=technician.has_role(Role.TECHNICIAN),
    )  # fmt: skip


@needs_role(Role.TECHNICIAN)
@needs_second_factor
def _keep(request: HttpRequest, slug: str) -> HttpResponse:
    technician = technician_of(request)
    client = get_object_or_404(tenants_of(technician), slug=slug)
    try:
        with writing(technician, client.id):
            profiles.keep(
                request.POST.get("sector", ""), request.POST.get("country", ""),
                request.POST.getlist("tool")[:50],
                own=request.POST.get("own", "")[:20_000].split(),
                actor=actions.actor_of(technician),
            )  # fmt: skip
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept.")
    return redirect("console:threats", client.slug)
