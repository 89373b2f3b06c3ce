"""The user's own source trees, packed as tarballs that enter a build like verified ones (``--source``)."""

from bakery.trees.local_source import from_source
