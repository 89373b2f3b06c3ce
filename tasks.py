"""The collection of Invoke tasks; ``inv --list`` shows them, ``inv TASK --help`` explains one."""

from invoke.collection import Collection

from bakery.process import guard

guard()  # before the other imports, which take time

from commands.building import build, plan, profile, reference, regrtest, test, verify  # noqa: E402
from commands.comparing import bench, compare, differences, images, outdated, sbom, startup, tags, vulnerabilities  # noqa: E402
from commands.upkeep import clean, doctor, down, env, push, readme, site, status, up, update  # noqa: E402

engine = Collection("engine", up, down, status, env)
namespace = Collection(
    build, profile, reference, test, verify, regrtest, compare, differences, bench, startup, sbom, outdated,
    vulnerabilities, plan, tags, images, readme, site, update, push, doctor, clean, engine,
)  # fmt: skip
