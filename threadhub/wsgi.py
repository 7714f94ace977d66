"""The door for web servers: `gunicorn threadhub.wsgi`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threadhub.settings")

application = get_wsgi_application()
