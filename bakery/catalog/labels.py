"""Prefixes of the names of image labels."""

LABELS = "io.github.infra7.python"
"""Prefix of our own labels."""
ANNOTATIONS = "org.opencontainers.image"
"""Prefix of OCI's (https://specs.opencontainers.org/image-spec/annotations/)."""
