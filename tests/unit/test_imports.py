"""What a serving process loads."""

from __future__ import annotations

import subprocess
import sys


def test_the_serving_path_loads_neither_torch_nor_the_page_nor_the_flows_nor_grpc() -> None:
    code = (
        "import sys, dandelion.api.server, dandelion.cli\n"
        "heavy = 'torch torchvision timm gradio prefect nncf matplotlib sklearn mlflow grpc google.protobuf'.split()\n"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
