"""The web part for ASGI servers such as uvicorn."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

# Under ASGI every request runs in a thread of its own, so a connection kept per thread would be opened for each request.
_database = connections.settings["default"]
_database["CONN_MAX_AGE"] = 0
_database["OPTIONS"].setdefault("pool", {"min_size": 1, "max_size": 12, "timeout": 10, "max_idle": 120})

application = get_asgi_application()
