"""The options of the commands, in groups: frozen dataclasses whose fields carry default, help text and rules.

No task runner is needed to read, check or print them.
"""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from bakery import names
from bakery.catalog import Catalog, Image, RecipeName, load_catalog, on_platforms, select_images, split
from bakery.compression import Compression, parse_compression
from bakery.display import FORMATS, tell
from bakery.errors import InputError, listed, unknown_value
from bakery.files import require_writable
from bakery.platforms import parse_platforms
from bakery.urls import has_scheme
from bakery.workspace import find_workspace

STORES = ("containerd", "overlay2")
"""An engine's image store: containerd's, which keeps layers as they are compressed, the default since Docker 29
(https://docs.docker.com/engine/storage/containerd/); or overlay2, which keeps them unpacked, the default before."""
LONGEST = 4096
"""Characters of the longest value, as of a path (PATH_MAX): errors quote values, so longer ones are refused."""
COMMAS = "; repeat it, or separate values with commas"
T = TypeVar("T")
Rules = Mapping[str, Any]
Options = dict[str, Field[Any]]


def option(default: T, help: str, **rules: Any) -> T:
    """A field of an option group. An option whose ``default`` is a tuple may be repeated.

    Rules: ``commas``: whether several values may be separated by commas (true by default); ``choices``: the valid
    values; ``minimum``: the value is a number, not below this one; ``convert``: a function that converts the text to
    the value; ``bare``: the value if the option is given without one; ``variable``: the environment variable to read if
    the option is not given; ``absent``: the field's value if the command does not have the option; ``path``: the value
    may be a path that begins with ``~``, and ``write`` if it is a file to write; ``schemes``: those of a URL.

    Rules about others: ``needs`` and ``excludes``: options of the same command without which (``needs``) or with which
    (``excludes``) this one has no effect; ``required``: the command needs the option.
    """
    repeats = isinstance(default, tuple)
    if repeats and rules.setdefault("commas", True):
        help += COMMAS
    if "choices" in rules:
        help += f": {listed(rules['choices'])}" + (f" (default: {default})" if default else "")
    absent: T = rules.pop("absent", default)
    return field(default=absent, metadata={"help": help, "default": default, "repeats": repeats, **rules})


def _empty(name: str) -> InputError:  # for example an unset variable in a script
    return InputError(f"--{name}= is empty", hint="Give it a value or leave it out.")


def _require_length(source: str, *values: str) -> None:
    if (length := max(map(len, values), default=0)) > LONGEST:
        raise InputError(f"{source} has {length} characters: expected at most {LONGEST}")


def parse(name: str, value: Any, rules: Rules) -> Any:
    """The value of the option ``name`` from what the user typed; :exc:`InputError` if it is not valid."""
    if rules["repeats"]:
        if not all(text.replace(",", " ").strip() for text in value):
            raise _empty(name)
        _require_length(f"--{name}", *(texts := split(value) if rules["commas"] else tuple(value)))
        return tuple(map(os.path.expanduser, texts)) if "path" in rules else texts
    variable = rules.get("variable", "")
    source = f"${variable}" if value is None else f"--{name}"
    if value is None:
        value = os.environ.get(variable) or rules["default"]
        if value is None and rules.get("required"):
            raise InputError(f"--{name} is missing", hint=f"{rules['help']}.")
    _require_length(source, str(value))
    if value and "schemes" in rules and not has_scheme(value, rules["schemes"]):
        expected = listed(f"{scheme}://" for scheme in rules["schemes"])
        raise InputError(f"{source}={value}: expected a path, or a URL that begins with {expected}")
    if value is True and "bare" in rules:
        return rules["bare"]
    return value if value == rules.get("default") else _checked(name, value, rules)


def _checked(name: str, value: Any, rules: Rules) -> Any:
    """The value of an option that is given once, from its text."""
    if value is not True and not value.strip() and not {"minimum", "choices"} & rules.keys():
        raise _empty(name)
    if "choices" in rules and value not in rules["choices"]:
        raise unknown_value(name, value, rules["choices"])
    if "convert" in rules:
        return rules["convert"](value)
    if rules.get("path") == "write":
        require_writable(Path(os.path.expanduser(value)), f"--{name}={value}")
    if "path" in rules:
        return os.path.expanduser(value)
    if "minimum" not in rules:
        return value
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) < rules["minimum"]:
        raise InputError(f"--{name}={value}: expected a number, {rules['minimum']} or more, of at most 9 digits")
    return int(value)


