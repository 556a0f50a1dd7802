"""django-oauth-toolkit, a real authorization server of somebody else's: opaque tokens, and introspection in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interop.authorization_server import AuthorizationServer, issuer_in
from interop.needs import HERE, needs, python_of, version_in
from interop.processes import process


@contextmanager
def django_oauth_toolkit(folder: Path, token_seconds: int = 120) -> Iterator[AuthorizationServer]:
    """The server while the block runs, with its database and log in *folder*; tokens last *token_seconds*.

    It has a user too, ann, for `issue_to`.
    """
    needs("django-oauth-toolkit")
    log = folder / "django-oauth-toolkit.log"
    code = HERE / "django_oauth_toolkit"
    start = [python_of("django_oauth_toolkit"), "server.py", folder, token_seconds]
    with process(start, log, ready=lambda: bool(issuer_in(log)), cwd=code):
        issuer = issuer_in(log)
        yield AuthorizationServer(
            name="django-oauth-toolkit",
            version=version_in("django_oauth_toolkit", "django_oauth_toolkit"),
            issuer=issuer,
            token_endpoint=f"{issuer}/token/",
            introspection_endpoint=f"{issuer}/introspect/",
            revocation_endpoint=f"{issuer}/revoke_token/",
        )
