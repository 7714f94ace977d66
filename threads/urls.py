"""The public pages."""

from __future__ import annotations

from django.urls import path

from threads.views import help as help_views
from threads.views import jobs, search, site, thread

app_name = "threads"
urlpatterns = [
    path("", search.search_page, name="search"),
    path("facets/", search.counted_facets, name="facets"),
    path("threads/<str:thread_id>/", thread.thread_page, name="thread"),
    path("threads/<str:thread_id>/print/", thread.print_page, name="print"),
    path("threads/<str:thread_id>/<int:position>/", thread.message_source, name="message_source"),
    path("jobs/<uuid:job_id>/", jobs.job_page, name="job"),
    path("jobs/<uuid:job_id>/cancel/", jobs.cancel, name="cancel_job"),
    path("jobs/<uuid:job_id>/retry/", jobs.retry, name="retry_job"),
    path("help/search/", help_views.search_help, name="search_help"),
    path("robots.txt", site.robots, name="robots"),
    path("favicon.ico", site.favicon, name="favicon"),
]
