"""Commands in containers: none of their output is lost."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from bakery.engine.containers import (
    CommandResult,
    Container,
    ContainerOptions,
    docker_run,
    idle_container,
    run_container,
)
from bakery.engine.engine import Engine
from bakery.errors import BuildError

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def container(engine: Engine, reference: str) -> Iterator[Container]:
    with idle_container(engine, reference) as container:
        yield container


def test_output_that_arrives_together_with_the_engines_answer_is_not_lost(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens on a busy machine: the command has written everything before the answer's headers are read."""
    answer = HTTPConnection.getresponse

    def late(connection: HTTPConnection) -> HTTPResponse:
        time.sleep(0.5)
        return answer(connection)

    monkeypatch.setattr(HTTPConnection, "getresponse", late)
    assert container.run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == CommandResult(3, "out\n", "err\n")


def test_output_of_any_size_is_complete(container: Container) -> None:
    result = container.run(["sh", "-c", "head -c 3000000 /dev/zero; head -c 70000 /dev/zero >&2"])
    assert (result.code, len(result.stdout), len(result.stderr)) == (0, 3_000_000, 70_000)


def test_the_tool_waits_for_a_command_that_closes_its_output(container: Container) -> None:
    assert container.run(["sh", "-c", "exec >&- 2>&-; sleep 1; exit 5"]) == CommandResult(5, "", "")


def test_the_reason_why_a_command_cannot_be_started_is_in_its_output(container: Container) -> None:
    result = container.run(["no-such-program"])
    assert result.code in (126, 127)
    assert '"no-such-program": executable file not found' in result.output


def test_a_command_in_a_container_that_has_ended_is_not_blamed_on_the_engine(engine: Engine, reference: str) -> None:
    """As in an image whose python3 does not start: its idle container ends at once."""
    with idle_container(engine, reference) as container:
        container.run(["sh", "-c", "kill -TERM -1"])
        with pytest.raises(BuildError, match=r"cannot be run: .*not running"):
            for _ in range(100):
                container.run(["true"])


def test_a_container_whose_output_never_ends_is_stopped_and_removed(
    engine: Engine, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["cat", "/dev/zero", secrets.token_hex(8)]  # other tests have containers at the same time
    monkeypatch.setattr("bakery.engine.containers.LARGEST_OUTPUT", 1 << 20)
    with pytest.raises(BuildError, match=r"cat in .* wrote more than 1 MiB"):
        run_container(engine, reference, command, write=str)
    with pytest.raises(BuildError, match=r"^wrote more than 1 MiB"):
        docker_run(engine, reference, command)
    assert not [each for each in engine.client.api.containers(all=True) if command[-1] in each["Command"]]


@pytest.mark.parametrize("script", ["sleep 600", "while :; do echo; sleep 0.1; done", "exec >&- 2>&-; sleep 600"])
def test_a_command_that_does_not_end_is_ended(engine: Engine, reference: str, script: str) -> None:
    with idle_container(engine, engine.require(reference).id, ContainerOptions(name=reference)) as container:
        with pytest.raises(BuildError, match=rf"^{reference}: sh took more than 2 s and was ended"):
            container.run(["sh", "-c", script], seconds=2)
        with pytest.raises(BuildError, match="not running"):
            for _ in range(100):  # the engine kills it after it has answered
                container.run(["true"])


@pytest.mark.parametrize("script", ["echo one; sleep 600", "exec >&- 2>&-; sleep 600"])
def test_a_container_that_writes_nothing_is_ended(engine: Engine, reference: str, script: str) -> None:
    with pytest.raises(BuildError, match=rf"^sh in {reference} wrote nothing for 2 s and was ended"):
        run_container(engine, reference, ["sh", "-c", script], write=str, options=ContainerOptions(silence=2))


def test_a_container_may_run_for_long_if_it_writes_something(engine: Engine, reference: str) -> None:
    script = "for i in 1 2 3 4 5; do echo; sleep 0.9; done; exit 3"
    assert (
        run_container(engine, reference, ["sh", "-c", script], write=str, options=ContainerOptions(silence=2)).code == 3
    )


def test_a_container_is_attached_to_before_it_starts(
    engine: Engine, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    post = engine.client.api.post

    def recorded_post(url: str, *arguments: Any, **options: Any) -> Any:
        requests.append(url.rpartition("/")[2])
        return post(url, *arguments, **options)

    monkeypatch.setattr(engine.client.api, "post", recorded_post)
    assert run_container(engine, reference, ["echo", "one"], write=str) == CommandResult(0, "one\n")
    assert [request for request in requests if request in ("attach", "start")] == ["attach", "start"]


def test_an_endless_folder_is_not_copied(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakery.engine.containers.LARGEST_TREE", 1 << 20)
    container.run(["sh", "-c", "head -c 3000000 /dev/zero > /tmp/large"])
    with pytest.raises(BuildError, match="/tmp/large in the container has more than 1 MiB"):
        list(container.get("/tmp/large"))
