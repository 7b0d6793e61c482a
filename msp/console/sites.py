"""The admin site: signed-in technicians only, through allauth's sign-in and its second factor."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from msp.staff.models import Technician


class ConsoleSite(UnfoldAdminSite):
    """Lists and reads models; everything that changes something is in `console.urls`."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether somebody active is signed in; what they may see is up to their role."""
        return isinstance(request.user, Technician) and request.user.is_active

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return the site's own addresses and two for each registered model."""
        guard = self.admin_view
        urls: list[URLPattern | URLResolver] = [
            path("", guard(self.index), name="index"),
            path("login/", self.login, name="login"),
            path("logout/", self.logout, name="logout"),
            path("password_change/", guard(self.password_change), name="password_change"),
            path("search/", guard(self.search), name="search"),
            path("jsi18n/", guard(self.i18n_javascript, cacheable=True), name="jsi18n"),
            path("<slug:app_label>/", guard(self.app_index), name="app_list"),
        ]
        for model, model_admin in self._registry.items():
            room = f"{model._meta.app_label}/{model._meta.model_name}/"
            urls.append(path(room, include(model_admin.urls)))
        return urls

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send the technician to the work queue."""
        return redirect("console:queue")

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: Any = None
    ) -> HttpResponse:
        """Send the technician to the work queue: rooms have no page of their own."""
        return redirect("console:queue")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send to allauth's sign-in, so that the second factor can't be passed by."""
        wanted = request.GET.get("next", "")
        after = {"next": wanted} if wanted else {}
        return redirect(f"{reverse('account_login')}?{urlencode(after)}")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """End the session (POST only)."""
        return _sign_out(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send to allauth's page."""
        return redirect("account_change_password")


@require_POST
def _sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("account_login")


site = ConsoleSite(name="admin")


def page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """Return a page of the console in the frame of the admin site."""
    request.current_app = site.name
    return TemplateResponse(
        request,
        f"console/{template}",
        {**site.each_context(request), "title": title, "content_title": title, **context},
    )
