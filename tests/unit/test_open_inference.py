"""The messages of gRPC are those that the protocol's text generates.

python -m grpc_tools.protoc -Isrc --python_out=src --pyi_out=src src/dandelion/api/grpc/open_inference.proto
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dandelion.api.grpc.fields import SMALL_BYTES, check_fields
from dandelion.errors import TensorError

SOURCE = Path(__file__).resolve().parents[2] / "src"
PROTO = "dandelion/api/grpc/open_inference.proto"


def test_the_modules_are_those_that_the_text_generates(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{SOURCE}",
        f"--python_out={tmp_path}",
        f"--pyi_out={tmp_path}",
    ]
    subprocess.run([*argv, f"{SOURCE}/{PROTO}"], check=True)
    made = [each for each in tmp_path.rglob("*_pb2.py*") if each.is_file()]
    assert len(made) == 2
    for each in made:
        assert (SOURCE / each.relative_to(tmp_path)).read_text() == each.read_text(), __doc__


def test_a_small_message_is_left_to_the_parser() -> None:
    check_fields(b"\xff" * (SMALL_BYTES - 1), 1)
    with pytest.raises(TensorError):
        check_fields(b"\xff" * SMALL_BYTES, 1)


@pytest.mark.parametrize(
    "field",
    [b"\x08\x96\x01", b"\x09" + bytes(8), b"\x0d" + bytes(4), b"\x0a\x03abc"],
    ids=["varint", "fixed64", "fixed32", "length"],
)
def test_fields_of_every_kind_are_walked_over(field: bytes) -> None:
    photo = (
        b"\x3a" + bytes([SMALL_BYTES & 127 | 128, SMALL_BYTES >> 7 & 127 | 128, SMALL_BYTES >> 14]) + bytes(SMALL_BYTES)
    )
    check_fields(field + photo + field, 1)
    for wrong in (field[:-1], field + b"\x0b"):
        with pytest.raises(TensorError, match="cannot be read"):
            check_fields(photo + wrong, 1)
