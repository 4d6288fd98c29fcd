"""Compares our messages of gRPC with those of Triton's and KServe's clients; a process for each.

python tests/integration/wire_calls.py FILE MODULE...    # prints where they differ; FILE is our descriptor, serialized
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool


def walk(messages: Iterable[Any]) -> Iterator[Any]:
    for message in messages:
        yield message
        yield from walk(message.nested_types)


def signature(field: Any) -> tuple[object, ...]:
    other = field.message_type or field.enum_type
    return field.name, field.number, field.type, field.is_repeated, other.full_name if other else ""


def main(file: Path, modules: list[str]) -> None:
    described = FileDescriptorProto.FromString(file.read_bytes())
    pool: Any = DescriptorPool()
    pool.Add(described)
    ours = pool.FindFileByName(described.name)
    files = [importlib.import_module(name).DESCRIPTOR for name in modules]
    theirs = {each.full_name: each for one in files for each in walk(one.message_types_by_name.values())}
    compared = 0
    for message in walk(ours.message_types_by_name.values()):
        if message.full_name in theirs:
            known = {signature(field) for field in theirs[message.full_name].fields}
            for field in message.fields:
                compared += 1
                if signature(field) not in known:
                    print(f"{message.full_name}: {signature(field)}")
    print(compared)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
