"""HTTP to a registry that is written to: TLS, a login, and patience with what passes by itself.

Retried: 429 and 5xx (after Retry-After where it is given), connections that break off, answers that do not come. Not
retried: what would be answered the same again. Messages name host and repository, never a header or an address with
its parameters, in which registries carry secrets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bakery.errors import PublishError
from bakery.files import Tell
from bakery.net import context_for
from bakery.registry.credentials import Login, find_login
from bakery.registry.errors import AGAIN, Passing, failure, is_passing, no_login, retry_after

if TYPE_CHECKING:
    import requests

__all__ = ["Answer", "Body", "Wire", "is_loopback"]

TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and between two signs of life: a registry digests a layer before it answers for it."""
PATIENCE = 180.0
"""Seconds that one thing is tried for."""
PAUSE, LONGEST = 1.0, 30.0
"""Seconds to the second try, doubled for each further one, and the longest of them."""
PLAIN = ("WRONG_VERSION_NUMBER", "record layer failure", "UNEXPECTED_MESSAGE")
"""How OpenSSL calls an answer in plain HTTP."""
T = TypeVar("T")
Body = bytes | Callable[[], IO[bytes]]
"""What is sent: bytes, or a call that opens them anew for each try."""


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, where docker itself speaks HTTP without TLS."""
    return bool(re.fullmatch(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", host))


@dataclass(frozen=True)
class Answer:
    """Status, header and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Wire:
    """Talks to one repository of one registry; ``bundle`` holds the user's own authorities."""

    host: str
    path: str
    bundle: Path | None = None
    tell: Tell = lambda _: None
    patience: float = PATIENCE
    token: str = field(default="", repr=False)
    basic: bool = False

    @cached_property
    def login(self) -> Login:
        """The user's login for this registry."""
        return find_login(self.host)

    @cached_property
    def session(self) -> requests.Session:
        """Connections that are kept open, through the user's proxies unless the registry is this machine."""
        import requests
        from requests.adapters import HTTPAdapter

        context = context_for(self.host, self.bundle)

        class Trusting(HTTPAdapter):
            def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
                super().init_poolmanager(*args, ssl_context=context, **kwargs)

            def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
                return super().proxy_manager_for(*args, ssl_context=context, **kwargs)

        session = requests.Session()
        session.mount("https://", Trusting())
        session.trust_env = not is_loopback(self.host)
        return session

    def close(self) -> None:
        """Give the connections up."""
        self.session.close()

    @cached_property
    def base(self) -> str:
        """Scheme and host: https, but http where this machine's own registry does not speak TLS."""
        import requests

        if is_loopback(self.host):
            try:
                self.session.get(f"https://{self.host}/v2/", timeout=TIMEOUT, auth=_unsigned).close()
            except requests.exceptions.SSLError as error:
                if any(word in str(error) for word in PLAIN):
                    return f"http://{self.host}"
            except requests.RequestException:
                pass  # told by the first request that matters
        return f"https://{self.host}"

    def patiently(self, step: Callable[[], T]) -> T:
        """What ``step`` returns, run again as long as what stops it may pass; raises :exc:`PublishError`."""
        pause, deadline = PAUSE, time.monotonic() + self.patience
        while True:
            try:
                return step()
            except Passing as hurdle:
                wait = retry_after(hurdle.wait, pause)
                if time.monotonic() + wait > deadline:
                    raise hurdle.error from None
                self.tell(f"{self.host} {hurdle.reason}: trying again in {wait:.0f} s")
            time.sleep(wait)
            pause = min(pause * 2, LONGEST)

    def ask(
        self, verb: str, what: str, *, headers: Mapping[str, str] | None = None, body: Body = b"",
        good: tuple[int, ...] = (200,),
    ) -> Answer:  # fmt: skip
        """The answer to :meth:`once`, asked again where that may help; raises :exc:`PublishError`."""
        return self.patiently(lambda: self.once(verb, what, headers=headers, body=body, good=good))

    def once(
        self, verb: str, what: str, *, headers: Mapping[str, str] | None = None, body: Body = b"",
        good: tuple[int, ...] = (200,),
    ) -> Answer:  # fmt: skip
        """The answer for ``what``, a path below the repository or a whole address, with one of the codes ``good``.

        Raises :exc:`bakery.registry.errors.Passing` where another try may help, else :exc:`PublishError`.
        """
        import requests

        url = what if "://" in what else f"{self.base}/v2/{self.path}/{what}"
        try:
            answer = self._answer(verb, url, headers or {}, body)
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE" not in str(error) and not any(word in str(error) for word in PLAIN):
                raise self._broken("broke the connection") from None
            raise PublishError(
                f"the TLS certificate of {self.host} is not trusted, or it does not speak TLS",
                hint=f"Name your own authority's: --ca-bundle=FILE, or /etc/docker/certs.d/{self.host}/ca.crt.",
            ) from None
        except requests.Timeout:
            raise self._broken("did not answer in time") from None
        except (requests.RequestException, OSError) as error:
            refused = "refused" in str(error) or "resolve" in str(error)
            raise self._broken("cannot be reached" if refused else "broke the connection") from None
        if answer.status in good:
            return answer
        if answer.status == 401 and not (self.token and self.login):
            raise no_login(self.host, bool(self.login))
        refusal = failure(self.host, self.path, what, answer.status, answer.body)
        if is_passing(answer.status, answer.body):
            raise Passing(f"answered {answer.status}", refusal, answer.headers.get("Retry-After", ""))
        raise refusal

    def _broken(self, reason: str) -> Passing:
        return Passing(reason, PublishError(f"{self.host} {reason}, also after {self.patience:.0f} s", hint=AGAIN))

    def _answer(self, verb: str, url: str, headers: Mapping[str, str], body: Body) -> Answer:
        """Whatever is answered, after a login where the registry wants one."""
        for renewed in (False, True):
            data = body if isinstance(body, bytes) else body()
            answer = self.session.request(
                verb, url, data=data or None, headers=dict(headers), auth=self._sign, timeout=TIMEOUT
            )
            if answer.status_code != 401 or renewed:
                break
            self._authorise(answer.headers.get("WWW-Authenticate", ""))
        return Answer(answer.status_code, answer.headers, answer.content)

    def _sign(self, request: Any) -> Any:
        """Put the login on a request to the registry itself; storage that it redirects to has addresses of its own."""
        if request.url.startswith(f"{self.base}/"):
            if self.token:
                request.headers["Authorization"] = f"Bearer {self.token}"
            elif self.basic:
                from requests.auth import HTTPBasicAuth

                return HTTPBasicAuth(*self.login.encoded)(request)
        return request

    def _authorise(self, challenge: str) -> None:
        """Answer a 401: get a token, or use the password (https://distribution.github.io/distribution/spec/auth/)."""
        kind, _, rest = challenge.partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = urlsplit(fields.get("realm", ""))
        safe = realm.scheme == "https" or (realm.scheme == "http" and is_loopback(realm.netloc))
        if kind.lower() == "basic":
            if self.basic or not self.login.name:
                raise no_login(self.host, self.basic)
            self.basic = True
        elif kind.lower() == "bearer" and safe:
            self.token = self._token(fields["realm"], fields.get("service", ""))
        else:
            raise PublishError(f"{self.host} asks for a login in a way that is not known: expected Bearer or Basic")

    def _token(self, realm: str, service: str) -> str:
        scope = {"service": service, "scope": f"repository:{self.path}:pull,push"}
        if self.login.token:
            form = {**scope, "grant_type": "refresh_token", "refresh_token": self.login.token, "client_id": "bakery"}
            answer = self.session.post(realm, data=form, timeout=TIMEOUT, auth=_unsigned)
        else:
            from requests.auth import HTTPBasicAuth

            login = HTTPBasicAuth(*self.login.encoded) if self.login else _unsigned
            answer = self.session.get(realm, params=scope, auth=login, timeout=TIMEOUT)
        if answer.status_code in (400, 401, 403):
            raise no_login(self.host, bool(self.login))
        answer.raise_for_status()
        try:
            body = answer.json()
            return str(body.get("token") or body["access_token"])
        except (ValueError, LookupError, AttributeError):
            raise PublishError(f"{self.host} sends to {urlsplit(realm).netloc} for a token, which gave none") from None


def _unsigned(request: Any) -> Any:
    """No login; without one of ours requests would take one from ~/.netrc."""
    return request
