"""`phantomgate.wsgi.PhantomGate`: WSGI middleware for Flask, Django and every other WSGI application.

    app.wsgi_app = PhantomGate(app.wsgi_app, "phantomgate.toml")      Flask
    application = PhantomGate(get_wsgi_application(), "phantomgate.toml")      Django

Rule: the application is called on one line, after an Allow and with nothing of ours left to go wrong. Its answer is the
server's: not looked at, and not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias, cast

from phantomgate.adapters.caller import Caller
from phantomgate.adapters.refusal import write_refusal
from phantomgate.adapters.wsgi import Environ, read_environ, to_client, write_environ
from phantomgate.backends.blocking import finish
from phantomgate.config.loading import load_settings, process_environ
from phantomgate.config.revoking import unheard
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Reason, Refused, SettingsError
from phantomgate.core.model import Allow, Headers, Refuse, Request, ScopeStrategy
from phantomgate.gateway.judge import scopes

StartResponse: TypeAlias = Callable[..., Any]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
Source: TypeAlias = str | Path | Settings | None
"""Settings, or the file that they are in. None: $PHANTOMGATE_CONFIG, else ./phantomgate.toml if it is there."""


class PhantomGate:
    """Middleware that decides every request, and calls *app* for those that are allowed.

    *app* finds the JWT in HTTP_AUTHORIZATION, and the `Caller` in `environ["phantomgate.caller"]`. Raises SettingsError
    with every problem at once. *root_path* is where *app* is mounted (SCRIPT_NAME), if it isn't at "/"; `[[routes]]`
    are about whole paths, it included. Threads may share one; each has a connection of its own.
    """

    def __init__(
        self,
        app: App,
        settings: Source = None,
        *,
        root_path: str = "",
        wire: Callable[[Settings], Wired] = wire,
    ) -> None:
        self.app = app
        if not isinstance(settings, Settings):
            settings = load_settings(Path(settings) if settings else None, process_environ())
        if problems := unheard(settings):
            raise SettingsError(problems)
        self.wired = wire(settings)
        self._root_path = root_path
        self._judge = scopes(cast("ScopeStrategy", settings.policy.scope_strategy))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """As WSGI calls an application."""
        document = self.wired.published.get(environ.get("PATH_INFO", ""))
        if document is not None and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return _answer(environ, start_response, 200, document.fields, document.body)
        decide = self.wired.gateway.decide
        try:
            request = read_environ(environ, root_path=self._root_path)
            decision = finish(decide(request))
            if isinstance(decision, Allow):
                inner = write_environ(environ, request, decision.upstream, Caller(decision.token, self._judge))
        except Exception as bug:  # noqa: BLE001 - whatever goes wrong, the request is refused
            no = Refused(Reason.SERVER_ERROR, type(bug).__name__)
            no.__cause__ = bug
            decision = finish(decide(Request("", "", Headers(), problem=no)))
        if isinstance(decision, Refuse):
            realm, metadata = self.wired.settings.serve.realm, self.wired.resource_metadata
            refusal = write_refusal(decision, realm, resource_metadata=metadata)
            return _answer(environ, start_response, *refusal)
        if not isinstance(decision, Allow):
            return _answer(environ, start_response, decision.status, decision.headers, b"")
        client = decision.client
        if not client:
            return self.app(inner, start_response)
        return self.app(inner, lambda status, fields, *more: start_response(status, to_client(fields, client), *more))


def _answer(
    environ: Environ, start_response: StartResponse, status: int, fields: Iterable[tuple[str, str]], body: bytes
) -> list[bytes]:
    start_response(f"{status} {HTTPStatus(status).phrase}", [*fields, ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
