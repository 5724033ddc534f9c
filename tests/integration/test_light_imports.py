"""What an import loads: the facade and the loading child stay light, the control plane's data needs no user code."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "grpc", "minio", "urllib3", "numpy", "pyarrow", "pandas", "click"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_facade_loads_next_to_nothing():
    modules = loaded_by("import weir")
    assert not modules & {*HEAVY, "msgspec", "inspect"}
    assert {name for name in modules if name.startswith("weir.")} == {"weir.api", "weir.api.executor"}


def test_what_pytest_loads_wherever_weir_is_installed_is_next_to_nothing():
    modules = {name for name in loaded_by("import weir.testing.pytest_plugin") if name.startswith("weir.")}
    assert modules == {"weir.api", "weir.api.executor", "weir.testing", "weir.testing.pytest_plugin"}


@pytest.mark.parametrize("module", ["weir.api.planner", "weir.graph.plan", "weir.config", "weir.windows"])
def test_importing_what_plans_a_job_loads_nothing_heavy(module):
    assert not loaded_by(f"import {module}") & HEAVY


@pytest.mark.parametrize("module", ["weir.graph", "weir.config"])
def test_the_plan_as_data_loads_nothing_that_runs_user_code(module):
    modules = loaded_by(f"import {module}.{'plan' if module == 'weir.graph' else 'groups'}")
    assert not {
        name for name in modules if name.startswith(("weir.operators", "weir.connectors", "weir.state"))
    }


def test_a_name_that_the_facade_does_not_have_is_an_attribute_error():
    import weir

    with pytest.raises(AttributeError, match="module 'weir' has no attribute 'Nothing'"):
        weir.Nothing
    assert set(dir(weir)) == set(weir.__all__)


def test_each_name_of_the_testing_room_can_be_imported_and_has_a_docstring():
    import weir.testing

    assert [name for name in weir.testing.__all__ if not getattr(weir.testing, name).__doc__] == []
