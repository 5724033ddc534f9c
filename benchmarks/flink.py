"""Apache Flink and PyFlink as peers: their wheel in an environment of its own, our Java programs compiled beside it, one JVM a run.

Needs a JDK 17: of ``JAVA_HOME``, or where Debian puts it, else the one on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import PEERS, ROOT, python_with

PACKAGES = ("apache-flink==2.3.0", "setuptools<80")
SOURCES = ROOT / "benchmarks" / "jobs" / "flink"
_DEBIAN = "/usr/lib/jvm/java-17-openjdk-amd64"
#: What Flink itself opens of the JDK to its serializers.
_OPENS = ("java.lang", "java.util", "java.util.concurrent", "java.net", "java.io", "java.nio", "java.time")


class NoJava(Exception):
    """There is no JDK 17."""


def java_home() -> Path:
    """Where a JDK 17 lies. Raises ``NoJava``."""
    for home in (os.environ.get("JAVA_HOME", ""), _DEBIAN, _home_of(shutil.which("javac"))):
        if home and _is_17(Path(home)):
            return Path(home)
    raise NoJava(
        "no JDK 17 is here: install one (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME"
    )


def flink_python() -> str:
    """The interpreter of the environment with Flink's wheel."""
    os.environ["JAVA_HOME"] = str(java_home())
    return python_with(*PACKAGES)


def run_java(program: str, rows: int, keys: int, variant: str, scratch: Path) -> float:
    """Rows per second of one run of one of our Java programs."""
    result = scratch / "flink.json"
    command = [
        str(java_home() / "bin" / "java"), "-Xmx4g", "-Dlog4j2.level=ERROR",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENS),
        "-cp", f"{_classes()}:{_jars()}", program,
        str(rows), str(keys), variant, str(result), f"file://{scratch}/checkpoints",
    ]  # fmt: skip
    _run(command)
    rate: float = json.loads(result.read_text())["rate"]
    return rate


def run_python(program: Path, rows: int, keys: int, mode: str, scratch: Path) -> float:
    """Rows per second of one run of a PyFlink program. Mode ``thread`` runs Python inside the JVM, by pemja's wheel."""
    python = flink_python()
    result = scratch / "pyflink.json"
    arguments = [str(rows), str(keys), mode, str(result), f"file://{scratch}/checkpoints"]
    # An interpreter inside the JVM does not know of the environment that it was found in.
    [packages] = Path(python).parent.parent.glob("lib/python3*/site-packages")
    _run([python, str(program), *arguments], {"PYTHONPATH": str(packages)})
    rate: float = json.loads(result.read_text())["rate"]
    return rate


def _run(command: list[str], more: Mapping[str, str] | None = None) -> None:
    environment = {**os.environ, "JAVA_HOME": str(java_home()), **(more or {})}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        raise SystemExit(f"{command[-6:]} failed:\n{(ended.stdout + ended.stderr)[-3000:]}")


def _jars() -> str:
    root = Path(flink_python()).parent.parent
    return ":".join(str(jar) for jar in sorted(root.glob("lib/python3*/site-packages/pyflink/lib/*.jar")))


def _classes() -> Path:
    """Our programs, compiled when one of them changed."""
    made = PEERS / "flink-classes"
    sources = sorted(SOURCES.glob("*.java"))
    stamp = made / "compiled"
    if not stamp.exists() or any(source.stat().st_mtime > stamp.stat().st_mtime for source in sources):
        services = made / "META-INF" / "services"
        services.mkdir(parents=True, exist_ok=True)
        (services / "org.apache.flink.table.factories.Factory").write_text("Bids\n")
        _run(
            [
                str(java_home() / "bin" / "javac"),
                "-nowarn",
                "-cp",
                _jars(),
                "-d",
                str(made),
                *map(str, sources),
            ]
        )
        stamp.touch()
    return made


def _home_of(javac: str | None) -> str:
    return "" if javac is None else str(Path(javac).resolve().parent.parent)


def _is_17(home: Path) -> bool:
    javac = home / "bin" / "javac"
    if not javac.exists():
        return False
    return subprocess.run(
        [str(javac), "-version"], capture_output=True, text=True, check=True
    ).stdout.startswith("javac 17.")
