"""Reading benchmarks.toml and pyperformance's metadata, and selecting the benchmarks to run."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from bakery.benchmarks.pyperformance import (
    DATA,
    Benchmark,
    PinnedPackage,
    SuiteConfig,
    parse_suite,
    read_applications,
    read_config,
    read_suite,
    select_benchmarks,
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
PIN = PinnedPackage("1", "0" * 64)


def config(**more: object) -> SuiteConfig:
    known: dict[str, object] = {
        "subset": ("pickle", "mako"), "applications": ("mako",), "memory": (), "operations": (), "threads": (),
        "imports": {}, "unsuitable": {}, "series": {},
    }  # fmt: skip
    return SuiteConfig(PIN, PIN, **{**known, **more})  # type: ignore[arg-type]


def test_benchmarks_are_read_from_the_manifest_with_their_options() -> None:
    suite = parse_suite(TEXTS)
    assert set(suite) == {"pickle", "unpickle", "mako", "dask", "tg"}
    assert suite["pickle"] == Benchmark("pickle", "bm_pickle", ("pickle",), "", ">=3.8")
    assert suite["unpickle"] == Benchmark("unpickle", "bm_pickle", ("--pure", "unpickle"), "", ">=3.8")
    assert suite["tg"].options == ("tg",)


def test_pinned_requirements_take_precedence_and_pyperf_is_dropped() -> None:
    suite = parse_suite(TEXTS)
    assert suite["mako"].requirements == "mako==1.1.4\nmarkupsafe==2.0.1\n"
    assert suite["dask"].requirements == "dask\n"


def test_a_suite_is_read_from_a_tar_of_its_installation(tmp_path: Path) -> None:
    file = tmp_path / "tools.tar"
    with tarfile.open(file, "w") as tar:
        for name, text in {**TEXTS, "bm_mako/data/other.toml": "no TOML at all ["}.items():
            member = tarfile.TarInfo(f"tools/{DATA}{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    assert read_suite(file) == parse_suite(TEXTS)


def test_the_subset_is_selected_by_default() -> None:
    selected, left_out = select_benchmarks(parse_suite(TEXTS), config(), "3.13")
    assert [benchmark.name for benchmark in selected] == ["pickle", "mako"]
    assert left_out == {}


def test_benchmarks_that_are_left_out_have_a_reason() -> None:
    data = config(unsuitable={"mako": "needs a network"}, series={"3.11": {"pickle": "crashes"}})
    selected, left_out = select_benchmarks(parse_suite(TEXTS), data, "3.11", full=True)
    assert [benchmark.name for benchmark in selected] == ["tg", "unpickle"]
    assert left_out == {"dask": "needs Python >=3.12", "mako": "needs a network", "pickle": "crashes"}


def test_a_free_threaded_series_has_the_version_of_its_number() -> None:
    selected, _ = select_benchmarks(parse_suite(TEXTS), config(), "3.13t", only=["dask"])
    assert [benchmark.name for benchmark in selected] == ["dask"]


def test_named_benchmarks_run_even_if_they_are_unsuitable() -> None:
    selected, _ = select_benchmarks(parse_suite(TEXTS), config(unsuitable={"mako": "slow"}), "3.13", only=["mako"])
    assert [benchmark.name for benchmark in selected] == ["mako"]


def test_an_unknown_name_is_rejected_with_the_known_names() -> None:
    with pytest.raises(InputError, match=r"unknown benchmark: nope\n.*dask, mako, pickle"):
        select_benchmarks(parse_suite(TEXTS), config(), "3.13", only=["nope"])


def test_a_name_in_the_subset_that_pyperformance_does_not_have_is_reported() -> None:
    assert select_benchmarks(parse_suite(TEXTS), config(subset=("gone",)), "3.13")[1] == {
        "gone": "pyperformance 1 does not have it"
    }


def test_the_subset_of_the_repository_is_large_and_its_exceptions_have_reasons(root: Path, catalog: Catalog) -> None:
    config = read_config(root)
    assert len(config.subset) == len(set(config.subset)) >= 24
    assert list(config.subset) == sorted(config.subset)
    assert set(config.series) <= {series.name for series in catalog.series}
    reasons = [
        *config.unsuitable.values(),
        *(reason for reasons in config.series.values() for reason in reasons.values()),
    ]
    assert all(len(reason) > 10 for reason in reasons)
    assert config.requirements.splitlines() == [
        f"{name}=={pin.version} --hash=sha256:{pin.sha256}"
        for name, pin in (("pyperf", config.pyperf), ("pyperformance", config.pyperformance))
    ]


def test_the_benchmarks_of_our_suite_run_with_an_option_and_have_pinned_packages(root: Path) -> None:
    suite, config = read_applications(root), read_config(root)
    ours = (*config.applications, *config.memory, *config.operations, *config.threads)
    assert sorted(ours) == sorted(suite)
    selected, left_out = select_benchmarks(suite, config, "3.9", names=config.applications)
    assert [benchmark.name for benchmark in selected] == list(config.applications) and not left_out
    for benchmark in suite.values():
        for entry in benchmark.requirements.replace("\\\n", "").splitlines():
            assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}$", entry), entry


@pytest.mark.parametrize("name", ["black", "mypy"])
def test_programs_that_mypyc_compiles_are_pinned_to_their_wheel_in_pure_python(root: Path, name: str) -> None:
    entries = read_applications(root)[name].requirements.replace("\\\n", "").splitlines()
    assert all(entry.count("--hash") == 1 for entry in entries if entry.startswith(f"{name}=="))


def test_an_error_in_the_data_file_names_file_and_key(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    text = (root / "benchmarks" / "benchmarks.toml").read_text(encoding="utf-8")
    (folder / "benchmarks.toml").write_text(text.replace('sha256 = "9', 'sha256 = "x'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"benchmarks\.toml: pyperformance\.sha256: expected 64"):
        read_config(tmp_path)


def test_additional_imports_of_a_benchmark_are_installed() -> None:
    (benchmark,), _ = select_benchmarks(
        parse_suite(TEXTS), config(imports={"mako": ("setuptools==80.9.0",)}), "3.13", only=["mako"]
    )
    assert benchmark.requirements == "mako==1.1.4\nmarkupsafe==2.0.1\nsetuptools==80.9.0\n"
