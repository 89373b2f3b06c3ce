"""Builds images, and checks that a build is reproducible."""

from bakery.build.archive_query import query_newer
from bakery.build.builder import Builder, build_report, check_options, open_builder
from bakery.build.inputs import planned_definition
from bakery.build.peers import peer_of
from bakery.build.reproducibility import Published, verification_report
from bakery.build.training import train_all, training_plan, with_stale_profile
