"""Signs what is pushed with cosign, where that is installed (https://docs.sigstore.dev/cosign/signing/overview/)."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bakery.errors import InputError, PublishError
from bakery.registry import Wire, is_loopback

__all__ = ["Signer", "make_signer"]


@dataclass(frozen=True)
class Signer:
    """Signs digests in one repository, with a key or keyless; cosign takes its login from docker's configuration."""

    program: str
    wire: Wire
    key: str = ""

    def command(self, digest: str) -> list[str]:
        """What is run for one digest; a key is a file or an address, its password comes by $COSIGN_PASSWORD."""
        wire = self.wire
        plain = ["--allow-http-registry"] if wire.base.startswith("http:") else []
        authority = [f"--registry-cacert={wire.bundle}"] if wire.bundle and wire.bundle.is_file() else []
        key = [f"--key={self.key}"] if self.key else []
        host = "docker.io" if wire.host == "registry-1.docker.io" else wire.host
        insecure = ["--allow-insecure-registry"] if plain and is_loopback(host) else []
        return [self.program, "sign", "--yes", *key, *plain, *insecure, *authority, f"{host}/{wire.path}@{digest}"]

    def sign(self, digest: str) -> None:
        """Sign the image with this digest; :exc:`PublishError` where cosign does not."""
        done = subprocess.run(
            self.command(digest), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            env={**os.environ, "COSIGN_YES": "true"}, check=False,
        )  # fmt: skip
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["it said nothing"]
            raise PublishError(
                f"cosign did not sign {digest[:19]}: {last[0]}",
                hint="No tag has been moved to it. With a key: --key=FILE, its password in $COSIGN_PASSWORD.",
            )


def make_signer(wire: Wire, key: str | None) -> Signer:
    """The signer for a repository; :exc:`InputError` where cosign is not installed or the key is not there."""
    program = shutil.which("cosign")
    if program is None:
        raise InputError(
            "--sign needs cosign, which is not on PATH",
            hint="Get it from https://docs.sigstore.dev/cosign/system_config/installation/, or push without --sign.",
        )
    if key and "://" not in key and not Path(key).is_file():
        raise InputError(f"--key={key}: there is no such file", hint="`cosign generate-key-pair` makes one.")
    return Signer(program, wire, key or "")
