"""Every address, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from projects.accounts.preferences import set_language

admin.autodiscover()
handler400 = "threadhub.lib.errors.bad_request"
handler500 = "threadhub.lib.errors.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/setlang/", set_language, name="set_language"),
    path("account/", include("projects.accounts.urls")),
    path("api/", include("threads.api_urls")),
    path("", include("monitoring.urls")),
    path("", include("threads.urls")),
]
