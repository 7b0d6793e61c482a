"""Every address of this installation."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from msp.console.sites import site
from msp.console.views.health import healthz
from msp.onboarding.views import consent_microsoft

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("healthz", healthz, name="healthz"),
    path("admin/", include("msp.console.urls")),
    path("admin/", site.urls),
    path("approve/", include("msp.approval.urls")),
    path("consent/microsoft/", consent_microsoft, name="consent_microsoft"),
    path("accounts/", include("msp.staff.urls")),
    path("api/", include("msp.api.urls")),
]
