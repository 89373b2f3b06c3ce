"""HTTP to one repository of a registry: TLS, login, tokens, retries, and limits of size and time.

Responses 429 and 503 are retried, for a push also other 5xx, broken connections and missing answers; the registry's
Retry-After sets the wait. Requests that would get the same answer again are not retried. Messages name host and
repository, never a header or a URL with its parameters, in which registries put secrets.
"""

import io
import json
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bakery.errors import InputError
from bakery.files import Tell, disk_full, require_space
from bakery.names import is_digest_of, is_resource
from bakery.net import context_for, docker_config, users_bundle
from bakery.redaction import shorten
from bakery.registry.credentials import Login, find_login
from bakery.registry.errors import RESUME, RegistryError, Unreachable, is_full, login_error, retry_after, status_error
from bakery.urls import is_loopback

if TYPE_CHECKING:
    import requests

LARGEST = 4 << 20
"""Bytes of the largest answer that is read into memory: registries accept manifests of 4 MiB. JSON can take 30 times as
many bytes once it is parsed."""
LARGEST_BLOB = 16 << 30
"""Bytes of the largest layer that is opened; a manifest may state any size."""
LARGEST_TOKEN = 1 << 17
LARGEST_CHALLENGE = 4096
"""Characters of a WWW-Authenticate header; a registry sends about 150."""
CHALLENGE = re.compile(r'([^\s,="]+)(?:\s*=\s*("(?:\\.|[^"\\])*"|[^\s,"]*))?')
"""A kind of login, which has no value, or a parameter of the preceding kind (RFC 9110 11.4)."""
PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before the second attempt, doubled before each further one, and their limit."""
PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "record layer failure", "UNEXPECTED_MESSAGE")
"""How OpenSSL reports an answer in plain HTTP."""
T = TypeVar("T")
Content = TypeVar("Content", bytes, IO[bytes])
Body = bytes | Callable[[], IO[bytes]]
"""A request's body: bytes, or a function that opens them for each attempt."""


@dataclass(frozen=True)
class Policy:
    """How a repository is used: seconds to connect and between reads, and seconds for which a request is retried."""

    pushes: bool
    timeout: tuple[float, float]
    patience: float
    transient: frozenset[int]
    """Status codes after which another attempt may succeed."""


