"""Logins from docker's configuration: entries of the file, credential helpers, and their order."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests

from bakery.errors import InputError
from bakery.net.docker_config import docker_config
from bakery.registry import credentials, transport
from bakery.registry.credentials import HUB_KEY, Login
from bakery.registry.errors import RegistryError
from bakery.registry.references import HUB

HOST = "registry.example:5000"


def find_login(host: str) -> Login:
    return credentials.find_login(host, docker_config())


AUTH = base64.b64encode("käthe:pass:word".encode()).decode()


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes docker's configuration, and credential helpers from the shell scripts in ``helpers``."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def write(content: Any, **helpers: str) -> None:
        (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
        for name, script in helpers.items():
            file = tmp_path / f"docker-credential-{name}"
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)

    return write


def answer(name: str, secret: str, server: str = HOST) -> str:
    """The script of a credential helper that has a login for ``server`` only."""
    login = json.dumps({"ServerURL": server, "Username": name, "Secret": secret})
    return f"""[ "$1" = get ] && [ "$(cat)" = "{server}" ] && exec echo '{login}'
echo "credentials not found in native keychain"; exit 1"""


def test_without_a_configuration_there_is_no_login(configure: Any) -> None:
    assert not find_login(HOST)
    configure({})
    assert not find_login(HOST)
    configure({"auths": {HOST: {}}, "credHelpers": None})
    assert not find_login(HOST)


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"http://{HOST}/v1/"])
def test_a_login_in_the_file_is_found_by_host_or_url(configure: Any, key: str) -> None:
    configure({"auths": {"other.example": {"auth": "bad"}, key: {"auth": AUTH}}})
    login = find_login(HOST)
    assert login == Login("käthe", "pass:word")
    assert login.encoded == ("käthe".encode(), b"pass:word")
    assert "pass" not in repr(login)


@pytest.mark.parametrize("key", [HUB_KEY, "docker.io", "index.docker.io"])
def test_docker_hubs_login_is_found_under_each_of_its_names(configure: Any, key: str) -> None:
    configure({"auths": {key: {"auth": AUTH}}})
    assert find_login(HUB).name == "käthe"


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("me:secret\n", "secret\n"), ("me:secret\0\0", "secret"), ("me:\0s\0x\0", "s\0x"),
        ("me:a\tb\x07\r\n", "a\tb\x07\r\n"),
        ("me:", ""), ("me::", ":"), ("me:\0", ""),
    ],
)  # fmt: skip
def test_a_login_is_decoded_as_docker_does_and_never_breaks_a_header(configure: Any, text: str, password: str) -> None:
    encoded = base64.encodebytes(text.encode()).decode()  # with a line break at its end, and every 76 characters
    configure({"auths": {HOST: {"auth": encoded}}})
    login = find_login(HOST)
    assert login == Login("me", password)
    request = transport._basic(login)(requests.Request("GET", f"https://{HOST}/v2/").prepare())
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"


def test_a_name_and_a_password_may_be_in_separate_fields(configure: Any) -> None:
    configure({"auths": {HOST: {"username": "me", "password": "secret"}}})
    assert find_login(HOST) == Login("me", "secret")


def test_an_identity_token_replaces_name_and_password(configure: Any) -> None:
    configure({"auths": {HOST: {"auth": AUTH, "identitytoken": "secret"}}})
    assert find_login(HOST) == Login(token="secret")


def test_a_helper_for_the_host_comes_before_the_store_and_both_before_the_file(configure: Any) -> None:
    auths = {HOST: {"auth": AUTH}, "file.example": {"auth": AUTH}}
    helpers = {"helper": answer("helper", "a"), "store": answer("store", "b", "store.example")}
    configure({"auths": auths, "credHelpers": {HOST: "helper"}, "credsStore": "store"}, **helpers)
    assert find_login(HOST) == Login("helper", "a")
    assert find_login("store.example") == Login("store", "b")
    assert find_login("file.example") == Login("käthe", "pass:word")


def test_a_helper_is_asked_for_docker_hub_by_its_url(configure: Any) -> None:
    configure({"credsStore": "store"}, store=answer("<token>", "secret", HUB_KEY))
    assert find_login(HUB) == Login(token="secret")


def test_an_empty_answer_of_a_helper_is_not_a_login(configure: Any) -> None:
    configure({"credsStore": "store"}, store=answer("", ""))
    assert not find_login(HOST)


@pytest.mark.parametrize(
    ("content", "script"),
    [
        ({"auths": []}, ""), ({"auths": {HOST: "text"}}, ""),
        ({"auths": {HOST: {"auth": "bWU="}}}, ""), ({"auths": {HOST: {"auth": "OnNlY3JldA=="}}}, ""),
        ({"auths": {HOST: {"auth": "%%%"}}}, ""), ({"auths": {HOST: {"auth": "/w=="}}}, ""), ({"credHelpers": 1}, ""),
        ({"credsStore": "absent"}, ""), ({"credsStore": "store"}, "echo locked; exit 1"),
        ({"credsStore": "store"}, "echo no json"), ({"credsStore": "store"}, "echo '{}'"),
        ({"credsStore": "store"}, "echo 1"), ({"credsStore": "store"}, "exec cat /dev/zero"),
        ({"credsStore": "store"}, "exec sleep 60"),
        ({"credsStore": "store"}, """echo '{"Username": null, "Secret": null}'"""),
        ({"credsStore": "store"}, """echo '{"Username": ["a"], "Secret": "b"}'"""),
        ({"credsStore": "store"}, """echo '{"Username": "a", "Secret": {}}'"""),
        ({"auths": {HOST: {"username": ["a"], "password": "b"}}}, ""),
        ({"auths": {HOST: {"username": "a", "password": 5}}}, ""), ({"auths": {HOST: {"auth": 5}}}, ""),
        ({"auths": {HOST: {"identitytoken": ["a"]}}}, ""),
    ],
)  # fmt: skip
def test_a_damaged_configuration_or_helper_is_reported(
    configure: Any, content: Any, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakery.registry.credentials.PATIENCE", 1.0)
    configure(content, store=script)
    helper = content.get("credsStore")
    cause = f"the credential helper docker-credential-{helper} failed" if helper else "its configuration is damaged"
    with pytest.raises(RegistryError, match=f"docker's login for {HOST} cannot be read: {cause}"):
        find_login(HOST)


def test_a_damaged_configuration_is_not_blamed_on_the_helper(configure: Any) -> None:
    configure({"credsStore": "store", "auths": []}, store=answer("", ""))
    with pytest.raises(RegistryError, match="its configuration is damaged"):
        find_login(HOST)


@pytest.mark.parametrize("content", ["no json", "[]", "null"])
def test_a_configuration_that_is_not_a_json_object_is_reported(configure: Any, content: str) -> None:
    configure(content)
    with pytest.raises(InputError, match=r"config\.json: expected docker's configuration"):
        find_login(HOST)


def test_an_identity_token_for_a_registry_that_takes_only_names_is_not_reported_as_a_missing_login(
    configure: Any, serve: Any
) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": 'Basic realm="x"'}))
    configure({"auths": {server.address: {"identitytoken": "secret"}}})
    with pytest.raises(RegistryError, match="configuration has an identity token for it") as caught:
        transport.Transport(server.address, "x", transport.PUSH).ask("GET", "manifests/1")
    assert caught.value.hint == f"Log in with a name: docker login --username=NAME {server.address}"
