"""The address map of an installation that has switched its admin site off."""

from django.urls import include, path

urlpatterns = [path("", include("flows.api.urls")), path("ui/", include("flows.ui.urls"))]
