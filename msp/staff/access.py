"""What a request's technician may do: role, second factor, and the clients to write to."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from msp.staff.models import Role, Technician
from msp.staff.selectors import sees
from tenants import scope

_P = ParamSpec("_P")
_View = Callable[Concatenate[HttpRequest, _P], HttpResponse]


def technician_of(request: HttpRequest) -> Technician:
    """Return the signed-in technician; PermissionDenied for anybody else."""
    user = request.user
    if not isinstance(user, Technician) or not user.is_active:
        raise PermissionDenied("Sign in as a technician.")
    return user


def mfa_satisfied(request: HttpRequest) -> bool:
    """Whether the technician has a second factor, or this installation demands none.

    allauth asks everybody who has one for it at sign-in, so having one means having shown it.
    """
    return not settings.REQUIRE_MFA or is_mfa_enabled(request.user)


def needs_role(role: Role) -> Callable[[_View[_P]], _View[_P]]:
    """Let a view run only for technicians who stand at least as high as `role`."""

    def decorate(view: _View[_P]) -> _View[_P]:
        @wraps(view)
        def checked(request: HttpRequest, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
            if not technician_of(request).has_role(role):
                raise PermissionDenied(f"This needs the role {role.label}. Ask an administrator.")
            return view(request, *args, **kwargs)

        return checked

    return decorate


def needs_second_factor(view: _View[_P]) -> _View[_P]:
    """Let a view run only with a second factor; others are sent to set one up."""

    @wraps(view)
    def checked(request: HttpRequest, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
        if not mfa_satisfied(request):
            messages.warning(
                request, "Set up a second sign-in factor first: decisions on plans need one."
            )
            return redirect("mfa_activate_totp")
        return view(request, *args, **kwargs)

    return checked


@contextmanager
def writing(technician: Technician, tenant_id: uuid.UUID) -> Iterator[None]:
    """Open the tenant's scope for a technician who may see it; to others it doesn't exist."""
    if not sees(technician, tenant_id):
        raise Http404("There is no such client.")
    with scope.tenant(tenant_id):
        yield