def bandwidths(text: str) -> tuple[int, ...]:
    """The value of --pull; :exc:`InputError` if ``text`` is not a list of numbers."""
    if not re.fullmatch("[0-9]{1,6}(,[0-9]{1,6})*", text):
        raise InputError(f"--pull={text}: expected bandwidths in Mbit/s, such as 1000,100,25")
    return tuple(dict.fromkeys(map(int, text.split(","))))


def options_of(groups: Iterable[type], names: str, changed: Rules) -> Options:
    """The options ``names`` of a command, from ``groups``; ``changed`` has other help texts, or other options."""
    options: Options = {item.name: item for group in groups for item in fields(group)}
    for name, new in changed.items():
        if isinstance(new, str):
            rules = options[name].metadata
            options[name] = field(metadata={**rules, "help": new + (COMMAS if rules.get("commas") else "")})
        else:
            options[name] = new
    return {name: options[name] for name in names.split()}


def _flags(names: Iterable[str]) -> str:
    return " ".join(f"--{name.replace('_', '-')}" for name in names)


def require_combination(options: Options, typed: Rules) -> None:
    """Raise :exc:`InputError` if an option that the user typed has no effect, because of others or without others."""
    given = [name for name, value in typed.items() if value and value != options[name].metadata["default"]]
    for name in given:
        rules = options[name].metadata
        if excluded := [other for other in rules.get("excludes", "").split() if other in given]:
            problem = f"{_flags([name])} cannot be combined with {_flags(excluded)}"
            raise InputError(problem, hint=f"Leave out {_flags([name])}, or {_flags(excluded)}.")
        needed = [other for other in rules.get("needs", "").split() if other in options]
        if missing := [other for other in needed if other not in given]:
            problem = f"{_flags([name])} has no effect without {_flags(missing)}"
            raise InputError(problem, hint=f"Add {_flags(missing)}, or leave out {_flags([name])}.")


def make_groups(groups: Iterable[type], options: Options, typed: Rules) -> list[Any]:
    """Instances of ``groups`` from what the user typed; :exc:`InputError` if a value or a combination is not valid."""
    require_combination(options, typed)
    values = {name: parse(name.replace("_", "-"), value, options[name].metadata) for name, value in typed.items()}
    return [
        group(**{item.name: values[item.name] for item in fields(group) if item.name in values}) for group in groups
    ]


def as_typed(verb: str, *groups: Any) -> str:
    """The user's command with ``{version}`` for the version (see :meth:`str.format`), for hints on what to type.

    ``groups`` are dataclasses of options; those that have their default value are left out.
    """
    words = ["inv", verb]
    items = [(group, item) for group in groups for item in fields(group)]
    for group, item in items:
        if item.name in ("version", "all", "no_cache"):  # the last is always true for `inv verify`
            continue
        value, flag = getattr(group, item.name), _flags([item.name])
        if value is True:
            words.append(flag)
        elif value != item.default:
            words += [f"{flag}={text}" for text in (value if isinstance(value, tuple) else (value,))]
    return shlex.join(words).replace("{", "{{").replace("}", "}}") + " --version={version}"


@dataclass(frozen=True)
class Selection:
    """Which images."""

    version: tuple[str, ...] = option((), "Series (3.13; 3.13t: free-threaded) or pinned release (3.13.5)")
    target: tuple[str, ...] = option((), "Distribution release such as bookworm (`inv images` lists them)")
    variant: tuple[str, ...] = option((), "Variant of the image, such as default or minimal")
    platform: tuple[str, ...] = option((), "amd64 (x86_64, x86) or arm64 (aarch64, arm64v8); default: this machine's")
    source: str | None = option(
        None, "CPython's source instead of a release: a tarball, a folder, a git checkout, or CHECKOUT@COMMIT",
        path="read",
    )  # fmt: skip
    all: bool | None = option(
        False, "All series, targets and variants, unless --version, --target or --variant is given", absent=None
    )

    def select(
        self, root: Path, *, recipe: RecipeName = RecipeName.FULL, everything: bool = False
    ) -> tuple[Catalog, tuple[Image, ...]]:
        """The catalog of the repository ``root`` and the selected images, for this machine's platform by default.

        Raises :exc:`bakery.errors.NothingSelected` without a version, unless ``everything`` or ``--all`` is given.
        """
        from bakery.trees import from_source  # reads archives: `inv --list` is faster without it

        catalog = load_catalog(root)
        platforms = parse_platforms(catalog.platforms, self.platform)
        names = (self.version, self.target, self.variant)
        images = [
            replace(image, recipe=recipe) for image in select_images(catalog, *names, everything=everything or self.all)
        ]
        if self.source:
            images = from_source(self.source, images, self.version, find_workspace(root).home, tell)
        return catalog, on_platforms(images, platforms)

    def refuse(self, option: str) -> None:
        """Raise :exc:`InputError` if images are selected although ``option`` names them; one platform is allowed."""
        names = [f"--{item.name}" for item in fields(self) if getattr(self, item.name)]
        names += ["all but one --platform"] if len(self.platform) > 1 else []
        if more := [name for name in names if name != "--platform"]:
            raise InputError(f"{option} already says which images: leave out {' '.join(more)}")


