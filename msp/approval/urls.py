"""The addresses that need no account."""

from django.urls import path

from msp.approval.questions import was_it_you
from msp.approval.views import approve

urlpatterns = [
    path("<str:token>/", approve, name="approve"),
    path("<str:token>/question/", was_it_you, name="was_it_you"),
]
