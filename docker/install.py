"""Installs what extras of pyproject.toml need into an image, in tested versions and without our own source.

python3 install.py [--index URL] [EXTRA...]         # the core and these extras
python3 install.py --only PACKAGE...                # these packages alone

So a changed source leaves the layers of dependencies as they are. pip itself does not stay in the image.
"""

from __future__ import annotations

import argparse
import compileall
import re
import shutil
import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path

HOME = Path("/opt/dandelion")
SOURCE = Path("/app")
# What a CPU does not run, and formats that nobody reads here: models come from torch or are OpenVINO's own.
SPARED = (
    "openvino/libs/libopenvino_intel_gpu_plugin.so",
    "openvino/libs/libopenvino_intel_npu_plugin.so",
    "openvino/libs/cache.json",  # the GPU's
    *(f"openvino/libs/libopenvino_{each}_frontend.so*" for each in ("gguf", "jax", "onnx", "paddle", "tensorflow*")),
    *(f"openvino/frontend/{each}" for each in ("jax", "onnx", "paddle", "tensorflow")),
    "openvino/tools/benchmark",
    "openvino/include",
    "openvino/cmake",
    "swagger_ui/static/swagger-editor*",
    "swagger_ui/static/swagger-ui-es-*",
    "swagger_ui/static/*.map",
    "faker/providers/*/[a-z][a-z]_[A-Z][A-Z]",  # made-up names in every language
    # MinIO's client uses the ciphers alone.
    *(f"Crypto/{each}" for each in ("Math", "Protocol", "PublicKey", "SelfTest", "Signature")),
    "pygments/lexers/*",  # tracebacks hold Python and plain text
    "databricks/sdk/service",  # MLflow's way to Databricks; ours leads to an MLflow server
    "numpy/_core/include",
    "numpy/distutils",
    *(f"{each}/testing" for each in ("alembic", "litestar", "sqlalchemy")),
    "**/tests",
    "**/*.pyi",
)
KEPT = (
    "faker/providers/*/en_US",
    *(f"pygments/lexers/{each}.py" for each in ("__init__", "_mapping", "data", "python", "shell", "special")),
)
# Serving never or hardly ever imports these; compiled, they would take as much room again.
UNCOMPILED = re.compile(
    r"/(databricks|faker|git|gitdb|polyfactory|pyasn1|pyasn1_modules|google/(auth|oauth2)|numpy/(f2py|polynomial)"
    r"|openvino/(frontend/pytorch|tools)|opentelemetry/semconv|pydantic/v1|pygments/lexers"
    r"|mlflow/(assistant|claude_code|cli|demo|deployments|dspy|gateway|langchain|llama_index|metrics|openai|pydantic_ai"
    r"|pyfunc|pyspark|pytorch|sagemaker|server|sklearn|spark|store/(db_migrations|tracking/(dbmodels|utils))|tensorflow"
    r"|transformers))/"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--index", default="", help="where torch comes from, PyPI if empty")
    parser.add_argument("--only", action="store_true", help="names are packages")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    if not HOME.exists():
        venv.create(HOME, symlinks=True)
        (site_packages() / "dandelion-source.pth").write_text(f"{SOURCE}\n")
    if asked.index:
        # Its wheels differ from PyPI's in what follows the version, so they count as the same and stay.
        pip(["--index-url", asked.index, "torch", "torchvision"])
    pip(asked.names if asked.only else requirements(asked.names))
    trim()
    compileall.compile_dir(site_packages(), quiet=2, rx=None if asked.only else UNCOMPILED, workers=0)


def trim() -> None:
    """Remove what no image of ours uses, and the symbols that only debuggers read."""
    kept = {path for pattern in KEPT for path in site_packages().glob(pattern)}
    for pattern in SPARED:
        for path in {*site_packages().glob(pattern)} - kept:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    # Libraries that wheels carry have been rewritten by their packager, which strip does not always survive.
    modules = [path for path in site_packages().rglob("*.so") if not path.parent.name.endswith((".libs", "libs"))]
    if strip := shutil.which("strip"):
        subprocess.run([strip, "--strip-unneeded", *modules], check=True)


def requirements(extras: list[str]) -> list[str]:
    """What the core and these extras name."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    named: list[str] = [*project["dependencies"]]
    for extra in extras:
        named += project["optional-dependencies"][extra]
    return named


def pip(arguments: list[str]) -> None:
    """Install into the image with a pip that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        target = ["--python", str(HOME / "bin" / "python")]
        options = ["--no-cache-dir", "--no-compile", "--no-input", "--quiet", "--constraint", "constraints.txt"]
        subprocess.run([f"{folder}/bin/pip", *target, "install", *options, *arguments], check=True)


def site_packages() -> Path:
    return next((HOME / "lib").glob("python3.*")) / "site-packages"


if __name__ == "__main__":
    main()
