"""Loads a job's code: ``module:build``, or a script that calls ``env.execute()``. Both give a ``JobCode``.

Runs in the short-lived child that plans (``planner``) and again in each worker. What is wrong with the user's code
comes out as one :class:`JobLoadError`: the user's file and line first, then the fault, then the next step.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

from weir.api.environment import StreamExecutionEnvironment
from weir.api.executor import JobExecutionResult, LoadContext, executing_with
from weir.config import options
from weir.errors import JobLoadError, WeirError
from weir.operators.failures import user_location, user_trace
from weir.operators.job_code import JobCode


class _Recorded(BaseException):
    """Ends the user's code at ``execute()``; not an ``Exception``, so that user code does not catch it."""


class _RecordingExecutor:
    """Takes the job that ``execute()`` hands over, and ends the code that called it."""

    def __init__(self) -> None:
        self.job: JobCode | None = None

    def execute(self, job: JobCode) -> JobExecutionResult:
        if self.job is None:
            self.job = job
        raise _Recorded


def load_job(
    entrypoint: str,
    args: Sequence[str] = (),
    python_path: Sequence[str] = (),
    *,
    name: str | None = None,
    parallelism: int = 1,
    max_parallelism: int = 128,
) -> JobCode:
    """Run the code at ``entrypoint`` and return what it recorded.

    ``python_path`` stays at the front of ``sys.path``, and a script becomes this process's ``__main__``: rows of
    its classes must be found by name afterwards. ``name`` wins over the one given to ``execute``. Raises
    ``JobLoadError``; its ``user_traceback`` has the user's frames.
    """
    for folder in reversed(python_path):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    executor = _RecordingExecutor()
    with executing_with(LoadContext(executor, parallelism, max_parallelism)):
        if is_script(entrypoint):
            return _load_script(entrypoint, list(args), executor, name)
        return _load_build(entrypoint, list(args), python_path, executor, name)


class Loadable(Protocol):
    """What names a job's code: a ``JobSpec``, or the planner's ``LoadRequest``."""

    @property
    def name(self) -> str: ...
    @property
    def entrypoint(self) -> str: ...
    @property
    def args(self) -> tuple[str, ...]: ...
    @property
    def python_path(self) -> tuple[str, ...]: ...
    @property
    def parallelism(self) -> int: ...
    @property
    def max_parallelism(self) -> int: ...
    @property
    def defaults(self) -> dict[str, str]: ...
    @property
    def overrides(self) -> dict[str, str]: ...


def load_request(request: Loadable) -> JobCode:
    """``load_job`` with what a job specification says; the planner and each worker call it with the same one, so
    that ``env.get_parallelism()`` answers alike in all of them. Raises ``JobLoadError``.
    """
    below, above = request.defaults, request.overrides

    def shown(option: options.Option[int], given: int) -> int:
        text = above.get(option.key, below.get(option.key))
        return given if text is None else option.kind.parse(text)

    return load_job(
        request.entrypoint,
        request.args,
        request.python_path,
        name=request.name,
        parallelism=shown(options.PARALLELISM, request.parallelism),
        max_parallelism=shown(options.MAX_PARALLELISM, request.max_parallelism),
    )


def is_script(entrypoint: str) -> bool:
    """Whether ``entrypoint`` is a path of a script, not ``module:function``."""
    return entrypoint.endswith(".py")


# ---- scripts


def _load_script(path: str, args: list[str], executor: _RecordingExecutor, name: str | None) -> JobCode:
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise JobLoadError(
            f"script {path} cannot be read: {error.strerror}; looked in {os.getcwd()}{_near_file(path)}"
        ) from None
    module = ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [path, *args]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    with _user_code(f"script {path}", "before it called env.execute(...)", executor):
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102  running the user's script is the task
    if executor.job is None:
        raise JobLoadError(
            f"{path}: the script ended without calling env.execute(...); end it with env.execute('name')"
        )
    return _named(executor.job, name)


def _near_file(path: str) -> str:
    folder = os.path.dirname(path) or "."
    scripts = [entry for entry in _listed(folder) if entry.endswith(".py")]
    near = difflib.get_close_matches(os.path.basename(path), scripts, n=1)
    return f"; did you mean {os.path.join(os.path.dirname(path), near[0])}?" if near else ""


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


# ---- module:function


