"""Images of the distributions' own Python on the same base, to compare our images with."""

from dataclasses import replace

from bakery.build.builder import Builder
from bakery.catalog import Image, RecipeName
from bakery.errors import InputError

DISTRIBUTION = "distribution"
"""The folder in benchmarks/ with the Dockerfile, and the name of its stage."""


def peer_of(builder: Builder, image: Image, against: str | None) -> str | None:
    """The image that ``--against`` names: ``debian`` is the target's own Python, ``debian/python:bookworm``.

    It is built first, on the base of ``image``; any other name is returned unchanged. Raises :exc:`InputError` if the
    target belongs to another family, and :exc:`bakery.errors.BakeryError` if the image cannot be built.
    """
    catalog, family = builder.catalog, image.target.family
    if against not in {target.family for target in catalog.targets}:
        return against
    if against != family:
        raise InputError(f"--against={against}: {image.name} is based on {family}", hint=f"Type --against={family}.")
    recipe = replace(catalog.recipes[RecipeName.REFERENCE], folder=f"benchmarks/{DISTRIBUTION}")
    recipes = {**catalog.recipes, RecipeName.REFERENCE: recipe}
    builder = replace(builder, catalog=replace(catalog, recipes=recipes))
    tag = f"{family}/python:{image.target.name}"
    with builder.display:
        builder.stage(replace(image, recipe=RecipeName.REFERENCE), DISTRIBUTION, tag, packages=False)
    return tag
