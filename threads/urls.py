"""The public pages."""

from __future__ import annotations

from django.urls import path

from threads.views import (
    exports,
    files,
    fresh,
    jobs,
    managing,
    saved,
    search,
    sharing,
    site,
    suggestions,
    thread,
    tokens,
)
from threads.views import help as help_views

app_name = "threads"
urlpatterns = [
    path("", search.search_page, name="search"),
    path("facets/", search.counted_facets, name="facets"),
    path("suggestions/", suggestions.suggestions, name="suggestions"),
    path("saved/", saved.saved_list, name="saved"),
    path("saved/<int:pk>/", saved.change, name="saved_change"),
    path("saved/<int:pk>/delete/", saved.delete, name="saved_delete"),
    path("saved/<int:pk>/feed/", saved.change_feed, name="saved_feed"),
    path("saved/unsubscribe/<str:token>/", saved.unsubscribe, name="unsubscribe"),
    path("feeds/<str:token>/", saved.feed, name="feed"),
    path("threads/<str:thread_id>/", thread.thread_page, name="thread"),
    path("threads/<str:thread_id>/hits/", search.further_hits, name="further_hits"),
    path("threads/<str:thread_id>/manage/", managing.manage_thread, name="manage"),
    path("threads/<str:thread_id>/share/", sharing.share_links, name="share_links"),
    path(
        "threads/<str:thread_id>/share/<int:link_id>/revoke/",
        sharing.revoke_share_link,
        name="revoke_share_link",
    ),
    path("shared/<str:text>/", sharing.shared_thread, name="shared"),
    path("threads/<str:thread_id>/print/", thread.print_page, name="print"),
    path("threads/<str:thread_id>/<int:position>/", thread.message_source, name="message_source"),
    path("files/<slug:project_slug>/<str:file_id>/", files.file_content, name="file"),
    path("jobs/<uuid:job_id>/", jobs.job_page, name="job"),
    path("jobs/<uuid:job_id>/cancel/", jobs.cancel, name="cancel_job"),
    path("jobs/<uuid:job_id>/retry/", jobs.retry, name="retry_job"),
    path("exports/", exports.export_list, name="exports"),
    path("exports/new/", exports.new_export, name="new_export"),
    path("exports/<uuid:job_id>/", exports.export_page, name="export"),
    path("exports/<uuid:job_id>/file/", exports.export_file, name="export_file"),
    path("fresh-searches/", fresh.fresh_searches, name="fresh_searches"),
    path("fresh-searches/new/", fresh.new_fresh_search, name="new_fresh_search"),
    path("fresh-searches/<uuid:search_id>/", fresh.fresh_search, name="fresh_search"),
    path(
        "fresh-searches/<uuid:search_id>/cancel/",
        fresh.cancel_fresh_search,
        name="cancel_fresh_search",
    ),
    path(
        "fresh-searches/<uuid:search_id>/retry/",
        fresh.retry_fresh_search,
        name="retry_fresh_search",
    ),
    path("account/tokens/", tokens.api_tokens, name="api_tokens"),
    path("account/tokens/<int:token_id>/revoke/", tokens.revoke_token, name="revoke_token"),
    path("help/search/", help_views.search_help, name="search_help"),
    path("robots.txt", site.robots, name="robots"),
    path("favicon.ico", site.favicon, name="favicon"),
]