@dataclass(frozen=True)
class Building:
    """What images are built from, how and where."""

    mirror: str | None = option(
        None, "Try this mirror of tarballs first: a URL or folder with the layout of python.org/ftp/python "
        "(default: $BAKERY_MIRROR)", variable="BAKERY_MIRROR", path="read", needs="releases",
        schemes=("https", "http", "file"),
    )  # fmt: skip
    base: str | None = option(
        None, "Base instead of the target's slim image: an image, OCI layout, rootfs tar or folder", path="read"
    )
    quick: bool = option(False, "Build without PGO and LTO: for development, never for a release", excludes="image")
    no_cache: bool = option(False, "Ignore the build cache and compile again: to measure how long a build takes")
    refresh: bool = option(False, "Resolve the bases again instead of using those of earlier builds", excludes="base")
    train: bool = option(
        False, "Train in this build instead of using the recorded profile (`inv profile` records one)", excludes="quick"
    )
    stale: bool = option(
        False, "Only series whose profile was recorded on a release other than the pinned one; needs no --version"
    )
    compression: Compression | None = option(
        None, "Compression of layers: zstd (level 19), zstd:LEVEL, gzip (by the engine) or gzip:LEVEL (default: zstd)",
        convert=parse_compression,
    )  # fmt: skip
    jobs: int | None = option(None, "Images to build at a time (default: one per 2 processors and 4 GB)", minimum=1)
    builder: str | None = option(
        None, "buildx builder to use: local, remote or in Kubernetes (`docker buildx ls`)", convert=names.builder
    )
    builder_id: str | None = option(
        None, "URI of this builder, for the provenance (default: $BAKERY_BUILDER_ID)", variable="BAKERY_BUILDER_ID"
    )
    cache_from: tuple[str, ...] = option(
        (), "Cache to read: a repository, or buildx options such as type=s3,...,name={image}; repeat it", commas=False
    )
    cache_to: tuple[str, ...] = option((), "Cache to write, in the same notation; repeat it", commas=False)
    ca_bundle: str | None = option(
        None, "PEM file of certificate authorities to trust in addition to the public ones", path="read"
    )
    apt_mirror: str | None = option(
        None, "Package mirror for build steps: the part of its URL before /debian, or a URL with {archive} "
        "(default: $BAKERY_APT_MIRROR)",
    )  # fmt: skip
    packages: str | None = option(
        None, "Install exactly the distribution packages of an earlier build: a file in build/records/packages. "
        "For versions that the archive no longer has, give a snapshot archive as --apt-mirror", path="read",
    )  # fmt: skip

    @property
    def recipe(self) -> RecipeName:
        """The recipe of our images."""
        return RecipeName.QUICK if self.quick else RecipeName.FULL


