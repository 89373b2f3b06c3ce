"""Which benchmarks there are and which of them run: the data file, pyperformance's metadata, and the selection."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from bakery.benchmarks.pyperformance import (
    DATA,
    Benchmark,
    Pinned,
    Wanted,
    choose,
    parse_suite,
    read_suite,
    read_wanted,
)
from bakery.catalog.models import Catalog
from bakery.errors import ConfigError, InputError

TEXTS = {
    "MANIFEST": "[benchmarks]\n\nname\tmetafile\npickle\t<local>\nunpickle\t<local:pickle>\nmako\t<local>\n"
    "# FIXME: fails\n#hg_startup\t<local>\ndask\t<local>\ntg\t<local:pickle>\n\n[group default]\n",
    "bm_pickle/pyproject.toml": '[project]\nrequires-python = ">=3.8"\ndependencies = ["pyperf"]\n'
    '[tool.pyperformance]\nextra_opts = ["pickle"]\n',
    "bm_pickle/bm_unpickle.toml": '[project]\nname = "u"\n[tool.pyperformance]\nextra_opts = ["--pure", "unpickle"]\n',
    "bm_pickle/bm_tg.toml": '[tool.pyperformance]\nextra_opts = ["tg"]\n',
    "bm_mako/pyproject.toml": '[project]\nrequires-python = ">=3.8"\ndependencies = ["pyperf", "mako"]\n'
    '[tool.pyperformance]\nname = "mako"\n',
    "bm_mako/requirements.txt": "mako==1.1.4\nmarkupsafe==2.0.1",
    "bm_dask/pyproject.toml": '[project]\nrequires-python = ">=3.12"\ndependencies = ["pyperf", "dask"]\n',
}
PIN = Pinned("p", "1", "0" * 64)


def wanted(**more: object) -> Wanted:
    known: dict[str, object] = {"subset": ("pickle", "mako"), "imports": {}, "unsuitable": {}, "series": {}}
    return Wanted(PIN, PIN, **{**known, **more})  # type: ignore[arg-type]


def test_benchmarks_are_those_of_the_manifest_with_their_options() -> None:
    suite = parse_suite(TEXTS)
    assert set(suite) == {"pickle", "unpickle", "mako", "dask", "tg"}
    assert suite["pickle"] == Benchmark("pickle", "bm_pickle", ("pickle",), "", ">=3.8")
    assert suite["unpickle"] == Benchmark("unpickle", "bm_pickle", ("--pure", "unpickle"), "", ">=3.8")
    assert suite["tg"].options == ("tg",)


def test_pinned_requirements_come_before_those_of_the_project_and_pyperf_is_not_among_them() -> None:
    suite = parse_suite(TEXTS)
    assert suite["mako"].requirements == "mako==1.1.4\nmarkupsafe==2.0.1\n"
    assert suite["dask"].requirements == "dask\n"


def test_a_suite_is_read_from_a_tar_in_which_it_is_installed(tmp_path: Path) -> None:
    file = tmp_path / "tools.tar"
    with tarfile.open(file, "w") as tar:
        for name, text in {**TEXTS, "bm_mako/data/other.toml": "no TOML at all ["}.items():
            member = tarfile.TarInfo(f"tools/{DATA}{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    assert read_suite(file) == parse_suite(TEXTS)


def test_the_subset_runs_where_nothing_is_asked_for() -> None:
    found = choose(parse_suite(TEXTS), wanted(), "3.13")
    assert [one.name for one in found.chosen] == ["pickle", "mako"]
    assert found.left_out == {}


def test_what_is_left_out_is_named_with_its_reason() -> None:
    data = wanted(unsuitable={"mako": "needs a network"}, series={"3.11": {"pickle": "crashes"}})
    found = choose(parse_suite(TEXTS), data, "3.11", full=True)
    assert [one.name for one in found.chosen] == ["tg", "unpickle"]
    assert found.left_out == {
        "dask": "needs Python >=3.12",
        "mako": "needs a network",
        "pickle": "crashes",
    }


def test_a_free_threaded_series_is_as_old_as_its_number() -> None:
    assert [one.name for one in choose(parse_suite(TEXTS), wanted(), "3.13t", only=["dask"]).chosen] == ["dask"]


def test_what_is_named_is_tried_although_it_is_left_out_elsewhere() -> None:
    found = choose(parse_suite(TEXTS), wanted(unsuitable={"mako": "slow"}), "3.13", only=["mako"])
    assert [one.name for one in found.chosen] == ["mako"]


def test_an_unknown_name_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(InputError, match=r"no benchmark is called nope\n.*dask, mako, pickle"):
        choose(parse_suite(TEXTS), wanted(), "3.13", only=["nope"])


def test_a_name_of_the_subset_that_pyperformance_does_not_have_is_named() -> None:
    assert choose(parse_suite(TEXTS), wanted(subset=("gone",)), "3.13").left_out == {
        "gone": "pyperformance 1 does not have it"
    }


def test_the_repositorys_own_subset_is_large_and_its_exceptions_have_reasons(root: Path, catalog: Catalog) -> None:
    found = read_wanted(root)
    assert len(found.subset) == len(set(found.subset)) >= 24
    assert list(found.subset) == sorted(found.subset)
    assert set(found.series) <= {series.name for series in catalog.series}
    reasons = [*found.unsuitable.values(), *(reason for one in found.series.values() for reason in one.values())]
    assert all(len(reason) > 10 for reason in reasons)
    assert found.pyperf.requirement == f"pyperf=={found.pyperf.version} --hash=sha256:{found.pyperf.sha256}"


def test_a_wrong_data_file_is_told_by_file_and_key(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    text = (root / "benchmarks" / "benchmarks.toml").read_text(encoding="utf-8")
    (folder / "benchmarks.toml").write_text(text.replace('sha256 = "9', 'sha256 = "x'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"benchmarks\.toml: pyperformance\.sha256: expected 64"):
        read_wanted(tmp_path)


def test_what_a_benchmark_imports_beside_its_requirements_is_installed_too() -> None:
    (found,) = choose(
        parse_suite(TEXTS), wanted(imports={"mako": ("setuptools==80.9.0",)}), "3.13", only=["mako"]
    ).chosen
    assert found.requirements == "mako==1.1.4\nmarkupsafe==2.0.1\nsetuptools==80.9.0\n"
