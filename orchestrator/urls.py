"""The address map of the whole site: the API, the pages, the admin."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from flows.conf import get_settings

urlpatterns = [
    path("", RedirectView.as_view(url="/ui/"), name="root"),
    *([path(get_settings().admin_path, admin.site.urls)] if get_settings().admin_is_on else []),
    path("", include("flows.api.urls")),
    path("ui", RedirectView.as_view(url="/ui/"), name="console-root"),
    path("ui/", include("flows.ui.urls")),
]
