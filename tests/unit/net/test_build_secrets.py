"""Proxies, mirrors and authorities become secrets, whose values appear on no command line and in no message."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from bakery.errors import InputError
from bakery.net.build_secrets import users_network
from bakery.net.certificates import trust_bundle

SHARED = Path(__file__).resolve().parents[3] / "shared"
PEM = Path(__file__).resolve().parents[2] / "image" / "data" / "ca.pem"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "no_proxy", "NO_PROXY", "BAKERY_APT_MIRROR"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_no_secrets_by_default() -> None:
    network = users_network()
    assert (network.arguments, network.environment) == ([], {})


def test_a_login_is_passed_in_the_environment_and_not_in_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:marker@proxy:3128")
    monkeypatch.setenv("no_proxy", "archive.example, .example")
    network = users_network(mirror="https://user:marker@mirror/")
    assert network.environment["BAKERY_SECRET_APT_CONF"].splitlines() == [
        'Acquire::https::Proxy "http://user:marker@proxy:3128";',
        'Acquire::http::Proxy::archive.example "DIRECT";',
        'Acquire::https::Proxy::archive.example "DIRECT";',
    ]
    assert network.environment["BAKERY_SECRET_APT_MIRROR"] == (
        r"s#https?://[^/ ]+/([^/ ]+)#https://user:marker@mirror/\1#"
    )
    assert "--secret id=apt.conf,env=BAKERY_SECRET_APT_CONF" in " ".join(network.arguments)
    assert "marker" not in f"{network.arguments} {network!r}"


@pytest.mark.parametrize(
    ("excluded", "hosts"), [("a.example:8080 b.example,,.c", ["a.example", "b.example"]), ("[::1]", [])]
)
def test_hosts_without_a_proxy_may_have_ports(monkeypatch: pytest.MonkeyPatch, excluded: str, hosts: list[str]) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", excluded)
    _, *lines = users_network().environment["BAKERY_SECRET_APT_CONF"].splitlines()
    assert lines == [f'Acquire::{scheme}::Proxy::{host} "DIRECT";' for host in hosts for scheme in ("http", "https")]


def test_a_star_means_that_no_host_needs_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost, *")
    assert users_network().environment == {}


def test_docker_proxies_become_secrets_and_not_build_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = {"default": {"httpProxy": "http://user:marker@proxy:3128", "noProxy": "local.example"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    network = users_network()
    assert network.environment["BAKERY_SECRET_APT_CONF"].startswith(
        'Acquire::http::Proxy "http://user:marker@proxy:3128";\nAcquire::http::Proxy::local.example'
    )
    arguments = [option for option in network.arguments if option.endswith("=")]
    assert arguments == ["HTTP_PROXY=", "NO_PROXY=", "http_proxy=", "no_proxy="]


def test_a_damaged_docker_configuration_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert users_network().arguments == []


def test_expired_package_lists_are_accepted_from_snapshots_only() -> None:
    network = users_network(mirror="https://mirror/archive/{archive}/20261124T000000Z/")
    assert network.environment["BAKERY_SECRET_APT_CONF"] == 'Acquire::Check-Valid-Until "false";\n'
    assert network.environment["BAKERY_SECRET_APT_MIRROR"] == (
        r"s#https?://[^/ ]+/([^/ ]+)#https://mirror/archive/\1/20261124T000000Z#"
    )
    assert "BAKERY_SECRET_APT_CONF" not in users_network(mirror="https://mirror/20261124").environment


ARCHIVES = {"debian": "http://me:pa%40ss@main.example/x/deb", "debian-security": "https://security.example/"}
PUBLIC = """\
deb http://public.example/debian trixie main
URIs: http://public.example/debian-security
URIs: https://public.example/other/
"""


@pytest.mark.parametrize("script", ["apt-install.sh", "packages.sh"])
def test_build_steps_use_the_hosts_mirror_of_each_archive(script: str, tmp_path: Path) -> None:
    network = users_network().reaching(ARCHIVES)
    (tmp_path / "apt.mirror").write_text(network.environment["BAKERY_SECRET_APT_MIRROR"])
    (tmp_path / "list").write_text(PUBLIC)
    command = re.search(r'sed -E -f .*?"\$file"', (SHARED / script).read_text())
    assert command and "pa%40ss" not in f"{network.arguments} {network!r}"
    run = ["sh", "-c", f"secrets=$0 file=$1\n{command[0]}", str(tmp_path), str(tmp_path / "list")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines() == [
        "deb http://me:pa%40ss@main.example/x/deb trixie main",
        "URIs: https://security.example/",
        "URIs: http://me:pa%40ss@main.example/x/deb/",
    ]


def test_the_users_mirror_takes_precedence_and_a_snapshot_of_the_host_may_have_expired_lists() -> None:
    chosen = users_network(mirror="http://mirror.example")
    assert chosen.reaching(ARCHIVES) == chosen and users_network().reaching({}) == users_network()
    snapshot = users_network().reaching({"debian": "http://host.example/20261124T000000Z"})
    assert snapshot.environment["BAKERY_SECRET_APT_CONF"] == 'Acquire::Check-Valid-Until "false";\n'
    with pytest.raises(InputError, match="the source of debian is not a URL that apt can use"):
        users_network().reaching({"debian": "http://host.example/a#s;x"})


def test_the_path_of_the_ca_bundle_may_have_commas_and_quotes(tmp_path: Path) -> None:
    bundle = tmp_path / 'a,b"c.pem'
    bundle.write_bytes(PEM.read_bytes())
    assert next(csv.reader([users_network(str(bundle)).arguments[-1]])) == ["id=ca.pem", f"src={bundle}"]


def test_the_ca_bundle_is_a_file_in_the_settings_of_apt() -> None:
    network = users_network(str(PEM))
    assert network.arguments[-1] == f"id=ca.pem,src={PEM}"
    assert network.environment["BAKERY_SECRET_APT_CONF"] == 'Acquire::https::CAInfo "/run/secrets/ca.pem";\n'


def test_a_private_key_next_to_the_certificates_is_not_copied_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    bundle, key = tmp_path / "both.pem", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
    bundle.write_text(f"{key}{PEM.read_text()}{key}")
    trust_bundle(bundle, tmp_path)
    copy = (tmp_path / "authorities.pem").read_text()
    assert copy.endswith(PEM.read_text()) and "PRIVATE" not in copy and copy.count("BEGIN CERTIFICATE") > 50


def test_an_invalid_proxy_is_reported_without_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", 'http://user:marker@x"; Dir::Bin "y')
    with pytest.raises(InputError) as caught:
        users_network()
    assert "http_proxy" in str(caught.value) and "marker" not in str(caught.value)


def test_a_missing_or_too_large_ca_bundle_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file with CA certificates"):
        users_network(str(tmp_path / "absent.pem"))
    large = tmp_path / "large.pem"
    large.write_text(PEM.read_text() * 1000)
    with pytest.raises(InputError, match="no larger secrets"):
        users_network(str(large))


@pytest.mark.parametrize(
    "mirror", ["ftp://h/x", "gopher://h", "http://x/{nope}", "http://x/{archive", "http://x/{archive}/{}", "http://a b"]
)
def test_a_mirror_with_an_unknown_placeholder_or_protocol_is_refused_with_a_complete_hint(mirror: str) -> None:
    with pytest.raises(InputError, match="--apt-mirror is not a URL") as caught:
        users_network(mirror=mirror)
    assert "http://HOST[:PORT]" in str(caught.value) and "..." not in str(caught.value)