@dataclass(frozen=True)
class Measuring:
    """What is tested or compared, and how."""

    k: tuple[str, ...] = option((), "Run only the tests whose names contain this; repeat it for more", commas=False)
    only: tuple[str, ...] = option((), "Run only this benchmark, such as json_loads")
    image: str | None = option(
        None, "Measure this image instead of ours: any reference the engine has or can pull", convert=names.reference
    )
    against: str | None = option(
        None, "Compare with this image instead of reference/python: any reference, or debian or ubuntu for the "
        "distribution's own Python on the same base", convert=names.reference,
    )  # fmt: skip
    repository: str | None = option(
        None, "Use our images from this repository of a registry, on all its platforms", convert=names.repository,
        excludes="platform",
    )  # fmt: skip
    html: str | None = option(None, "Also write a self-contained page with charts to this file", path="write")
    brief: bool = option(False, "Print only the summary, without layers, parts and files")
    applications: bool = option(
        False, "Run applications: web servers, black, pytest and others", excludes="operations threads memory full"
    )
    operations: bool = option(
        False, "Measure operations of built-in types and modules in C", excludes="threads memory full"
    )
    threads: bool = option(
        False, "Measure two threads on all CPUs, for free-threaded builds", excludes="memory full cpu clock"
    )
    memory: bool = option(False, "Measure memory: after startup, after imports, of web workers", excludes="full")
    full: bool = option(
        False, "Run all of pyperformance that works without a network, instead of the subset", excludes="only"
    )
    rounds: int = option(10, "How many times each command is started in each image (default: 10)", minimum=1)
    max_rounds: int | None = option(
        None, "Add rounds, up to this many, until the geometric mean's interval is at most 1 % wide", minimum=1
    )
    cpu: int | None = option(None, "Number of the CPU to pin to (default: the engine's last)", minimum=0)
    clock: str = option("wall", "Which time to measure, cpu if the machine does other work", choices=("wall", "cpu"))
    fresh_engine: str | None = option(
        None, "Measure in a second embedded engine that holds only the two images, because other content, above all a "
        "build cache, can slow down each docker run. =overlay2 uses that image store, Docker's default before version "
        "29, instead of containerd's", bare="containerd", choices=STORES,
    )  # fmt: skip
    pull: tuple[int, ...] | None = option(
        None, "Measure from `docker pull` to the first line of output: into an empty engine, from a registry on "
        "loopback. =100,10 sets the bandwidths in Mbit/s, 0 for no limit (default: 0,1000,100,25)",
        bare=(0, 1000, 100, 25), convert=bandwidths, excludes="cpu",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Raise :exc:`InputError` if --max-rounds would have no effect."""
        if self.max_rounds is not None and self.max_rounds < self.rounds:
            problem = f"--max-rounds={self.max_rounds}: expected at least as many as --rounds={self.rounds}"
            raise InputError(problem, hint=f"Raise it, or add --rounds={self.max_rounds}.")


@dataclass(frozen=True)
class Publishing:
    """Where images are pushed, and under which conditions."""

    repository: str | None = option(
        None,
        "Where to push, such as 127.0.0.1:5000/python (default: the catalog's repository)",
        convert=names.repository,
    )
    stamp: str | None = option(
        None, "Suffix of the dated tags (default: the day of the build, such as 20261122)", convert=names.stamp
    )
    force: bool = option(False, "Push untested images too, and let tags lose platforms; lists each override")
    sign: bool = option(
        False, "Sign each index with cosign before tags move to it; keyless without --key", excludes="digests"
    )
    key: str | None = option(
        None, "cosign's key for --sign: a file or a URL; its password is in $COSIGN_PASSWORD", path="read", needs="sign"
    )
    digests: str | None = option(
        None, "Push by digest only, and write what was pushed to this file, for --merge", path="write"
    )
    merge: tuple[str, ...] = option(
        (), "Only set tags, for the images in files that --digests=FILE wrote", path="read",
        excludes="version target variant platform source all stamp digests",
    )  # fmt: skip


@dataclass(frozen=True)
class Output:
    """What is printed or written."""

    format: str = option("table", "Output format", choices=FORMATS)
    print: bool = option(False, "Print the bake definition and build nothing (like `inv plan`)", excludes="dry format")
    dry: bool = option(False, "List what would be done and change nothing")
    check: bool = option(False, "Write nothing; exit with code 1 if the file would change")
    record: bool = option(
        False, "First add the records of this clone's tested builds to shared/status.json", excludes="check against"
    )
    output: str | None = option(
        None, "Write the SPDX document of one image to this file instead of printing it", path="write",
        excludes="format",
    )  # fmt: skip
    releases: bool = option(
        False, "List the pinned releases instead, and where this machine can get their tarballs",
        excludes="target variant source",
    )  # fmt: skip


@dataclass(frozen=True)
class Scanning:
    """What is searched for vulnerabilities."""

    bill: str | None = option(
        None, "Bill of materials of the image, written by `inv sbom --output=FILE`", path="read", required=True
    )
    tracker: str | None = option(
        None, "JSON of Debian's security tracker: a file, or a URL such as "
        "https://security-tracker.debian.org/tracker/data/json", path="read", required=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Cleaning:
    """What is removed."""

    logs: bool = option(False, "What this clone wrote to build/: logs, records, results of benchmarks, the site")
    images: bool = option(False, "Images that this tool built, in the engine in use")
    cache: bool = option(False, "The engine's build cache: the next build compiles again")
    sources: bool = option(False, "Downloaded tarballs, and the packages that benchmarks need")
    layers: bool = option(False, "Compressed layers of images: the next build compresses its base again")
    bases: bool = option(False, "Base images made from packages, and the bases resolved for each target")
    engine: bool = option(False, "The embedded engine with its images and cache")
    environments: bool = option(
        False, "The private Python environments of ./inv and ./nox; the next run makes them again"
    )
    all: bool = option(False, "All of these")
