"""The data files load, and an error in them names the file, the key and what was expected."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from packaging.version import Version

from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.catalog.recipes import STAGES, RecipeName
from bakery.errors import ConfigError
from bakery.workspace import find_workspace

Data = dict[str, Any]
CATALOG, LOCK, DEBIAN = "shared/catalog.toml", "shared/lock.toml", "debian/family.toml"


def broken(tree: Path, file: str, change: Callable[[Data], object]) -> ConfigError:
    """The error that loading raises after ``change`` to the data in ``file``."""
    data = tomllib.loads((tree / file).read_text(encoding="utf-8"))
    change(data)
    (tree / file).write_text(tomli_w.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_catalog(tree)
    assert caught.value.exit_code == 2
    return caught.value


def test_the_repositorys_data_has_every_target_and_a_pin_for_every_series(catalog: Catalog) -> None:
    assert {"trixie", "bookworm", "noble", "jammy"} <= {target.name for target in catalog.targets}
    assert {"3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"} <= {series.name for series in catalog.series}
    assert all(series.pins for series in catalog.series)
    assert catalog.default_target == "bookworm"


def test_series_are_ordered_as_versions_and_not_as_text(catalog: Catalog) -> None:
    names = [series.name for series in catalog.series]
    assert names == sorted(names, key=lambda name: (Version(name.removesuffix("t")), name))
    assert names.index("3.9") < names.index("3.10")


def test_every_target_has_a_base_digest_for_each_platform_of_its_family(catalog: Catalog) -> None:
    for target in catalog.targets:
        assert set(target.base.digests) == set(catalog.family_of(target).platforms), target.name


def test_pins_are_ordered_newest_first_as_versions(catalog: Catalog) -> None:
    for series in catalog.series:
        versions = [pin.version for pin in series.pins]
        assert versions == sorted(versions, reverse=True), series.name


@pytest.mark.parametrize(
    ("series", "release"),
    [("3.9", "3.9.25"), ("3.10", "3.10.20"), ("3.11", "3.11.15"), ("3.13", "3.13.15"), ("3.14", "3.14.6")],
)
def test_a_series_default_is_its_newest_pinned_final_release(catalog: Catalog, series: str, release: str) -> None:
    (selected,) = (selected for selected in catalog.series if selected.name == series)
    assert selected.default.release == release


def test_a_pre_release_is_the_default_only_if_nothing_else_is_pinned(catalog: Catalog, data_tree: Path) -> None:
    (real,) = (series for series in catalog.series if series.name == "3.15")
    assert all(pin.version.is_prerelease for pin in real.pins)
    assert real.default.release == "3.15.0b3"

    data = tomllib.loads((data_tree / LOCK).read_text(encoding="utf-8"))
    data["releases"]["3.14.9rc1"] = {"file": "Python-3.14.9rc1.tgz", "sha256": "0" * 64, "recorded_by": "a test"}
    (data_tree / LOCK).write_text(tomli_w.dumps(data), encoding="utf-8")
    (other,) = (series for series in load_catalog(data_tree).series if series.name == "3.14")
    assert other.pins[0].release == "3.14.9rc1"
    assert other.default.release == "3.14.6"


def test_full_and_quick_builds_share_the_options_of_the_recipe(catalog: Catalog) -> None:
    full, quick = catalog.recipes[RecipeName.FULL], catalog.recipes[RecipeName.QUICK]
    assert full.pgo and not quick.pgo
    assert full.options[0] == quick.options[0]
    assert full.options[1].compile["training"] and not quick.options[1].compile
    assert "--with-lto" in full.options[1].configure["configure_flags"]


def test_the_recipe_declares_every_option_of_the_other_tables(catalog: Catalog) -> None:
    ours, reference = (catalog.recipes[name].options[0] for name in (RecipeName.FULL, RecipeName.REFERENCE))
    for stage in STAGES:
        assert set(reference.of(stage)) <= set(ours.of(stage))
        for compiler in catalog.compilers.values():
            assert set(compiler.of(stage)) <= set(ours.of(stage))


def test_a_compiler_like_another_has_its_keys_except_those_that_it_sets(catalog: Catalog) -> None:
    clang, like = catalog.compilers["clang"], catalog.compilers["clang_ir"]
    names = ("profile_generate", "profile_use", "profile_again", "programs")
    own = {name: like.compile[name] for name in names}
    assert replace(clang, name="clang_ir", compile={**clang.compile, **own}) == like
    assert not any(clang.compile.get(name) == words for name, words in own.items())


@pytest.mark.parametrize("name", ["3.13", "3.14", "3.15"])
def test_a_free_threaded_series_differs_from_the_ordinary_one_by_one_flag(catalog: Catalog, name: str) -> None:
    series = {entry.name: entry for entry in catalog.series}
    configure = {"configure_flags": ("--disable-gil",)}
    assert series[f"{name}t"] == replace(series[name], name=f"{name}t", configure=configure)


def test_a_new_series_and_its_free_threaded_build_have_the_options_of_the_previous_series(catalog: Catalog) -> None:
    before, new, threaded = (next(s for s in catalog.series if s.name == name) for name in ("3.14", "3.15", "3.15t"))
    assert new.by_compiler == before.by_compiler == threaded.by_compiler
    assert new.by_compiler


def test_a_series_like_another_may_change_one_option_of_a_table(data_tree: Path) -> None:
    data = tomllib.loads((data_tree / CATALOG).read_text(encoding="utf-8"))
    data["series"]["3.12"]["ours"]["install"] = {"prune": ["bin/a"]}
    data["series"]["3.13t"]["ours"] = {"configure": {"configure_flags": ["--own"]}}
    data["series"]["3.13t"]["until"] = "2031-01"
    (data_tree / CATALOG).write_text(tomli_w.dumps(data), encoding="utf-8")
    (series,) = (series for series in load_catalog(data_tree).series if series.name == "3.13t")
    assert series.ours.install == {"prune": ("bin/a",)}
    assert series.ours.configure == {"configure_flags": ("--own",)}
    assert (series.until, series.compiler) == ("2031-01", "clang")


def test_packages_of_one_series_are_data(data_tree: Path) -> None:
    data = tomllib.loads((data_tree / CATALOG).read_text(encoding="utf-8"))
    data["series"]["3.14"]["build_packages"] = ["libfoo-dev"]
    data["series"]["3.14"]["runtime_packages"] = ["libfoo1"]
    data["series"]["3.15"]["runtime_packages"] = []
    (data_tree / CATALOG).write_text(tomli_w.dumps(data), encoding="utf-8")
    series = {series.name: series for series in load_catalog(data_tree).series}
    assert (series["3.14"].build_packages, series["3.14"].runtime_packages) == (("libfoo-dev",), ("libfoo1",))
    assert series["3.14t"].runtime_packages == ("libfoo1",), "a series that is like another one inherits them"
    assert series["3.15"].runtime_packages == (), "unless it has its own list"
    own = (tuple(data["series"]["3.13"].get(kind, ())) for kind in ("build_packages", "runtime_packages"))
    assert (series["3.13"].build_packages, series["3.13"].runtime_packages) == tuple(own)


def test_a_new_family_needs_only_data(data_tree: Path) -> None:
    data = tomllib.loads((data_tree / DEBIAN).read_text(encoding="utf-8"))
    data["targets"] = {"potato": {**data["targets"]["bookworm"], "base": "example:potato-slim"}}
    (data_tree / "other").mkdir()
    (data_tree / "other" / "family.toml").write_text(tomli_w.dumps(data), encoding="utf-8")
    catalog = load_catalog(data_tree)
    (target,) = (target for target in catalog.targets if target.name == "potato")
    assert catalog.family_of(target).name == "other"
    assert target.base.digests == {}


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        pytest.param(
            CATALOG, lambda d: d["series"]["3.12"].pop("status"), ['series."3.12".status', "missing", "bugfix"],
            id="missing key",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.12"].update(statsu=d["series"]["3.12"].pop("status")),
            ['series."3.12".status', "missing", "Is 'statsu' a misspelling of it?"], id="misspelt required key",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"]["3.13.5"].update(pol="pool/x"),
            ['releases."3.13.5".pol', "unknown key", "Did you mean 'pool'?"], id="misspelt optional key",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"]["full"].update(colour="red"),
            ["recipe.full.colour", "unknown key", "compiler, configure, install, pgo"], id="unknown key",
        ),
        pytest.param(
            CATALOG, lambda d: d.update(colour="red"), ["colour", "unknown key", "default_target"], id="unknown top key"
        ),
        pytest.param(LOCK, lambda d: d.update(more={}), ["more", "unknown key", "releases"], id="unknown key in lock"),
        pytest.param(
            DEBIAN, lambda d: d["archive"].update(suits=[]), ["archive.suits", "Did you mean 'suites'?"],
            id="unknown key in family",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"]["compile"].update(compiler_flags="-O3"),
            ["recipe.compile.compiler_flags", "a list of words", "'-O3'"], id="text for a list",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"]["compile"].update(compiler_flags=["-O3 -g"]),
            ["recipe.compile.compiler_flags", "without spaces", "-O3 -g"], id="two words in one",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"]["full"].update(pgo="yes"), ["recipe.full.pgo", "true or false", "'yes'"],
            id="text for a bool",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"].update(full="x"), ["recipe.full", "a table", "'x'"], id="text for a table"
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(until=2029), ['series."3.13".until', "a month", "2029"],
            id="number for text",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"]["3.13.5"].update(bytes=True), ['"3.13.5".bytes', "a size in bytes", "True"],
            id="bool for a number",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"]["3.13.5"].update(bytes=0), ['"3.13.5".bytes', "a size in bytes", "0"],
            id="empty tarball",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(status="alive"),
            ['series."3.13".status', '"end-of-life", "security", "bugfix"', "'alive'"], id="unknown status",
        ),
        pytest.param(
            DEBIAN, lambda d: d["targets"]["bookworm"].update(status="frozen"),
            ["targets.bookworm.status", '"stable", "unstable"', "'frozen'"], id="unknown stability",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"]["3.13.5"].update(sha256="ABC"),
            ['releases."3.13.5".sha256', "64 lower-case hexadecimal digits", "'ABC'"], id="bad digest",
        ),
        pytest.param(
            LOCK, lambda d: d["bases"]["bookworm"]["digests"].update({"linux/amd64": "sha256:12"}),
            ["bases.bookworm.digests.linux/amd64", "sha256: and 64", "'sha256:12'"], id="bad base digest",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(until="2029-13"),
            ['series."3.13".until', "YYYY-MM", "'2029-13'"], id="bad month",
        ),
        pytest.param(
            LOCK, lambda d: d["bases"]["bookworm"].update(date="yesterday"),
            ["bases.bookworm.date", "YYYY-MM-DD", "'yesterday'"], id="bad date",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"].update({"3.99.1": {**d["releases"]["3.13.5"], "file": "Python-3.99.1.tgz"}}),
            ['releases."3.99.1"', "series 3.99 is not in catalog.toml"], id="release of an unknown series",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"].update(newest=d["releases"]["3.13.5"]), ["releases", "newest", "3.13.5"],
            id="release that is not a version",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"]["3.13.5"].update(file="Python-3.13.4.tgz"),
            ['releases."3.13.5".file', "Python-3.13.5.tar.xz or .tgz", "'Python-3.13.4.tgz'"],
            id="another release's file",
        ),
        pytest.param(
            LOCK, lambda d: d["releases"]["3.13.5"].update(pool="/etc/passwd"),
            ['releases."3.13.5".pool', "a path below pool/", "/etc/passwd"], id="path outside the pool",
        ),
        pytest.param(
            DEBIAN, lambda d: d["targets"]["bookworm"].update(base="debian:bookworm"),
            ["targets.bookworm.base", "lock.toml pins debian:bookworm-slim", "'debian:bookworm'"],
            id="target pinned with another image",
        ),
        pytest.param(
            DEBIAN, lambda d: d["targets"]["bookworm"].update(base="debian"),
            ["targets.bookworm.base", "with a tag", "'debian'"], id="base without tag",
        ),
        pytest.param(
            DEBIAN, lambda d: d.update(official="python:slim"), ["official", "{series}", "'python:slim'"],
            id="official image without series",
        ),
        *(
            pytest.param(
                DEBIAN, lambda d, tag=tag: d.update(official=f"python:{{series}}{tag}"), ["official", "{series}"],
                id=f"official image with {tag}",
            )
            for tag in ("-{x}", "{0}", "{", "{series:%}", "{series.__class__.__mro__}")
        ),
        *(
            pytest.param(
                DEBIAN, lambda d, name=name: d["targets"].update({name: d["targets"]["bookworm"]}),
                ["expected a name in lower case such as bookworm", repr(name)], id=f"target called {name!r}",
            )
            for name in ("../../x", "Bookworm", "a b", "", "-x", "\u212a")
        ),
        *(
            pytest.param(
                DEBIAN, lambda d, value=value: d.update(platforms=value),
                ["platforms", "at least one platform such as linux/amd64"], id=f"platforms {value!r}",
            )
            for value in ([], ["banana"], ["linux/.."], [1], ["windows/amd64"], "linux/amd64")
        ),
        pytest.param(
            LOCK, lambda d: d["extras"].update({"../x": d["extras"]["wheel"]}), ["expected a name", "'../x'"],
            id="extra that leaves the cache",
        ),
        pytest.param(
            LOCK, lambda d: d["extras"]["wheel"].update(file=".."), ["extras.wheel.file", "a file name", "'..'"],
            id="file of an extra that is a folder",
        ),
        *(
            pytest.param(
                DEBIAN, lambda d, path=path: d["archive"].update(settings=path),
                ["debian/family.toml: archive.settings", "a folder such as ubuntu/rootfs", repr(path)],
                id=f"settings in {path!r}",
            )
            for path in ("../..", "../rootfs", "ubuntu/..", "./rootfs", "/etc/apt", "a/b/c", "a\0/b")
        ),
        *(
            pytest.param(
                DEBIAN, lambda d, path=path: d["targets"]["bookworm"].update(hooks=["merged-usr", path]),
                ["debian/family.toml: targets.bookworm.hooks", "folders such as ubuntu/hooks", repr(path)],
                id=f"hook in {path!r}",
            )
            for path in ("../hooks", "..", "ubuntu/../../hooks", "/hooks", "ubuntu/", "")
        ),
        *(
            pytest.param(
                DEBIAN, lambda d, path=path: d["archive"].update(keyrings=[path]),
                ["debian/family.toml: archive.keyrings", "absolute paths", repr(path)], id=f"keyring in {path!r}",
            )
            for path in ("keyring.gpg", "/usr/../etc/x", "-x", "")
        ),
        pytest.param(
            DEBIAN, lambda d: d.update(dockerfile="../Dockerfile"),
            ["debian/family.toml: dockerfile", "a path such as debian/Dockerfile", "'../Dockerfile'"],
            id="Dockerfile outside the repository",
        ),
        *(
            pytest.param(
                LOCK, lambda d, path=path: d["releases"]["3.13.5"].update(pool=path),
                ['releases."3.13.5".pool', "a path below pool/", repr(path)], id=f"path {path!r} in the pool",
            )
            for path in ("pool/../x.tar.xz", "pool/a/..", "pool//x", "pool/")
        ),
        pytest.param(
            LOCK, lambda d: d["profiles"].update({"../..": d["profiles"]["3.13"]}),
            ["expected one of the series 3.9", "3.13t"], id="profile outside its folder",
        ),
        pytest.param(
            CATALOG, lambda d: d.update(profile_fit=1), ["profile_fit", "from 0.0 to 1.0", "found 1"],
            id="share without a decimal point",
        ),
        pytest.param(CATALOG, lambda d: d.update(schema=2), ["schema", "expected 1", "found 2"], id="wrong schema"),
        pytest.param(LOCK, lambda d: d.pop("schema"), ["schema", "missing; expected 1"], id="no schema"),
        pytest.param(
            CATALOG, lambda d: d.update(default_target="potato"),
            ["default_target", "one of the targets trixie, bookworm, ", "'potato'"],
            id="default target that does not exist",
        ),
        pytest.param(
            CATALOG, lambda d: d.update(repository="Infra7/Python"), ["repository", "an image name", "Infra7"],
            id="repository that docker refuses",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"].update({"2.7": d["series"]["3.9"]}), ['"2.7"', "a series such as 3.13"],
            id="series of another Python",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"].update({"3.16": d["series"]["3.15"]}),
            ['series."3.16"', "no release of 3.16 is pinned", "at least one"], id="series without a pin",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(locale="de_DE.UTF-8"),
            ['series."3.13".locale', '"C.UTF-8", or ""', "de_DE"], id="locale that slim images lack",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(compiler="icc"),
            ['series."3.13".compiler', "one of the compilers gcc, clang", "'icc'"], id="unknown compiler of a series",
        ),
        pytest.param(
            CATALOG, lambda d: d["compilers"]["clang_ir"].update(like="icc"),
            ["compilers.clang_ir.like", "one of gcc, clang, found", "'icc'"], id="compiler like an unknown one",
        ),
        pytest.param(
            CATALOG, lambda d: d["compilers"].update(other={"like": "other"}),
            ["compilers.other.like", "one of gcc, clang, clang_ir, found", "'other'"], id="compiler like itself",
        ),
        pytest.param(
            CATALOG, lambda d: d["compilers"]["clang_ir"].update(ldflag=[]),
            ["compilers.clang_ir.ldflag", "unknown key"], id="typo in a compiler that is like another",
        ),
        pytest.param(
            CATALOG, lambda d: d["compilers"]["clang_ir"]["compile"].update(linker_flag=[]),
            ["compilers.clang_ir.compile.linker_flag", "unknown key", "Did you mean 'linker_flags'?"],
            id="option of a compiler that the recipe does not declare",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"]["full"]["compile"].update(trainings=[]),
            ["recipe.full.compile.trainings", "unknown key", "Did you mean 'training'?"],
            id="option of full builds that the recipe does not declare",
        ),
        pytest.param(
            CATALOG, lambda d: d["frame_pointers"]["compile"].update(cflags=[]),
            ["frame_pointers.compile.cflags", "unknown key", "compiler_flags"],
            id="option for frame pointers that the recipe does not declare",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(compile={"expat_flags": []}),
            ['series."3.13".compile.expat_flags', "unknown key; expected one of compiler_flags, linker_flags"],
            id="option of a series that the reference does not declare",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.12"]["ours"].update(install={"prunes": []}),
            ['series."3.12".ours.install.prunes', "Did you mean 'prune'?"],
            id="option of our series that the recipe does not declare",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.10"]["by_compiler"]["clang_ir"]["compile"].update(ldflags=[]),
            ['series."3.10".by_compiler.clang_ir.compile.ldflags', "unknown key", "linker_flags"],
            id="option by compiler that the recipe does not declare",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13"].update(by_compiler={"icc": {}}),
            ['series."3.13".by_compiler.icc', "one of the compilers gcc, clang"], id="options for an unknown compiler",
        ),
        pytest.param(
            CATALOG, lambda d: d["recipe"]["compile"].pop("expat_flags"),
            ["compilers.clang.compile.expat_flags", "unknown key"], id="option that the recipe no longer declares",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.13t"].update(like="3.99"),
            ['series."3.13t".like', "one of 3.9, 3.10", "'3.99'"], id="series like one that does not exist",
        ),
        pytest.param(
            CATALOG, lambda d: d["series"]["3.14"].update(build_packages="libfoo-dev"),
            ['series."3.14".build_packages', "a list of words", "'libfoo-dev'"], id="text for packages of a series",
        ),
        pytest.param(
            DEBIAN, lambda d: d.pop("dockerfile"), ["dockerfile", "missing; expected a path such as debian/Dockerfile"],
            id="family without a Dockerfile",
        ),
        pytest.param(
            DEBIAN, lambda d: d["targets"]["bookworm"].update(compilers=["clang"]),
            ["targets.bookworm.compilers", "gcc and others", "['clang']"], id="target without gcc",
        ),
    ],
)  # fmt: skip
def test_an_error_names_the_file_the_key_and_what_was_expected(
    data_tree: Path, file: str, change: Callable[[Data], object], expected: list[str]
) -> None:
    error = broken(data_tree, file, change)
    assert file in str(error)
    for words in expected:
        assert words in str(error)


def test_an_error_in_toml_syntax_names_file_and_line(data_tree: Path) -> None:
    (data_tree / CATALOG).write_text("schema = 1\nseries = = 2", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"shared/catalog\.toml: not valid TOML: .*line 2") as caught:
        load_catalog(data_tree)
    assert caught.value.exit_code == 2


def test_a_file_in_another_encoding_is_an_error_that_names_it(data_tree: Path) -> None:
    (data_tree / DEBIAN).write_bytes(b'official = "caf\xe9"')
    with pytest.raises(ConfigError, match=r"debian/family\.toml: not valid TOML"):
        load_catalog(data_tree)


@pytest.mark.parametrize("file", [CATALOG, LOCK])
def test_an_error_about_a_missing_file_has_the_command_that_restores_it(data_tree: Path, file: str) -> None:
    (data_tree / file).unlink()
    with pytest.raises(ConfigError, match="the file is missing") as caught:
        load_catalog(data_tree)
    assert caught.value.exit_code == 2
    assert str(data_tree / file) in str(caught.value)
    assert "git checkout -- " in caught.value.hint


def test_a_tree_without_families_is_rejected(data_tree: Path) -> None:
    for file in data_tree.glob("*/family.toml"):
        file.unlink()
    with pytest.raises(ConfigError, match=r"no \*/family\.toml found"):
        load_catalog(data_tree)


def test_errors_name_files_relative_to_the_current_folder(data_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data_tree)
    assert str(broken(data_tree, CATALOG, lambda data: data.update(schema=2))).startswith("shared/catalog.toml: ")


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"BAKERY_HOME": "/a/b", "XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/infra7-python"),
        ({"BAKERY_HOME": "", "XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/infra7-python"),
        ({"HOME": "/h"}, "/h/.cache/infra7-python"),
    ],
)
def test_the_environment_determines_the_cache_folder(environ: dict[str, str], home: str) -> None:
    assert find_workspace(Path("/clone"), environ).home == Path(home)


def test_a_relative_cache_folder_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_workspace(Path("/clone"), {"BAKERY_HOME": "here"}).home == tmp_path / "here"


def test_the_command_that_restores_a_file_works_from_the_top_of_the_clone(data_tree: Path) -> None:
    (data_tree / LOCK).unlink()
    with pytest.raises(ConfigError) as caught:
        load_catalog(data_tree)
    assert caught.value.hint.endswith(LOCK)


def test_a_base_of_an_unknown_target_is_an_error(data_tree: Path) -> None:
    error = broken(data_tree, LOCK, lambda data: data["bases"].update(bookwrm=data["bases"].pop("bookworm")))
    assert "bookwrm" in str(error)


def test_a_target_of_two_families_is_an_error(data_tree: Path) -> None:
    (data_tree / "other").mkdir()
    (data_tree / "other" / "family.toml").write_bytes((data_tree / DEBIAN).read_bytes())
    with pytest.raises(ConfigError, match="trixie"):
        load_catalog(data_tree)


def test_an_error_about_a_table_has_no_dot_after_its_name(data_tree: Path) -> None:
    error = broken(data_tree, LOCK, lambda data: data["releases"].update(newest=data["releases"]["3.13.5"]))
    assert "releases.newest: " in str(error)


def test_a_repository_with_a_tag_is_rejected(data_tree: Path) -> None:
    error = broken(data_tree, CATALOG, lambda data: data.update(repository="infra7/python:3"))
    assert "an image name without tag" in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["variants"]["minimal"].pop("stage"), "variants.minimal.stage: missing; expected a stage"),
        (lambda data: data["variants"]["minimal"].update(infix="-x"), "variants.minimal.infix: expected letters"),
        (
            lambda data: data["variants"]["minimal"].update(infix=""),
            'variants: expected infixes that differ, one of them ""',
        ),
        (lambda data: data["variants"].pop("default"), 'variants: expected infixes that differ, one of them ""'),
        (
            lambda data: data["variants"].update(Slim=data["variants"]["minimal"]),
            "variants.Slim: expected a name in lower",
        ),
        (lambda data: data["variants"]["minimal"].update(lack=[]), "variants.minimal.lack: unknown key"),
        (lambda data: data["variants"]["minimal"].update(infix="slim"), "variants.minimal.infix: expected letters"),
        (lambda data: data["variants"]["minimal"].update(infix="x-gzip"), "variants.minimal.infix: expected letters"),
        (lambda data: data["compression"].update(twin="zstd:19"), "compression.twin: expected gzip with a level"),
        (lambda data: data["compression"].pop("twin"), "compression.twin: missing"),
        (lambda data: data["compression"].update(full="zstd:22"), "compression.full: expected a method and its level"),
    ],
)
def test_an_error_in_a_variant_or_a_compression_names_its_key(
    data_tree: Path, change: Callable[[Data], object], message: str
) -> None:
    assert message in broken(data_tree, CATALOG, change).message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda budget: budget.update({"3.8": budget["3.13"]}), 'budget."3.8": expected one of the series 3.9, '),
        (
            lambda budget: budget["3.13"].update(slim=budget["3.13"]["default"]),
            "expected one of the variants default, ",
        ),
        (lambda budget: budget["3.13"]["default"].update(buster={}), "expected one of the targets trixie, "),
        (lambda budget: budget["3.13"]["default"]["bookworm"].update(disk_bytes=0), "disk_bytes: expected a size in"),
        (lambda budget: budget["3.13"]["default"]["bookworm"].update(disk=1), "disk: unknown key"),
    ],
)
def test_an_error_in_a_budget_names_its_key(data_tree: Path, change: Callable[[Data], object], message: str) -> None:
    assert message in broken(data_tree, "shared/budgets.toml", lambda data: change(data["budget"])).message


def test_the_image_tests_know_every_feature_that_a_variant_lacks(catalog: Catalog, root: Path) -> None:
    tree = ast.parse((root / "tests" / "image" / "support.py").read_text(encoding="utf-8"))
    (features,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FEATURES"
    )
    assert catalog.default_variant.lacks == ()
    assert {word for variant in catalog.variants for word in variant.lacks} == set(features)


def test_packages_of_an_unknown_variant_are_an_error(data_tree: Path) -> None:
    error = broken(data_tree, DEBIAN, lambda d: d["packages"]["variants"].update(devel=["gcc"]))
    assert "debian/family.toml: packages.variants: expected names of variants" in str(error) and "'devel'" in str(error)