PULL = Policy(pushes=False, timeout=(3.0, 10.0), patience=20.0, transient=frozenset({429, 503}))
"""Reading: an unreachable registry must not hold up a build that can do without it, so connections are not retried."""
PUSH = Policy(
    pushes=True, timeout=(10.0, 120.0), patience=180.0, transient=frozenset({408, 425, 429, 500, 502, 503, 504})
)
"""Writing: a registry verifies a layer before it answers."""


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Transport:
    """Talks to one repository; ``bundle`` has the user's certificate authorities (default: the environment's)."""

    host: str
    path: str
    policy: Policy
    bundle: Path | None = None
    tell: Tell = lambda _: None
    token: str = field(default="", repr=False)
    basic: bool = False

    @cached_property
    def login(self) -> Login:
        """The user's login for this registry; a pull works without one if docker's configuration is damaged."""
        try:
            return find_login(self.host, docker_config())
        except (InputError, RegistryError):
            if self.policy.pushes:
                raise
            return Login()

    @cached_property
    def session(self) -> "requests.Session":
        """Connections that stay open, through the user's proxies unless the registry is this machine."""
        from bakery.net import sessions

        session = sessions.Session(context_for(self.host, self.bundle or users_bundle()))
        session.trust_env = not is_loopback(self.host)
        return session

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    @cached_property
    def base(self) -> str:
        """Scheme and host: https, or http if the host is this machine and does not speak TLS."""
        import requests

        if is_loopback(self.host):
            try:
                url = f"https://{self.host}/v2/"
                self.session.get(url, timeout=self.policy.timeout, stream=True).close()
            except requests.exceptions.SSLError as error:
                if any(reason in str(error) for reason in PLAIN_HTTP):
                    return f"http://{self.host}"
            except requests.RequestException:
                pass  # reported by the next request
        # As requests sends it: the URL of a request is compared with it before a login is added.
        return f"https://{self.host.lower()}"

    def retried(self, step: Callable[[], T]) -> T:
        """The result of ``step``, retried while its :exc:`RegistryError` is transient and patience lasts."""
        pause, deadline = PAUSE, time.monotonic() + self.policy.patience
        while True:
            try:
                return step()
            except RegistryError as error:
                wait = max(pause, retry_after(error.wait, pause))
                if not error.transient or time.monotonic() + wait > deadline:
                    raise
                self.tell(
                    f"{self.host} {error.transient}: retrying in {wait:.0f} s, for at most {self.policy.patience:.0f} s"
                )
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def ask(
        self, verb: str, resource: str, *, headers: Mapping[str, str] | None = None, body: Body = b"",
        good: tuple[int, ...] = (200,),
    ) -> Answer:  # fmt: skip
        """The answer to :meth:`once`, with retries; raises :exc:`RegistryError`."""
        return self.retried(lambda: self.once(verb, resource, headers=headers, body=body, good=good))

    def once(
        self, verb: str, resource: str, *, headers: Mapping[str, str] | None = None, body: Body = b"",
        good: tuple[int, ...] = (200,),
    ) -> Answer:  # fmt: skip
        """The answer for ``resource``, a path or a URL; :exc:`RegistryError` unless its status is in ``good``."""
        with self._network_errors(), self._respond(verb, resource, headers or {}, body) as response:
            answer = self._read(response)
        if answer.status not in good:
            raise self._refusal(self.host, self._name(resource), answer)
        return answer

    def _read(self, response: "requests.Response", limit: int = 0) -> Answer:
        """An answer of limited size, even if it is compressed, which is never requested."""
        from bakery.net import sessions

        limit = limit or LARGEST
        try:
            content = b"".join(sessions.chunks_of(response, limit))
            if re.search("gzip|deflate", response.headers.get("Content-Encoding", "")):
                content = zlib.decompressobj(47).decompress(content, limit + 1)
        except zlib.error:
            raise RegistryError(f"{self.host} answered with damaged data") from None
        except OverflowError:
            content = bytes(limit + 1)
        if len(content) > limit:
            raise RegistryError(f"{self.host} answered with more than {limit} bytes, too much for a manifest")
        return Answer(response.status_code, response.headers, content)

    def blob(self, digest: str, size: int) -> bytes:
        """A small blob, such as a configuration, of ``size`` bytes; raises as :meth:`ask` does."""
        return self.verified(self.ask("GET", f"blobs/{digest}").body, digest, size)

    @contextmanager
    def open(self, digest: str, size: int) -> Iterator[IO[bytes]]:
        """A blob of ``size`` bytes in a temporary file, verified; raises as :meth:`once` does."""
        from bakery.net import sessions

        resource, folder = f"blobs/{digest}", Path(tempfile.gettempdir())
        if size > LARGEST_BLOB:
            raise RegistryError(f"{self.host} has a blob of {size} bytes, expected at most {LARGEST_BLOB}")
        require_space(folder, size)
        with disk_full(folder), tempfile.TemporaryFile() as file:
            with self._network_errors(), self._respond("GET", resource, {}, b"") as response:
                if response.status_code != 200:
                    raise self._refusal(self.host, self._name(resource), self._read(response))
                with suppress(OverflowError):
                    file.writelines(sessions.chunks_of(response, size + 1))
            self.verified(file, digest, size).seek(0)
            yield file

    def verified(self, content: Content, digest: str, size: int = -1) -> Content:
        """``content``, bytes or a stream, if it has this ``digest`` and ``size``; else :exc:`RegistryError`."""
        actual = len(content) if isinstance(content, bytes) else content.seek(0, io.SEEK_END)
        if not is_digest_of(content, digest) or size not in (actual, -1):
            raise RegistryError(f"{self.host} answered with bytes that do not match {digest}")
        return content

    def _name(self, resource: str) -> str:
        return self.path if resource.startswith(("https://", "http://")) else f"{self.path}/{resource}"

    def _refusal(self, host: str, resource: str, answer: Answer) -> RegistryError:
        if answer.status == 401 and not (self.token and self.login):
            return login_error(self.host, self.path, bool(self.login))
        error = status_error(host, resource, answer.status, answer.body, self.policy.pushes)
        if answer.status in self.policy.transient and not is_full(answer.body):
            error.transient, error.wait = f"answered {answer.status}", answer.headers.get("Retry-After", "")
        return error

    @contextmanager
    def _network_errors(self) -> Iterator[None]:
        """Turn what requests and urllib3 raise into a :exc:`RegistryError`."""
        import requests
        from urllib3.exceptions import HTTPError

        try:
            yield
        except requests.exceptions.SSLError as error:
            raise self._tls_error(error) from None
        except requests.exceptions.ProxyError as error:
            raise self._proxy_error(error) from None
        except requests.Timeout as error:
            raise self._unreachable("did not answer in time", error) from None
        except ValueError:  # what requests raises for URLs and headers; another attempt would get the same ones
            raise Unreachable(
                f"{self.host} cannot be reached: invalid URL or header (its own, a redirect's or a proxy's)"
            ) from None
        except requests.TooManyRedirects as error:
            raise Unreachable(f"{self.host} redirects too often, or from https to another protocol: {error}") from None
        except (requests.RequestException, HTTPError) as error:
            refused = "refused" in str(error) or "resolve" in str(error)
            raise self._unreachable("cannot be reached" if refused else "broke the connection", error) from None

    def _tls_error(self, error: Exception) -> Unreachable:
        text, host, docker = str(error), self._host_of(error), f"/etc/docker/certs.d/{self.host}"
        if "CERTIFICATE" not in text and not any(reason in text for reason in PLAIN_HTTP):
            return self._unreachable("broke the connection", error)
        if untimely := re.search("certificate (has expired|is not yet valid)", text):
            hint = f"This machine's clock says {datetime.now(UTC):%Y-%m-%d}: is that right?"
            return Unreachable(f"the TLS certificate of {host} {untimely[1]}", hint=hint)
        if "mismatch" in text:
            hint = "Use the name that it is issued for; --ca-bundle does not help."
            return Unreachable(f"the TLS certificate of {host} is not valid for this host name", hint=hint)
        if "CERTIFICATE_REQUIRED" in text:
            hint = f"Docker's are used: {docker}/client.cert and client.key."
            return Unreachable(f"{host} requires a client certificate", hint=hint)
        hint = f"Pass your authority's certificate: --ca-bundle=FILE, or {docker}/ca.crt."
        return Unreachable(f"the TLS certificate of {host} is not trusted, or it does not speak TLS", hint=hint)

    def _proxy_error(self, error: Exception) -> Unreachable:
        status = re.search(r"Tunnel connection failed: (\d{3})", str(error))
        reason = f"cannot be reached through the proxy{f', which answered {status[1]}' if status else ''}"
        if not status or status[1] >= "500":
            return self._unreachable(reason, error)
        hint = "The proxy and a login for it are in $https_proxy: http://NAME:PASSWORD@HOST:PORT."
        return Unreachable(f"{self._host_of(error)} {reason}", hint=hint)

    def _host_of(self, error: Exception) -> str:
        """The host of the request that failed: the registry, or the storage or token server that it refers to."""
        request = getattr(error, "request", None)
        other = urlsplit(str(getattr(request, "url", ""))).netloc.rpartition("@")[2]
        return self.host if other in ("", self.host.lower()) else f"{other}, to which {self.host} refers,"

    def _unreachable(self, reason: str, error: Exception) -> Unreachable:
        if not self.policy.pushes:
            return Unreachable(f"{self._host_of(error)} {reason}")
        message = f"{self._host_of(error)} {reason}; retried for {self.policy.patience:.0f} s"
        return Unreachable(message, hint=RESUME, transient=reason)

    def _respond(self, verb: str, resource: str, headers: Mapping[str, str], body: Body) -> "requests.Response":
        """Any answer, after a login if the registry requires one."""
        url = self._url(resource)
        for renewed in (False, True):
            data = _opened(body)
            response = self.session.request(
                verb, url, data=data or None, headers=dict(headers), auth=self._sign, timeout=self.policy.timeout,
                stream=True,
            )  # fmt: skip
            # Storage that the registry redirects to may not ask for the registry's login.
            if response.status_code != 401 or renewed or not str(response.url).startswith(f"{self.base}/"):
                break
            self._read(response)
            self._authorise(response.headers.get("WWW-Authenticate", ""))
        return response

    def _url(self, resource: str) -> str:
        """The URL of a manifest or a blob, or ``resource`` itself if it is a URL."""
        if resource.startswith(("https://", "http://")):
            return resource
        # Any other path could lead to another repository or another API.
        if not is_resource(self.path, resource):
            raise RegistryError(
                f"{self.host} has no {shorten(self._name(resource), 300)!r}: it is not a manifest or a blob"
            )
        return f"{self.base}/v2/{self.path}/{resource}"

    def _sign(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        """Add the login to a request to the registry itself, not to one to the storage that it redirects to."""
        if str(request.url).startswith(f"{self.base}/"):
            if self.token:
                request.headers["Authorization"] = f"Bearer {self.token}"
            elif self.basic:
                return _basic(self.login)(request)
        return request

    def _authorise(self, challenge: str) -> None:
        """Answer a 401: get a token, or use the password (https://distribution.github.io/distribution/spec/auth/)."""
        if len(challenge) > LARGEST_CHALLENGE:
            problem = f"sent a WWW-Authenticate header of more than {LARGEST_CHALLENGE} characters"
            raise RegistryError(f"{self.host} {problem}")
        # A header may have several challenges, and headers are joined by commas (RFC 9110 11.6.1).
        kinds, parameters = dict[str, dict[str, str]](), dict[str, str]()
        for name, value in CHALLENGE.findall(challenge):
            if value:
                parameters.setdefault(name.lower(), value.strip('"'))
            else:
                parameters = kinds.setdefault(name.lower(), {})
        bearer = kinds.get("bearer", {})
        try:
            realm = urlsplit(bearer.get("realm", ""))
        except ValueError:
            raise RegistryError(f"{self.host} refers to an invalid URL for a token") from None
        secure = realm.scheme == "https" or (realm.scheme == "http" and is_loopback(realm.netloc))
        if "realm" not in bearer and "basic" in kinds:
            if self.basic or not self.login.name:
                raise login_error(self.host, self.path, self.basic, bool(self.login.token))
            self.basic = True
        elif secure or (realm.scheme == "http" and not self.login):
            self.token = self._token(bearer["realm"], bearer.get("service"))
        else:
            raise RegistryError(f"{self.host} requires an unsupported kind of login: expected Bearer or Basic")

    def _token(self, realm: str, service: str | None) -> str:
        actions = "pull,push" if self.policy.pushes else "pull"
        scope = {"service": service, "scope": f"repository:{self.path}:{actions}"}
        # A request with a login is not redirected: its form, which is its body, would be sent to another host.
        options: dict[str, Any] = {"timeout": self.policy.timeout, "stream": True, "allow_redirects": not self.login}
        login, server = self.login, urlsplit(realm).netloc.rpartition("@")[2]
        if login.token:
            form = {**scope, "grant_type": "refresh_token", "refresh_token": login.token, "client_id": "bakery"}
            response = self.session.post(realm, data=form, **options)
        else:
            options["auth"] = _basic(login) if login else None
            response = self.session.get(realm, params=scope, **options)
        with response:
            answer = self._read(response, LARGEST_TOKEN)
        if answer.status in (400, 401, 403):
            if login and not self.policy.pushes:  # an outdated login must not prevent reading a public image
                self.login = Login()
                return self._token(realm, service)
            raise login_error(self.host, self.path, bool(login))
        if answer.status != 200:
            raise self._refusal(server, f"a token for {self.path}", answer)
        try:
            body = json.loads(answer.body)
            token = str(body.get("token") or body["access_token"])
        except (ValueError, LookupError, AttributeError, RecursionError):
            raise RegistryError(f"{server}, the token server of {self.host}, answered without a token") from None
        if not re.fullmatch(r"[\x21-\x7e]+", token):  # RFC 6750 2.1; else it could end the header that it is sent in
            raise RegistryError(f"{server}, the token server of {self.host}, answered with an invalid token")
        return token


def _opened(body: Body) -> bytes | IO[bytes]:
    """A request's body at its beginning; an empty file as bytes, because requests sends it as chunked."""
    if isinstance(body, bytes):
        return body
    stream = body()
    empty = not stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return b"" if empty else stream


def _basic(login: Login) -> "Callable[[requests.PreparedRequest], requests.PreparedRequest]":
    from requests.auth import HTTPBasicAuth

    return HTTPBasicAuth(*login.encoded)
