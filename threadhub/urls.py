"""Every address, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler500 = "threadhub.lib.errors.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("account/", include("projects.accounts.urls")),
    path("api/", include("threads.api_urls")),
    path("", include("monitoring.urls")),
    path("", include("threads.urls")),
]
