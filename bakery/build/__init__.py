"""Builds images, and checks that a build is reproducible."""

from bakery.build.builder import Builder, BuildResult, failure_of
from bakery.build.inputs import BuildSettings, inputs_for
from bakery.build.reproducibility import VERDICT_COLUMNS, Verifier, explain, verdict_rows
from bakery.build.training import keep_profile, train

__all__ = [
    "VERDICT_COLUMNS", "BuildResult", "BuildSettings", "Builder", "Verifier", "explain", "failure_of", "inputs_for",
    "keep_profile", "train", "verdict_rows",
]  # fmt: skip
