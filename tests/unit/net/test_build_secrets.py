"""Proxies, mirrors and authorities become secrets, whose values are on no command line and in no message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakery.errors import InputError
from bakery.net.build_secrets import users_network

PEM = Path(__file__).resolve().parents[2] / "image" / "data" / "ca.pem"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "no_proxy", "NO_PROXY", "BAKERY_APT_MIRROR"):
        monkeypatch.delenv(name, raising=False)


def test_without_anything_set_there_are_no_secrets() -> None:
    network = users_network()
    assert (network.arguments, network.environment) == ([], {})


def test_a_login_is_in_the_environment_of_buildx_and_not_in_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:marker@proxy:3128")
    monkeypatch.setenv("no_proxy", "archive.example, .example")
    network = users_network(mirror="https://user:marker@mirror/")
    assert network.environment["BAKERY_SECRET_APT_CONF"].splitlines() == [
        'Acquire::https::Proxy "http://user:marker@proxy:3128";',
        'Acquire::http::Proxy::archive.example "DIRECT";',
        'Acquire::https::Proxy::archive.example "DIRECT";',
    ]
    assert network.environment["BAKERY_SECRET_APT_MIRROR"] == "https://user:marker@mirror/{archive}"
    assert "--secret id=apt.conf,env=BAKERY_SECRET_APT_CONF" in " ".join(network.arguments)
    assert "marker" not in f"{network.arguments} {network!r}"


def test_proxies_of_dockers_configuration_are_kept_from_becoming_build_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = {"default": {"httpProxy": "http://user:marker@proxy:3128", "noProxy": "one.example"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    network = users_network()
    assert network.environment["BAKERY_SECRET_APT_CONF"].startswith(
        'Acquire::http::Proxy "http://user:marker@proxy:3128";\nAcquire::http::Proxy::one.example'
    )
    arguments = [word for word in network.arguments if word.endswith("=")]
    assert arguments == ["HTTP_PROXY=", "NO_PROXY=", "http_proxy=", "no_proxy="]


def test_a_snapshot_of_the_archive_may_be_old_and_nothing_else_may() -> None:
    network = users_network(mirror="https://mirror/archive/{archive}/20261124T000000Z/")
    assert network.environment["BAKERY_SECRET_APT_CONF"] == 'Acquire::Check-Valid-Until "false";\n'
    assert network.environment["BAKERY_SECRET_APT_MIRROR"] == "https://mirror/archive/{archive}/20261124T000000Z"
    assert "BAKERY_SECRET_APT_CONF" not in users_network(mirror="https://mirror/20261124").environment


def test_authorities_are_a_file_that_apt_is_told_of() -> None:
    network = users_network(str(PEM))
    assert network.arguments[-1] == f"id=ca.pem,src={PEM}"
    assert network.environment["BAKERY_SECRET_APT_CONF"] == 'Acquire::https::CAInfo "/run/secrets/ca.pem";\n'


def test_what_is_no_address_is_told_without_the_login_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", 'http://user:marker@x"; Dir::Bin "y')
    with pytest.raises(InputError) as caught:
        users_network()
    assert "http_proxy" in str(caught.value) and "marker" not in str(caught.value)


def test_a_bundle_that_is_none_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file with certificates"):
        users_network(str(tmp_path / "absent.pem"))
    large = tmp_path / "large.pem"
    large.write_text(PEM.read_text() * 1000)
    with pytest.raises(InputError, match="no larger secrets"):
        users_network(str(large))
