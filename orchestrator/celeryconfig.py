"""Celery's settings, read when the app is first used. `flows/checks.py` refuses a start without those that keep work safe."""

from __future__ import annotations

from django.conf import settings

_given = settings.CELESTRA
_is_redis = _given["redis_url"] is not None

broker_url = _given["broker_url"]
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_pool_limit = 4
# The broker's own repetition is only a last resort: the lease of an attempt brings lost work back long before.
broker_transport_options = (
    {
        "visibility_timeout": 3600,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
        # A publish to a broker that is away fails at once: the sweep sends the message when the broker is back.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.2,
    }
    if _is_redis
    else {}
)

# Results are signals with a short life. A broker of another kind keeps none.
result_backend = _given["broker_url"] if _is_redis else None
result_expires = 3600
redis_socket_timeout = 30.0
redis_socket_connect_timeout = 5.0
redis_retry_on_timeout = True

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
enable_utc = True
timezone = "UTC"

task_acks_late = True
task_reject_on_worker_lost = False
task_ignore_result = False
task_default_queue = "default"
task_routes = {"flows.*": {"queue": "default"}}
task_track_started = False
task_send_sent_event = False

worker_prefetch_multiplier = 1
worker_concurrency = _given["worker_concurrency"]
worker_cancel_long_running_tasks_on_connection_loss = False
worker_soft_shutdown_timeout = _given["soft_shutdown_seconds"]
worker_send_task_events = False
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_eta_task_limit = 100
worker_proc_alive_timeout = 30.0

beat_scheduler = "orchestrator.beat:RowScheduler"
beat_max_loop_interval = 1

# Celery's Django support closes the database connection before and after each task, and a new one costs more than a light task.
# Broken connections are dropped by `orchestrator/celery.py` instead. The support reads this name only, in capitals.
CELERY_DB_REUSE_MAX = 2**62
