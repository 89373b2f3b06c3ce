"""Build CPython container images from upstream's source: catalog in, bake definition out, measurements back.

Packages import only those below them: pyproject.toml lists the layers, and lint-imports checks them. Nothing here
imports invoke or nox; commands/ and noxfile.py import this package.
"""

__version__ = "0.1.0"
