"""The shape of the project, as tests: size budget, facade, import contracts, and that ``operator`` stays Python's."""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import re
import statistics
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import weir

ROOT = Path(__file__).parent.parent
PACKAGES = {"weir": ROOT / "runtime/weir", "weir_operator": ROOT / "operator/weir_operator"}
MODULES = sorted(path for package in PACKAGES.values() for path in package.rglob("*.py"))
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

MAX_MODULE, MODULE_WITH_REASON, MEDIAN_MODULE, MAX_FUNCTION = 600, 450, 200, 60

#: Modules above 450 lines, each with the reason why it is one thing.
LARGE_MODULES: dict[str, str] = {}

#: What decides may neither wait, nor read a clock, nor draw a number, nor touch a socket or storage.
PURE_MODULES = {
    "weir.checkpoint.coordinator",
    "weir.checkpoint.pending",
    "weir.checkpoint.recovery",
    "weir.checkpoint.restorability",
    "weir.checkpoint.retention",
    "weir.checkpoint.start_directive",
    "weir.graph",
    "weir.jobmanager.lifecycle",
    "weir.jobmanager.rest.access",
    "weir.jobmanager.rest.views",
    "weir.jobmanager.slots.slot_matching",
    "weir.keygroups",
    "weir.serde.compatibility",
    "weir.state.rescale",
    "weir.taskmanager.alignment",
    "weir.taskmanager.exchange.credit_windows",
    "weir.taskmanager.watermarks",
    "weir.windows",
    "weir_operator.models",
    "weir_operator.observed",
    "weir_operator.reconciler.actions",
    "weir_operator.reconciler.diff",
    "weir_operator.reconciler.moment",
    "weir_operator.reconciler.plan",
    "weir_operator.reconciler.reading",
    "weir_operator.reconciler.situations",
    "weir_operator.reconciler.sizing",
    "weir_operator.reconciler.snapshots",
    "weir_operator.resources",
    "weir_operator.status.causes",
    "weir_operator.status.conditions",
    "weir_operator.status.lifecycle",
    "weir_operator.status.records",
    "weir_operator.status.summary",
    "weir_operator.upgrade",
    "weir_operator.validation",
}
#: The control plane never runs user code, so it cannot even import what holds it.
CONTROL_PLANE = {"weir.checkpoint", "weir.graph", "weir.jobmanager", "weir.rpc"}
USER_CODE = {"weir.api", "weir.operators", "weir.windows"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def exists(module: str) -> bool:
    package, *parts = module.split(".")
    path = PACKAGES[package].joinpath(*parts)
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function, without its decorators and its docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield (
                f"{relative(path)}:{node.lineno} {node.name}",
                (node.end_lineno or 0) - node.lineno + 1 - docstring,
            )


def layers(contract: str) -> list[list[str]]:
    return [re.findall(r"\w+", layer) for layer in CONTRACTS[contract]["layers"]]


def test_no_module_is_larger_than_the_budget_without_a_listed_reason() -> None:
    sizes = {relative(path): lines_of(path) for path in MODULES}
    assert {name: n for name, n in sizes.items() if n > MAX_MODULE} == {}
    large = {name for name, n in sizes.items() if n > MODULE_WITH_REASON}
    assert large == set(LARGE_MODULES), "LARGE_MODULES names exactly the modules above 450 lines"


def test_the_median_module_fits_on_a_few_screens() -> None:
    assert statistics.median(map(lines_of, MODULES)) <= MEDIAN_MODULE


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {name: n for path in MODULES for name, n in functions(path) if n > MAX_FUNCTION}
    assert too_long == {}


def test_each_module_opens_with_its_part() -> None:
    assert [relative(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "impl"}
    assert [relative(path) for path in MODULES if path.stem in vague or path.parent.name in vague] == []


def test_the_facade_is_what_was_agreed(golden: Callable[[str, str], None]) -> None:
    assert len(weir.__all__) == len(set(weir.__all__))
    golden("facade.txt", "".join(f"{name}\n" for name in sorted(weir.__all__)))


def test_each_name_of_the_facade_can_be_imported_and_has_a_docstring() -> None:
    exported = {name: getattr(weir, name) for name in weir.__all__ if not name.startswith("__")}
    assert [name for name, value in exported.items() if callable(value) and not value.__doc__] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_has_its_place_in_the_import_order(package: str) -> None:
    contract = {"weir": "weir-layers", "weir_operator": "operator-layers"}[package]
    placed = {room for layer in layers(contract) for room in layer}
    holds_code = (
        path for path in PACKAGES[package].iterdir() if path.suffix == ".py" or any(path.rglob("*.py"))
    )
    assert {path.stem for path in holds_code} - {"__init__"} - placed == set()


def test_pure_modules_are_held_by_their_contract() -> None:
    assert set(CONTRACTS["pure"]["source_modules"]) == {name for name in PURE_MODULES if exists(name)}


def test_the_control_plane_is_held_by_its_contract() -> None:
    assert set(CONTRACTS["control-plane"]["source_modules"]) == {
        name for name in CONTROL_PLANE if exists(name)
    }


def test_import_operator_is_the_standard_library() -> None:
    spec = importlib.machinery.PathFinder.find_spec("operator", [str(ROOT), *sys.path])
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == Path(sysconfig.get_path("stdlib"))


def test_nothing_lies_directly_in_operator_that_could_shadow_it() -> None:
    assert [path.name for path in (ROOT / "operator").iterdir() if path.is_file()] == []


def test_test_folders_are_no_packages_and_file_names_are_unique() -> None:
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert [relative(path) for path in files if path.name == "__init__.py"] == []
    names = [path.name for path in files if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_tests_wait_for_conditions_by_the_one_function_that_has_a_deadline() -> None:
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    sleeping = [relative(path) for path in files if "time.sleep(" in path.read_text()]
    assert sleeping == [], "tests.support.waiting.wait_for is how tests wait"


def test_the_readme_has_two_commands_for_a_fresh_machine_and_ci_runs_the_second() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line.split("#")[0].strip() for line in blocks[0].splitlines()]
    assert commands == ["make demo", "make test"]
    assert re.search(r"^exec make test$", (ROOT / ".ci/run").read_text(), re.MULTILINE)


@pytest.mark.parametrize("contract", ["weir-layers", "operator-layers"])
def test_the_architecture_page_draws_the_import_order_of_the_contracts(contract: str) -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text()
    match = re.search(rf"<!-- {contract} -->\n+```\n(.*?)```", page, re.DOTALL)
    assert match, f"architecture.md has no drawing marked <!-- {contract} -->"
    drawn = [re.findall(r"\w+", line.split("--")[0]) for line in match[1].splitlines()]
    assert drawn == layers(contract)


def test_the_architecture_page_walks_through_five_files_and_says_where_to_begin_in_each() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text()
    walk = re.findall(r"^## \d\. `([\w/.]+)`.*?Begin with\s`([\w.]+)`", page, re.DOTALL | re.MULTILINE)
    assert [path for path, _ in walk] == [
        "runtime/weir/api/stream.py",
        "runtime/weir/graph/plan.py",
        "runtime/weir/jobmanager/job.py",
        "runtime/weir/taskmanager/task.py",
        "runtime/weir/checkpoint/coordinator.py",
    ]
    for path, name in walk:
        found = importlib.import_module(path.removeprefix("runtime/").removesuffix(".py").replace("/", "."))
        for part in name.split("."):
            found = getattr(found, part)


def test_documents_name_only_files_that_exist() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    missing = []
    for document in documents:
        text = document.read_text()
        links = [document.parent / link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
        named = [
            ROOT / name for name in re.findall(r"`((?:runtime|operator|tests|docs|examples)/[\w./-]+)`", text)
        ]
        missing += [f"{relative(document)}: {path}" for path in links + named if not path.exists()]
    assert missing == []
