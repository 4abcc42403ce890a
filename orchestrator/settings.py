"""Django settings, all of them from environment variables (docs/configuration.md). `flows/conf.py` is their typed view."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from orchestrator import env
from orchestrator.fingerprint import read_fingerprint
from orchestrator.keys import read_keys

BASE_DIR = Path(__file__).resolve().parent.parent

HOME = env.read_path("CELESTRA_HOME", BASE_DIR / "var")
HOST = env.read_text("CELESTRA_HOST", "127.0.0.1")
PORT = env.read_count("CELESTRA_PORT", 8080, at_least=1, at_most=65535)
PUBLIC_URL = env.read_url("CELESTRA_PUBLIC_URL", f"http://{HOST}:{PORT}", schemes=("http", "https")).rstrip("/")
IS_HTTPS = PUBLIC_URL.startswith("https://")

# A unix socket path may have about 100 characters. Below a deep home the sockets move to a short folder whose name follows from
# the home, so that every command finds them without being told.
_RUN_FOLDER = HOME / "run"
if len(str(_RUN_FOLDER / "postgres" / ".s.PGSQL.5432")) > 100:
    _RUN_FOLDER = Path("/tmp") / f"celestra-{hashlib.sha256(str(HOME).encode()).hexdigest()[:12]}"  # noqa: S108 (checked by `up`)

DATABASE_URL = env.read_url(
    "CELESTRA_DATABASE_URL",
    f"postgresql://celestra@/celestra?host={quote(str(_RUN_FOLDER / 'postgres'), safe='/')}",
    schemes=("postgresql", "postgres"),
)
_BROKER_SOCKET = quote(str(_RUN_FOLDER / "valkey" / "valkey.sock"), safe="/")
BROKER_URL = env.read_url(
    "CELESTRA_BROKER_URL", f"redis+socket://{_BROKER_SOCKET}", schemes=("redis", "rediss", "redis+socket", "amqp", "amqps")
)
STORAGE_URL = env.read_url("CELESTRA_STORAGE_URL", f"file://{quote(str(HOME / 'storage'), safe='/')}", schemes=("file", "s3"))

_KEYS = read_keys(
    HOME,
    secret=env.read_text("CELESTRA_SECRET_KEY"),
    encryption=env.read_text("CELESTRA_ENCRYPTION_KEY"),
    # With its own database this installation is alone, so it may make its own keys; hosts that share one must share the keys.
    may_generate=env.read_flag("CELESTRA_GENERATE_KEYS") or "CELESTRA_DATABASE_URL" not in os.environ,
)


def _redis_url(broker_url: str) -> str | None:
    scheme, _, rest = broker_url.partition("://")
    if scheme == "redis+socket":
        path, _, query = rest.partition("?")
        return f"unix://{path}?{query.replace('virtual_host=', 'db=') or 'db=0'}"
    return broker_url if scheme in ("redis", "rediss") else None


_SESSION_LONGEST_SECONDS = env.read_seconds("CELESTRA_SESSION_LONGEST_SECONDS", 7 * 86400)

ADMIN_THEME = env.read_word("CELESTRA_ADMIN_THEME", "unfold", among=("unfold", "stock"))

CELESTRA = {
    "home": HOME,
    "host": HOST,
    "port": PORT,
    "public_url": PUBLIC_URL,
    "database_url": DATABASE_URL,
    "broker_url": BROKER_URL,
    "redis_url": _redis_url(BROKER_URL),
    "database_is_embedded": "CELESTRA_DATABASE_URL" not in os.environ,
    "broker_is_embedded": "CELESTRA_BROKER_URL" not in os.environ,
    "run_folder": _RUN_FOLDER,
    "storage_url": STORAGE_URL,
    "encryption_key": _KEYS.encryption,
    "admin_user": env.read_text("CELESTRA_ADMIN_USER", "admin@celestra.local"),
    "admin_password": env.read_text("CELESTRA_ADMIN_PASSWORD"),
    # Scripts mostly wait: on a small machine two of them must not keep everything else waiting.
    "worker_concurrency": env.read_count("CELESTRA_WORKER_CONCURRENCY", max(4, os.cpu_count() or 1), at_least=1, at_most=1024),
    "worker_queues": env.read_list("CELESTRA_WORKER_QUEUES", ("default",)),
    "plugin_packages": env.read_list("CELESTRA_PLUGIN_PACKAGES", ("plugins.core", "plugins.scripts", "plugins.jdbc")),
    "lease_seconds": env.read_seconds("CELESTRA_LEASE_SECONDS", 30.0),
    "heartbeat_seconds": env.read_seconds("CELESTRA_HEARTBEAT_SECONDS", 5.0),
    "soft_shutdown_seconds": env.read_seconds("CELESTRA_SOFT_SHUTDOWN_SECONDS", 25.0),
    "rate_limit_per_minute": env.read_count("CELESTRA_RATE_LIMIT_PER_MINUTE", 30_000, at_least=0, at_most=10_000_000),
    "anonymous_rate_limit_per_minute": env.read_count(
        "CELESTRA_ANONYMOUS_RATE_LIMIT_PER_MINUTE", 1_200, at_least=0, at_most=10_000_000
    ),
    "templates_enabled": env.read_flag("CELESTRA_TEMPLATES_ENABLED", True),
    "admin_is_on": env.read_flag("CELESTRA_ADMIN", True),
    "admin_path": env.read_path_prefix(
        "CELESTRA_ADMIN_PATH", "admin", taken=("ui", "api", "static", "health", "metrics", "main")
    ),
    "admin_theme": ADMIN_THEME,
    "admin_requires_mfa": env.read_flag("CELESTRA_ADMIN_REQUIRE_MFA"),
    "admin_addresses": env.read_networks("CELESTRA_ADMIN_ADDRESSES"),
    "script_runner": env.read_text("CELESTRA_SCRIPTS_DEFAULT_RUNNER", "process"),
    "plugin_settings": env.read_plugin_settings(("SCRIPTS", "JDBC", "HTTP")),
    "first_start": env.read_word("CELESTRA_FIRST_START", "password", among=("password", "setup")),
    "setup_needs_token": not env.read_flag("CELESTRA_SETUP_WITHOUT_TOKEN"),
    "require_mfa": env.read_flag("CELESTRA_REQUIRE_MFA"),
    "session_idle_seconds": env.read_seconds("CELESTRA_SESSION_IDLE_SECONDS", 12 * 3600),
    "session_longest_seconds": _SESSION_LONGEST_SECONDS,
    "oidc_issuer": env.read_text("CELESTRA_OIDC_ISSUER"),
    "oidc_client_id": env.read_text("CELESTRA_OIDC_CLIENT_ID"),
    "oidc_client_secret": env.read_text("CELESTRA_OIDC_CLIENT_SECRET"),
    "oidc_name": env.read_text("CELESTRA_OIDC_NAME", "single sign-on"),
    "oidc_scopes": env.read_list("CELESTRA_OIDC_SCOPES", ("openid", "email", "profile")),
    "oidc_groups_claim": env.read_text("CELESTRA_OIDC_GROUPS_CLAIM", "groups"),
    "oidc_groups": env.read_list("CELESTRA_OIDC_GROUPS"),
    "oidc_roles": env.read_list("CELESTRA_OIDC_ROLES"),
    "oidc_email_domains": env.read_list("CELESTRA_OIDC_EMAIL_DOMAINS"),
    "oidc_creates_accounts": env.read_flag("CELESTRA_OIDC_CREATE_ACCOUNTS", True),
    "oidc_links_accounts": env.read_flag("CELESTRA_OIDC_LINK_ACCOUNTS"),
    "oidc_default_role": env.read_text("CELESTRA_OIDC_DEFAULT_ROLE"),
}

SECRET_KEY = _KEYS.secret
DEBUG = False
ALLOWED_HOSTS = sorted(
    {"localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname or HOST, *env.read_list("CELESTRA_ALLOWED_HOSTS")}
    | ({HOST} if HOST not in ("0.0.0.0", "::") else set())  # noqa: S104 (compared, not bound)
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    # The theme stands above the admin whose templates it replaces, and makes no site of its own.
    *(["unfold.apps.BasicAppConfig"] if ADMIN_THEME == "unfold" else []),
    "orchestrator.admin.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_ace",
    "rest_framework",
    "drf_spectacular",
    "flows",
]

MIDDLEWARE = [
    # First, so that static files and error pages carry the same headers as every page.
    "orchestrator.security.browser_safety",
    "django.middleware.security.SecurityMiddleware",
    "orchestrator.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "orchestrator.callers.CallerMiddleware",
]

ROOT_URLCONF = "orchestrator.urls"
ASGI_APPLICATION = "orchestrator.asgi.application"
WSGI_APPLICATION = "orchestrator.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"console": "flows.ui.tags"},
        },
    },
]

_DATABASE = env.parse_database_url(DATABASE_URL)
_DATABASE["CONN_MAX_AGE"] = None
_DATABASE["CONN_HEALTH_CHECKS"] = True
# Nothing of ours may hold a lock or a transaction for long; a statement that runs away ends with an error instead.
_DATABASE["OPTIONS"] = {
    "connect_timeout": 10,
    "application_name": "celestra",
    "options": "-c statement_timeout=60000 -c lock_timeout=15000 -c idle_in_transaction_session_timeout=60000",
    **_DATABASE["OPTIONS"],
}
DATABASES = {"default": _DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "/ui/login"
LOGIN_REDIRECT_URL = "/ui/"

LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# The address changes with the files, so that browsers may keep them for ever.
STATIC_URL = f"/static/{read_fingerprint(BASE_DIR / 'static')}/"
STATICFILES_DIRS = [folder for folder in (BASE_DIR / "static",) if folder.is_dir()]
COMPRESSED_STATIC_FOLDER = BASE_DIR / "var" / "static"
# Files are found where they lie, so no collecting step stands between a clone and its first page.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ALLOW_ALL_ORIGINS = False

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# The prefix "__Host-" and the Secure mark need https; browsers drop such cookies on a plain address.
SESSION_COOKIE_NAME = "__Host-celestra-session" if IS_HTTPS else "celestra-session"
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# How long the cookie lives; the row of the session ends earlier when nobody uses it.
SESSION_COOKIE_AGE = int(_SESSION_LONGEST_SECONDS)
SESSION_ENGINE = "flows.operations.session_store"
CSRF_COOKIE_NAME = "__Host-celestra-csrf" if IS_HTTPS else "celestra-csrf"
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_FAILURE_VIEW = "flows.ui.errors.refuse_stale_form"
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health"]
SECURE_HSTS_SECONDS = 365 * 86400 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Only the proxies named here may say that the outer connection was https; the web part drops the header from anybody else.
TRUSTED_PROXIES = env.read_list("CELESTRA_TRUSTED_PROXIES")
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"event": {"()": "orchestrator.logs.EventFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
    "root": {"handlers": ["stderr"], "level": env.read_text("CELESTRA_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # Refused requests are answers, not events: the access log of the web part shows them.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django.server": {"level": "WARNING"},
        "uvicorn.access": {"level": env.read_text("CELESTRA_ACCESS_LOG_LEVEL", "WARNING").upper()},
        "uvicorn.error": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}

_ADMIN_ICON = "data:image/svg+xml," + quote(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#3b5bdb"/>'
    '<circle cx="16" cy="16" r="7" fill="none" stroke="#fff" stroke-width="3"/></svg>'
)
UNFOLD = {
    "SITE_TITLE": "Celestra",
    "SITE_HEADER": "Celestra",
    "SITE_SUBHEADER": "Administration",
    "SITE_URL": "/ui/",
    "SITE_SYMBOL": "account_tree",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: _ADMIN_ICON}],
    "BORDER_RADIUS": "7px",
    # The console's accent in steps, and its greys.
    "COLORS": {
        "primary": {
            "50": "#edf1fe", "100": "#dde4fd", "200": "#c1cdfb", "300": "#a5b6fa", "400": "#8ea4ff", "500": "#6f88f5",
            "600": "#3b5bdb", "700": "#324dba", "800": "#293f98", "900": "#1c2540", "950": "#131a30",
        },
        "base": {
            "50": "#f6f7f9", "100": "#f1f3f7", "200": "#e3e6eb", "300": "#d3d8e0", "400": "#8a95a4", "500": "#677284",
            "600": "#5b6675", "700": "#364050", "800": "#262d38", "900": "#151a21", "950": "#0e1116",
        },
    },
}  # fmt: skip

SPECTACULAR_SETTINGS = {
    "TITLE": "Celestra",
    "DESCRIPTION": "Flows, executions and what belongs to them. Every address below /api/v1/main/ exists without main, too.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["flows.api.schema.operations.keep_one_form"],
    "POSTPROCESSING_HOOKS": ["flows.api.schema.objects.add_objects"],
}
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
