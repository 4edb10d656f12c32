"""Authentication at a registry: none, a password, or a token from the server that it names."""

import re
from collections.abc import Generator, Sequence

import httpx

from slipway.adapters.oci.credentials import Login

_PART = re.compile(r'([a-zA-Z_]+)="([^"]*)"')


class RegistryAccess(httpx.Auth):
    """Answers a registry's challenge once, and keeps the credentials for later requests."""

    requires_response_body = True

    def __init__(self, login: Login | None, repositories: Sequence[str]) -> None:
        """Request tokens that may pull from and push to `repositories`."""
        self._login, self._repositories = login, repositories
        self._answer: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request; after a challenge once more, with the requested credentials."""
        if self._answer is not None:
            request.headers["authorization"] = self._answer
        response = yield request
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code != httpx.codes.UNAUTHORIZED or not challenge:
            return
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "bearer":
            said = yield make_token_request(rest, self._repositories, self._login)
            if not said.is_success or (token := _read_token(said)) is None:
                return
            self._answer = f"Bearer {token}"
        elif self._login is not None:
            self._answer = _make_basic_header(self._login)
        else:
            return
        request.headers["authorization"] = self._answer
        yield request


def make_token_request(challenge: str, repositories: Sequence[str], login: Login | None) -> httpx.Request:
    """Return the token request for a Bearer challenge.

    >>> challenge = 'realm="https://auth.example/token",service="registry.example"'
    >>> str(make_token_request(challenge, ["team/digits"], None).url)
    'https://auth.example/token?service=registry.example&scope=repository%3Ateam%2Fdigits%3Apull%2Cpush'
    """
    parts = dict(_PART.findall(challenge))
    scopes = [("scope", f"repository:{name}:pull,push") for name in repositories]
    headers = {} if login is None else {"authorization": _make_basic_header(login)}
    service = [("service", parts["service"])] if "service" in parts else []
    return httpx.Request("GET", parts.get("realm", ""), params=[*service, *scopes], headers=headers)


def _make_basic_header(login: Login) -> str:
    request = next(httpx.BasicAuth(*login).auth_flow(httpx.Request("GET", "http://registry")))
    return str(request.headers["authorization"])


def _read_token(said: httpx.Response) -> str | None:
    try:
        document = said.json()
    except ValueError:
        return None
    token = document.get("token") or document.get("access_token") if isinstance(document, dict) else None
    return token if isinstance(token, str) else None
