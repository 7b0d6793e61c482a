"""The API's addresses."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView

from msp.api.problems import not_found
from msp.api.views import LicensingUsageView

urlpatterns = [
    path("licensing/usage", LicensingUsageView.as_view(), name="licensing-usage"),
    path(
        "schema/",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="schema",
    ),
    re_path(r"^.*$", not_found, name="api-not-found"),
]
