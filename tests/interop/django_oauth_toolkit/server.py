"""django-oauth-toolkit as the tests need it: opaque tokens by client credentials and password, introspection in JSON.

Run as `python server.py FOLDER SECONDS`, by the Python of the environment beside it: the database goes to FOLDER, and
tokens last SECONDS. Prints its issuer when it listens, and ends when its standard input does, so it never outlives the
test.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import django
from django.conf import settings

FOLDER, SECONDS = Path(sys.argv[1]), int(sys.argv[2])

settings.configure(
    SECRET_KEY="only-for-tests",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # short, so that a test is
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "django.db"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",  # as every Django project has it: it adds Content-Length
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={
        "SCOPES": {"read": "read", "write": "write", "introspection": "ask about tokens"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": SECONDS,
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - Django is set up before its parts are imported
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402

urlpatterns = [path("", include("oauth2_provider.urls", namespace="oauth2_provider"))]


def set_up() -> None:
    """The tables, the clients `service`, `gateway` and `app` (password), and the user ann."""
    call_command("migrate", verbosity=0)
    for name, grant in (("service", "client-credentials"), ("gateway", "client-credentials"), ("app", "password")):
        Application.objects.create(
            client_id=name,
            client_secret=f"{name}-secret",
            client_type="confidential",
            authorization_grant_type=grant,
            name=name,
        )
    User.objects.create_user("ann", password="ann-secret")


def main() -> None:
    """Serve until standard input ends."""
    set_up()
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
