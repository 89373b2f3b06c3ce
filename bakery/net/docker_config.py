"""Docker's own configuration file, which holds logins and proxies."""

import json

from bakery.errors import InputError
from bakery.regular_files import SMALL, read_regular
from bakery.workspace import docker_folder


def docker_config() -> dict[str, object]:
    """The content of config.json in $DOCKER_CONFIG or ~/.docker; empty if the file does not exist.

    https://docs.docker.com/reference/cli/docker/#docker-cli-configuration-file-configjson-properties. Raises
    :exc:`InputError` if it cannot be read.
    """
    file = docker_folder() / "config.json"
    try:
        content = json.loads(read_regular(file, SMALL))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected docker's configuration, a JSON object that this user can read")
    return content
