"""Builds images, and checks that a build is reproducible."""

from bakery.build.builder import Builder, BuildResult, failure_of
from bakery.build.inputs import BuildSettings, inputs_for
from bakery.build.reproducibility import Verifier, explain, verdict_rows
from bakery.build.training import record_profile, train

__all__ = [
    "BuildResult", "BuildSettings", "Builder", "Verifier", "explain", "failure_of", "inputs_for", "record_profile",
    "train", "verdict_rows",
]  # fmt: skip
