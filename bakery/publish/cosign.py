"""Signs pushed images with cosign, if it is installed (https://docs.sigstore.dev/cosign/signing/overview/)."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bakery.errors import InputError, PublishError
from bakery.programs import Limits, ProgramError, run_program
from bakery.redaction import shorten
from bakery.registry import HUB, Transport
from bakery.urls import is_loopback, is_public

KINDS = {
    "https://slsa.dev/provenance/v0.2": "slsaprovenance02",
    "https://slsa.dev/provenance/v1": "slsaprovenance1",
    "https://spdx.dev/Document": "spdxjson",
    "https://openvex.dev/ns/v0.2.0": "openvex",
}
"""Types of attestations that cosign checks and lists by a name; it uses other URIs unchanged.

Its ``openvex`` is https://openvex.dev/ns, as in https://github.com/openvex/spec/blob/main/ATTESTING.md, and the only
type that ``verify-attestation --type=openvex`` finds. Docker Scout reads the versioned URI of unsigned attestations.
"""

LIMITS = Limits(seconds=900)
"""For one signature: without a key, cosign waits minutes for the user to log in."""


@dataclass(frozen=True)
class Signer:
    """Signs digests in one repository, with a key or keyless; cosign reads docker's configuration for its login."""

    program: str
    transport: Transport
    key: str = ""

    def command(self, verb: str, digest: str, *options: str) -> list[str]:
        """The command that signs one digest; a key is a file or a URL, its password is in $COSIGN_PASSWORD."""
        transport = self.transport
        plain = ["--allow-http-registry"] if transport.base.startswith("http:") else []
        bundle = transport.bundle
        authority = [f"--registry-cacert={bundle}"] if bundle and bundle.is_file() else []
        key = [f"--key={self.key}"] if self.key else []
        host = "docker.io" if transport.host == HUB else transport.host
        insecure = ["--allow-insecure-registry"] if plain and is_loopback(host) else []
        reference = f"{host}/{transport.path}@{digest}"
        return [self.program, verb, "--yes", *key, *plain, *insecure, *authority, *options, reference]

    def sign(self, digest: str) -> None:
        """Sign the index with this digest and all that it refers to; :exc:`PublishError` if cosign fails."""
        self._run("sign", digest, "--recursive")

    def attest(self, digest: str, kind: str, predicate: bytes) -> None:
        """Sign ``predicate`` (JSON) of the type ``kind`` (a URI) as one about the image; raises as :meth:`sign`."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(predicate)
            file.flush()
            self._run("attest", digest, f"--type={KINDS.get(kind, kind)}", f"--predicate={file.name}", "--replace")

    def _run(self, verb: str, digest: str, *options: str) -> None:
        try:
            done = run_program(self.command(verb, digest, *options), {**os.environ, "COSIGN_YES": "true"}, LIMITS)
        except (ProgramError, FileNotFoundError) as error:  # an interpreter may be missing
            problem = str(error)
        else:
            if not done.code:
                return
            lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            problem = shorten((lines or ["it printed no error"])[-1], 500)
        raise PublishError(
            f"cosign did not {verb} {digest[:19]}: {problem}",
            hint="No tag was moved to it. With a key: --key=FILE, its password in $COSIGN_PASSWORD.",
        )


def make_signer(transport: Transport, key: str | None) -> Signer:
    """The signer for a repository; :exc:`InputError` if cosign is not installed or it cannot use the key."""
    program = shutil.which("cosign")
    if program is None:
        raise InputError(
            "--sign needs cosign, which is not on PATH",
            hint="Install it, or push without --sign. On Debian 13: apt-get install cosign, elsewhere "
            "https://docs.sigstore.dev/cosign/system_config/installation/.",
        )
    if key and "://" in key and not is_public(key):
        hint = "Other users can list a process's arguments: give cosign the login in its environment."
        raise InputError("--key must not contain a login or a query", hint=hint)
    if key and "://" not in key and not Path(key).is_file():
        raise InputError(f"--key={key}: no such file", hint="`cosign generate-key-pair` creates one.")
    return Signer(program, transport, key or "")
