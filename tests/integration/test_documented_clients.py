"""The clients of docs/clients.md, as they stand there, against a server that asks for a key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.photos import jpeg
from tests.servers import tools

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
SNIPPETS: dict[str, str] = dict(re.findall(r"^## ([^\n]+)\n\n```\w+\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
IMPORT = re.compile(r"^(?:import|using) .*\n", re.MULTILINE)
GO = "package main\n%s\nfunc main() {\n%s}\n"
JAVA = "%sclass Main {\n    public static void main(String[] words) throws Exception {\n%s    }\n}\n"
# What C# makes of statements outside a class; Mono's compiler does not know them.
CSHARP = """%s
class Program
{
    static async System.Threading.Tasks.Task Run()
    {
%s    }
    static void Main() { Run().GetAwaiter().GetResult(); }
}
"""
ASSEMBLIES = ("Private.CoreLib", "Private.Uri", "Runtime", "Net.Http", "Console", "IO.FileSystem")


@dataclass(frozen=True)
class Language:
    """How a snippet becomes a program.

    Attributes:
        file: The program's name.
        run: The words that run it, in its folder.
        around: What surrounds the snippet's imports and the rest; empty if the snippet is a program.
    """

    file: str
    run: Callable[[Path], list[str | Path]]
    around: str = ""

    def program(self, snippet: str) -> str:
        return self.around % ("".join(IMPORT.findall(snippet)), IMPORT.sub("", snippet)) if self.around else snippet


def run_java(folder: Path) -> list[str | Path]:
    return [tools.find("java"), "-XX:TieredStopAtLevel=1", "-cp", f"{tools.find('okhttp')}/*", "Main.java"]


def run_csharp(folder: Path) -> list[str | Path]:
    """Compile against the libraries of .NET, not those of Mono, and run it there."""
    dotnet = tools.find("dotnet")
    (libraries,) = dotnet.parent.glob("shared/Microsoft.NETCore.App/*")
    framework = {"name": "Microsoft.NETCore.App", "version": libraries.name}
    options = {"framework": framework, "configProperties": {"System.Globalization.Invariant": True}}
    (folder / "main.runtimeconfig.json").write_text(json.dumps({"runtimeOptions": options}))
    references = ",".join(f"System.{each}.dll" for each in ASSEMBLIES)
    words = ["-nostdlib", "-noconfig", "-out:main.dll", f"-lib:{libraries}", f"-r:{references}", "main.cs"]
    made = subprocess.run(
        [tools.find("mcs"), *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert made.returncode == 0, made.stderr
    return [dotnet, "main.dll"]


def run_curl(_: Path) -> list[str | Path]:
    tools.find("curl")
    return ["bash", "-e", "main.sh"]


PYTHON = Language("main.py", lambda _: [sys.executable, "main.py"])
LANGUAGES = {
    "curl": Language("main.sh", run_curl),
    "requests": PYTHON,
    "httpx": PYTHON,
    "Dandelion's own": PYTHON,
    "fetch": Language("main.mjs", lambda _: [tools.find("node"), "main.mjs"]),
    "Java": Language("Main.java", run_java, JAVA),
    "OkHttp": Language("Main.java", run_java, JAVA),
    ".NET": Language("main.cs", run_csharp, CSHARP),
    "Go": Language("main.go", lambda _: [tools.find("go"), "run", "main.go"], GO),
}


@pytest.fixture(scope="module")
def guarded(make_settings: Callable[..., Settings]) -> Iterator[tuple[Api, str]]:
    """A server that asks for a key, and one."""
    prepared = make_settings(access={"enabled": True})
    environment = {**os.environ, "DANDELION_HOME": str(prepared.home)}
    argv = [sys.executable, "-m", "dandelion", "keys", "create", "reader", "--scope", "predict"]
    made = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=True)
    with running_api(prepared) as running:
        yield running, made.stdout.strip()


def test_every_client_is_tested() -> None:
    assert SNIPPETS.keys() == LANGUAGES.keys()
    assert all(f"[{name}](#{re.sub(r'[^a-z ]', '', name.lower()).replace(' ', '-')})" in PAGE for name in SNIPPETS)


@pytest.mark.proof
@pytest.mark.parametrize("name", LANGUAGES)
def test_a_documented_client_gets_its_prediction(guarded: tuple[Api, str], tmp_path: Path, name: str) -> None:
    (api, key), language = guarded, LANGUAGES[name]
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    program = language.program(SNIPPETS[name]).replace("http://127.0.0.1:8000", api.url)
    assert program.count("dnd_...") == 1
    (tmp_path / language.file).write_text(program.replace("dnd_...", key))
    ran = subprocess.run(language.run(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    labels = re.findall(r'"label":"(?:dandelion|grass)"', ran.stdout) or ran.stdout.split()
    assert len(labels) == (6 if name == "curl" else 1), ran.stdout
    assert set(labels) <= {'"label":"dandelion"', '"label":"grass"', "dandelion", "grass"}
