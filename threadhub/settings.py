"""Settings for ThreadHub. One file; the environment decides what differs between machines.

Every name that is read from the environment is described in docs/configure.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import environ
from django.utils.translation import gettext_lazy as _

from threadhub.lib.environment import ensure_env_file

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
ensure_env_file(BASE_DIR / ".env")
env.read_env(BASE_DIR / ".env")

# The OpenAI SDK reads these by itself; one of them even replaces the Authorization header.
# With many projects' keys in one process that would mix tenants, so they end here.
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "AZURE_OPENAI_"))]:
    del os.environ[_name]

# --- security ---------------------------------------------------------------
SECRET_KEY = env("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
DEFAULT_EXCEPTION_REPORTER_FILTER = "threadhub.lib.errors.SecretsReporterFilter"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Origins ("https://app.example.org") whose pages may read the API with a token.
THREADHUB_CORS_ORIGINS = [
    origin.rstrip("/") for origin in env.list("THREADHUB_CORS_ORIGINS", default=[])
]
THREADHUB_TRUSTED_PROXIES = env.int("THREADHUB_TRUSTED_PROXIES", default=0)
THREADHUB_ENCRYPTION_KEYS = env.str("THREADHUB_ENCRYPTION_KEYS", default="")
THREADHUB_ENCRYPTION_KEYS_FILE = env.str("THREADHUB_ENCRYPTION_KEYS_FILE", default="")
THREADHUB_METRICS_TOKEN = env.str("THREADHUB_METRICS_TOKEN", default="")
THREADHUB_ALLOW_PRIVATE_HOSTS = env.bool("THREADHUB_ALLOW_PRIVATE_HOSTS", default=True)

# Off by default because the first start is plain http on this machine.
THREADHUB_HTTPS = env.bool("THREADHUB_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = THREADHUB_HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if THREADHUB_HTTPS else "threadhub_session"
CSRF_COOKIE_NAME = "__Host-csrftoken" if THREADHUB_HTTPS else "threadhub_csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14  # two weeks, in seconds
CSRF_COOKIE_HTTPONLY = False  # htmx sends the token back as a header
SECURE_SSL_REDIRECT = THREADHUB_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if THREADHUB_HTTPS else 0  # one year
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = THREADHUB_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
if THREADHUB_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Named as in Django 6.0, which brings its own middleware: the upgrade deletes ours.
SECURE_CSP: dict[str, list[str]] = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "media-src": ["'self'", "data:"],  # the question that is heard rather than seen
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "object-src": ["'none'"],
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    # Of accounts that import_predecessor brought; replaced when they log in.
    "projects.hashers.WerkzeugPasswordHasher",
]
# How often one account, token or address may ask, unless the settings in the admin say otherwise.
THREADHUB_RATES = {
    "search": "120/m",
    "read": "300/m",  # threads, their print views and sources
    "suggest": "600/m",  # while somebody types
    "poll": "240/m",  # pages that follow a job
    "export": "30/m",
    "change": "60/m",  # starting, cancelling and repeating work
    "fresh_search": "10/m",
    "captcha": "60/m",
    "file": "300/m",
    "write": "120/m",  # through the API
    "login": "10/m",  # failures, from one address
    "login_account": "5/5m",  # failures, of one account from anywhere
}
# --- accounts ---------------------------------------------------------------
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "projects.accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {"login": "projects.accounts.forms.LoginForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # people need no address; administrators make accounts
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a changed password or second factor, where there is one
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds in which nobody is asked for the password again
ACCOUNT_SESSION_REMEMBER = True  # how long that is, is set in the admin
# Ours count failures, by address and by account, and are set in the admin: see THREADHUB_RATES.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None}
MFA_ADAPTER = "projects.accounts.adapters.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "projects.accounts.forms.CodeForm",
    "reauthenticate": "projects.accounts.forms.CodeAgainForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1  # steps of 30 s that a phone's clock may be off
SOCIALACCOUNT_ADAPTER = "projects.accounts.adapters.SingleSignOnAdapter"
# Off unless the first three are set.
THREADHUB_OIDC_DISCOVERY_URL = env.str("THREADHUB_OIDC_DISCOVERY_URL", default="")
THREADHUB_OIDC_CLIENT_ID = env.str("THREADHUB_OIDC_CLIENT_ID", default="")
THREADHUB_OIDC_CLIENT_SECRET = env.str("THREADHUB_OIDC_CLIENT_SECRET", default="")
THREADHUB_OIDC_ID = env.str("THREADHUB_OIDC_ID", default="sso")
THREADHUB_OIDC_NAME = env.str("THREADHUB_OIDC_NAME", default="Single sign-on")
THREADHUB_OIDC_NEWCOMERS = env.str("THREADHUB_OIDC_NEWCOMERS", default="viewer")
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {"openid_connect": {"OAUTH_PKCE_ENABLED": True}}

# --- the application --------------------------------------------------------
INSTALLED_APPS = [
    # Ours come first: monitoring brings its own `qcluster`, which must win over django_q's.
    "monitoring.apps.MonitoringConfig",
    "threads.apps.ThreadsConfig",
    "projects.apps.ProjectsConfig",
    "django_q",
    "ninja",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    # Django's admin and users, as the console shows them.
    "threadhub.admin_site.ConsoleConfig",
    "threadhub.admin_site.PeopleConfig",
    "django.forms",  # its templates, for the renderer below
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "threadhub.lib.http.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "threadhub.lib.http.SecurityHeadersMiddleware",
    "threadhub.lib.http.CompressionMiddleware",
    "threadhub.lib.cors.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "monitoring.banned.BanMiddleware",  # after the static files: its page has a style
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "threadhub.lib.uploads.UploadLimitMiddleware",  # before who reads the form for its token
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "projects.accounts.middleware.SecondFactorMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "threadhub.lib.http.TimeZoneMiddleware",
    "projects.accounts.preferences.PreferencesMiddleware",
    "threadhub.lib.errors.DatabaseAwayMiddleware",
]
ROOT_URLCONF = "threadhub.urls"
WSGI_APPLICATION = "threadhub.wsgi.application"
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
                "django.template.context_processors.i18n",
                "projects.context.of_site",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = [
    # "Cache backend is not officially supported": ours counts exactly (threadhub/lib/tests).
    "django_ratelimit.W001",
]

# --- data -------------------------------------------------------------------
THREADHUB_DATA_DIR = BASE_DIR / env.str("THREADHUB_DATA_DIR", default="var")
THREADHUB_DATA_DIR.mkdir(parents=True, exist_ok=True)
# Files to import, in megabytes; what is larger is imported by a command.
THREADHUB_MAX_UPLOAD_MB = env.int("THREADHUB_MAX_UPLOAD_MB", default=4096)
THREADHUB_UPLOAD_PAGES = ["admin:threads_import"]
# Not /tmp: in many containers that is memory.
FILE_UPLOAD_TEMP_DIR = THREADHUB_DATA_DIR / "imports"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)

DATABASES: dict[str, Any] = {
    "default": env.db(
        "DATABASE_URL", default=f"sqlite:///{(THREADHUB_DATA_DIR / 'threadhub.sqlite3').as_posix()}"
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Measured with 8 writers: WAL alone fails up to 96 % of read-then-write transactions with
    # "database is locked"; with IMMEDIATE and a 20 s timeout none, at 2,477 transactions/s.
    DATABASES["default"] |= {
        "CONN_MAX_AGE": 60,  # 0 makes every enqueue pay for a new connection: 50 times slower
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL;"
                "PRAGMA synchronous=NORMAL;"
                "PRAGMA temp_store=MEMORY;"
                "PRAGMA mmap_size=33554432;"
                "PRAGMA journal_size_limit=67108864;"
                "PRAGMA cache_size=-8000"
            ),
        },
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}

REDIS_URL = env.str("REDIS_URL", default="")
TESTING = "pytest" in sys.modules
if TESTING and REDIS_URL:
    # Several test processes run side by side; each counts in a database of its own.
    _server, _number = REDIS_URL.rsplit("/", 1)
    _process = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    REDIS_URL = f"{_server}/{int(_number) + int(_process)}"
CACHES: dict[str, Any] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {
            "BACKEND": "threadhub.lib.cache.AtomicCache",
            "LOCATION": str(THREADHUB_DATA_DIR / "cache.sqlite3"),
        }
    )
}

# --- background work --------------------------------------------------------
# `retry` counts from the moment a task is taken out of the queue, not from its start, so it
# must outlast everything a worker may still have in front of it:
# retry >= timeout * (2 + queue_limit / workers). Attempts are counted by our own Job rows.
Q_CLUSTER: dict[str, Any] = {
    "name": "threadhub",
    "label": _("Background work"),
    "workers": env.int("THREADHUB_WORKERS", default=2),
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 300,
    "retry": 1800,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": 250,
    "save_limit_per": "func",
    "catch_up": False,
    "poll": 0.2,
    "guard_cycle": 0.5,
    "recycle": 200,
    "max_rss": 400_000,
    "cache": "default",
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"

# --- languages and time -----------------------------------------------------
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", "English"), ("zh-hant", "繁體中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = True
USE_THOUSAND_SEPARATOR = False

# --- static files -----------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = THREADHUB_DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Tests and DEBUG serve files as they lie there; a start collects and compresses them.
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if TESTING or DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
if TESTING:
    # Several test processes run side by side; each counts in a file of its own.
    if not REDIS_URL:
        CACHES["default"]["LOCATION"] = str(
            THREADHUB_DATA_DIR
            / f"test-cache-{os.environ.get('PYTEST_XDIST_WORKER', os.getpid())}.sqlite3"
        )
    # whitenoise would warn about the folder that a start makes; a test database keeps no file.
    STATIC_ROOT.mkdir(exist_ok=True)
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", PASSWORD_HASHERS[-1]]

# --- mail and logs ----------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="threadhub@localhost")
# Where people reach this server: the links in mails begin with it.
THREADHUB_URL = env.str("THREADHUB_URL", default="http://127.0.0.1:8000").rstrip("/")
LOG_FORMAT = env.str("LOG_FORMAT", default="text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"secrets": {"()": "threadhub.lib.logs.SecretsFilter"}},
    "formatters": {
        "text": {"()": "threadhub.lib.logs.TextFormatter"},
        "json": {"()": "threadhub.lib.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["secrets"],
            "formatter": "json" if LOG_FORMAT == "json" else "text",
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "threadhub": {"level": "INFO"},
        "projects": {"level": "INFO"},
        "threads": {"level": "INFO"},
        "monitoring": {"level": "INFO"},
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}
