"""Settings of the whole appliance, from the environment; nothing secret has a default.

HOLDFAST_APP_DATABASE_URL and HOLDFAST_OWNER_DATABASE_URL are set by `manage.py` for the embedded
PostgreSQL. For a PostgreSQL of your own set DATABASE_URL (the application's role, which owns
nothing and can't bypass row-level security) and DATABASE_OWNER_URL (migrations only).
"""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from msp.appliance import demo_settings
from msp.appliance.secrets import installation_secrets
from msp.console.look import UNFOLD as UNFOLD
from msp.notifications.mail_server import mail_server

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("HOLDFAST_VAR", BASE_DIR / "var"))

_SECRETS = installation_secrets(VAR_DIR)
SECRET_KEY = _SECRETS.django_key
VAULT_KEYS = _SECRETS.vault_keys

# What the demo set for its state; the environment has precedence.
DEMO_SETTINGS = {
    name: value for name, value in demo_settings.read(VAR_DIR).items() if name not in os.environ
}

DEBUG = False
ALLOWED_HOSTS = os.environ.get("HOLDFAST_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("HOLDFAST_ORIGINS", "").split(",") if o]
HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = (
    os.environ.get("HOLDFAST_ALLOW_PRIVATE_ENDPOINTS")
    or DEMO_SETTINGS.get("HOLDFAST_ALLOW_PRIVATE_ENDPOINTS")
) == "1"
# How long a worker may hold work before another takes it over, in seconds.
WORK_LEASE_SECONDS = float(os.environ.get("HOLDFAST_WORK_LEASE_SECONDS", "30"))
# How many feeds are read at once, by all workers together: fewer than these have threads, so
# that a response never waits for a vendor that is slow to tell of something else.
WORK_TURNS = int(os.environ.get("HOLDFAST_POLLS_AT_ONCE", "3"))
SECURE_COOKIES = os.environ.get("HOLDFAST_HTTPS") == "1"
# How long a vendor may show the old state after a change; None: as the catalog says.
SETTLE_SECONDS = float(os.environ.get("HOLDFAST_SETTLE_SECONDS", "0")) or None
# How people reach this installation from outside, for links in mails, without a final slash.
PUBLIC_URL = os.environ.get("HOLDFAST_PUBLIC_URL", "").rstrip("/")

# The MSP's own multi-tenant application at Microsoft, to which clients consent, and the MSP's own
# tenant, which knows its GDAP relationships. Without the ID clients connect by an app of their own.
ENTRA_APP = {
    "client_id": os.environ.get("HOLDFAST_ENTRA_CLIENT_ID", ""),
    "client_secret": os.environ.get("HOLDFAST_ENTRA_CLIENT_SECRET", ""),
    "tenant_id": os.environ.get("HOLDFAST_ENTRA_TENANT_ID", ""),
}
# The JSON key of the MSP's service account at Google, to which clients delegate.
GOOGLE_KEY_FILE = os.environ.get("HOLDFAST_GOOGLE_KEY_FILE", "")
# Uploads may hold secrets: they are read from memory and never written to a disk.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# Without HOLDFAST_SMTP_URL nothing is sent.
_MAIL = mail_server(os.environ.get("HOLDFAST_SMTP_URL", ""))
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.use_tls, _MAIL.use_ssl
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("HOLDFAST_MAIL_FROM", "holdfast@localhost")


def _database(url: str) -> dict:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or parts.hostname or ""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(host),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


APP_DATABASE_URL = os.environ.get("DATABASE_URL") or os.environ.get(
    "HOLDFAST_APP_DATABASE_URL", "postgresql://holdfast_app@localhost/holdfast"
)
OWNER_DATABASE_URL = os.environ.get("DATABASE_OWNER_URL") or os.environ.get(
    "HOLDFAST_OWNER_DATABASE_URL", "postgresql://holdfast_owner@localhost/holdfast"
)
DATABASES = {"default": _database(APP_DATABASE_URL), "owner": _database(OWNER_DATABASE_URL)}
DATABASES["default"]["OPTIONS"] |= {"pool": {"min_size": 0, "max_size": 12, "timeout": 30}}
DATABASE_APP_ROLE = DATABASES["default"]["USER"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    # What it registers is loaded with the addresses, which most processes have no use for.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "tenants",
    "integrations",
    "playbooks",
    "msp",
    "msp.staff",
    "msp.console",
    "msp.reports",
    "msp.licensing",
    "msp.onboarding",
    "msp.api",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "msp.api.short_way.ShortWay",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "msp.staff.middleware.TechnicianScopeMiddleware",
]

ROOT_URLCONF = "msp.urls"
ASGI_APPLICATION = "msp.asgi.application"
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
            ]
        },
    }
]

AUTH_USER_MODEL = "staff.Technician"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/admin/"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Sessions end with the browser, or after a shift.
ACCOUNT_SESSION_REMEMBER = False
SESSION_COOKIE_AGE = 12 * 3600
ACCOUNT_ADAPTER = "msp.staff.adapter.ClosedSignup"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ADAPTER = "msp.staff.adapter.SealedMfa"
# Whether decisions on plans need a second sign-in factor.
REQUIRE_MFA = (
    os.environ.get("HOLDFAST_REQUIRE_MFA") or DEMO_SETTINGS.get("HOLDFAST_REQUIRE_MFA")
) != "0"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "msp.console.static_files.GzippedStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["msp.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["msp.api.permissions.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "msp.api.problems.problem_details",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Holdfast API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
}

LOGGING_CONFIG = "msp.approval.hidden.configure_logging"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("HOLDFAST_LOG", "INFO")},
    "loggers": {name: {"level": "WARNING"} for name in ("httpx", "fontTools", "weasyprint")},
}
