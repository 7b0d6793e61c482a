"""The addresses that need no account."""

from django.urls import path

from msp.approval.views import approve

urlpatterns = [path("<str:token>/", approve, name="approve")]
