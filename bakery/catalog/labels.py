"""Prefixes of the names of image labels, and the end of a revision."""

LABELS = "io.github.infra7.python"
"""Prefix of our own labels."""
ANNOTATIONS = "org.opencontainers.image"
"""Prefix of OCI's (https://specs.opencontainers.org/image-spec/annotations/)."""
DIRTY = "-dirty"
"""Ends the name of a commit if files differ from it."""