def _load_build(
    entrypoint: str,
    args: list[str],
    python_path: Sequence[str],
    executor: _RecordingExecutor,
    name: str | None,
) -> JobCode:
    module_name, colon, function_name = entrypoint.partition(":")
    if not (colon and module_name and function_name):
        raise JobLoadError(
            f"entrypoint {entrypoint!r} is neither package.module:function nor a path that ends in .py"
        )
    module = _import(module_name, python_path, executor)
    build = _function(module, module_name, function_name)
    env = StreamExecutionEnvironment()
    arguments: tuple[Any, ...] = (env, args) if _takes_args(build, entrypoint, args) else (env,)
    with _user_code(f"{entrypoint}", "in build", executor):
        build(*arguments)
    if executor.job is not None:
        return _named(executor.job, name)
    try:
        return env.job_code(name or function_name)
    except WeirError as error:
        if env.has_operators:
            raise JobLoadError(str(error)) from None
        raise JobLoadError(
            f"{_place(build)}{entrypoint} made no operators on the environment it was given; begin with "
            "env.from_source(...) on its argument env"
        ) from None


def _import(module_name: str, python_path: Sequence[str], executor: _RecordingExecutor) -> ModuleType:
    with _user_code(f"module {module_name}", "while it was imported", executor):
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if missing != module_name and not module_name.startswith(missing + "."):
                raise
            raise _module_missing(module_name, missing, python_path) from None
    raise JobLoadError(
        f"module {module_name} called env.execute() while it was imported; do it in build(env)"
    )


def _module_missing(module_name: str, missing: str, python_path: Sequence[str]) -> JobLoadError:
    parent, _, last = missing.rpartition(".")
    searched = list(python_path) or [os.getcwd()]
    folders = list(getattr(sys.modules.get(parent), "__path__", [])) if parent else searched
    siblings = [found.name for found in pkgutil.iter_modules(folders)]
    near = difflib.get_close_matches(last, siblings, n=1)
    hint = f"; did you mean {parent + '.' if parent else ''}{near[0]}?" if near else ""
    return JobLoadError(
        f"module {module_name} not found: there is no {missing} in {', '.join(folders)}{hint or _PATH_HINT}"
    )


_PATH_HINT = "; run from the folder that holds it, or install it"


def _function(module: ModuleType, module_name: str, function_name: str) -> Callable[..., Any]:
    place = f"{module.__file__}: " if module.__file__ else ""
    try:
        build = getattr(module, function_name)
    except AttributeError:
        functions = [name for name, value in vars(module).items() if callable(value)]
        near = difflib.get_close_matches(function_name, functions, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise JobLoadError(f"{place}module {module_name} has no function {function_name}{hint}") from None
    if not callable(build):
        raise JobLoadError(
            f"{place}{module_name}:{function_name} is of type {type(build).__name__}, not a function build(env, args)"
        )
    if inspect.iscoroutinefunction(build) or inspect.isgeneratorfunction(build):
        raise JobLoadError(
            f"{_place(build)}{function_name} is a coroutine or generator function; build(env) is a plain function"
        )
    found: Callable[..., Any] = build
    return found


def _takes_args(build: Callable[..., Any], entrypoint: str, args: list[str]) -> bool:
    """Whether ``build`` is called with the arguments too: ``build(env)`` or ``build(env, args)``."""
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):
        return True
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        if len(arguments) == 1 and args:
            raise JobLoadError(
                f"{_place(build)}{entrypoint} takes only env, but {len(args)} arguments were given ({' '.join(args)}); "
                "write it as build(env, args)"
            )
        return len(arguments) == 2
    raise JobLoadError(
        f"{_place(build)}{entrypoint}{signature} cannot be called; write it as build(env) or build(env, args)"
    )


def _place(function: object) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}: " if code is not None else ""


def _named(job: JobCode, name: str | None) -> JobCode:
    if name is None or job.graph.name == name:
        return job
    import msgspec

    graph = msgspec.structs.replace(job.graph, name=name)
    return JobCode(graph=graph, factories=job.factories, sources=job.sources, edges=job.edges)


# ---- faults of user code


@contextmanager
def _user_code(subject: str, where: str, executor: _RecordingExecutor) -> Iterator[None]:
    """Turns whatever the user's code does wrong into a ``JobLoadError``."""
    try:
        yield
    except _Recorded:
        return
    except JobLoadError:
        raise
    except SystemExit as error:
        if executor.job is None:
            place = user_location(error.__traceback__)
            message = f"{subject} called sys.exit({_exit_argument(error)}) {where}"
            raise load_error(f"{place}: {message}" if place else message, error) from error
    except Exception as error:
        raise load_error(_message(error, subject), error) from error


def _exit_argument(error: SystemExit) -> str:
    return "" if error.code is None else repr(error.code)


def _message(error: Exception, subject: str) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg} (in {subject})"
    place = user_location(error.__traceback__)
    lead = f"{place}: " if place else ""
    if isinstance(error, WeirError):
        text = str(error)
        return text if text.startswith(lead) else f"{lead}{text}"
    return f"{lead}{type(error).__name__}: {error} (in {subject})"


def load_error(message: str, cause: BaseException) -> JobLoadError:
    """The error with the user's frames of ``cause``."""
    error = JobLoadError(message)
    error.user_traceback = user_trace(cause)
    return error
