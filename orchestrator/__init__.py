"""The project around the app: settings, servers, Celery."""

from orchestrator.celery import app as celery_app

__all__ = ["celery_app"]
