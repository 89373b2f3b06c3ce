"""The collection of Invoke tasks; ``inv --list`` shows them, ``inv TASK --help`` explains one."""

from invoke.collection import Collection

from commands.building import build, plan, profile, reference, regrtest, test, verify
from commands.comparing import bench, compare, differences, images, outdated, sbom, startup, tags, vulnerabilities
from commands.upkeep import clean, doctor, down, env, push, readme, site, status, up, update

engine = Collection("engine", up, down, status, env)
namespace = Collection(
    build, profile, reference, test, verify, regrtest, compare, differences, bench, startup, sbom, outdated,
    vulnerabilities, plan, tags, images, readme, site, update, push, doctor, clean, engine,
)  # fmt: skip
