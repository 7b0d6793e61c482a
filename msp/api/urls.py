"""Every address under /api/."""

from django.urls import path, re_path

from msp.api.inbound import InboundView
from msp.api.notices import NoticesView
from msp.api.views import MeasuresView, SchemaView, UnknownView, UsageView

urlpatterns = [
    path("v1/licensing/usage", UsageView.as_view(), name="api-licensing-usage"),
    path("v1/measures", MeasuresView.as_view(), name="api-measures"),
    path("v1/in/<uuid:tenant>/<uuid:source>", InboundView.as_view(), name="api-inbound"),
    path("v1/notices/<uuid:tenant>/<uuid:feed>", NoticesView.as_view(), name="api-notices"),
    path("v1/schema/", SchemaView.as_view(), name="api-schema"),
    re_path(r"", UnknownView.as_view(), name="api-unknown"),
]
