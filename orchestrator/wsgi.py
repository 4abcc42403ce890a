"""The web part for WSGI servers. Live streams hold a thread each here; an ASGI server is the better choice."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

application = get_wsgi_application()
