"""Build CPython container images from upstream's source: catalog in, bake definition out, measurements back.

Arrows between the modules point down only: ``errors <- {models, tables} <- catalog <- {select, tags, plan}``, then the
pieces of the outside (``apt``, ``sources``, ``bases``, ``registry``, ``engine``), then ``builder`` and ``tester``.
Nothing here imports invoke or nox; tasks.py and noxfile.py import this package.
"""

__version__ = "0.1.0"
