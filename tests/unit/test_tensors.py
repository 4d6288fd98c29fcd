"""The binary tensor extension and what a request may hold: read to the last byte, or refused with a reason."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dandelion.api.v2.inputs import read_inputs
from dandelion.api.v2.messages import decode_request
from dandelion.api.v2.tensors import OutputTensor, hand_out, pack_elements, split_body, unpack_elements
from dandelion.domain import InputSpec
from dandelion.errors import NotAnImageError, TensorError, UploadTooLargeError
from dandelion.imaging import PreparedPhoto, prepare

SPEC = InputSpec(2, 3)
FRAME = 2 * 3 * 3

MANY = settings(max_examples=400, deadline=None)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def mostly(*usual: Any) -> st.SearchStrategy[Any]:
    """One of the usual values, now and then anything."""
    return st.sampled_from(usual) | ANYTHING


SIZES = st.sampled_from([0, 1, FRAME, 2 * FRAME, 2**31, -1])
PARAMETERS = st.fixed_dictionaries({}, optional={"binary_data_size": SIZES | ANYTHING, "content_type": ANYTHING})
INPUTS = st.fixed_dictionaries(
    {
        "name": mostly("image", "pixels"),
        "shape": mostly([1], [2], [1, 1], [1, 2, 3, 3], [2, 2, 3, 3], [0], [-1], [2**31]),
        "datatype": mostly("BYTES", "UINT8", "FP32"),
    },
    optional={
        "parameters": PARAMETERS | ANYTHING,
        "data": mostly([""], ["AA=="], [["AA=="]], [0] * FRAME, [7] * FRAME),
    },
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, min_size=1, max_size=2) | ANYTHING},
    optional={"id": mostly("1"), "parameters": ANYTHING, "outputs": ANYTHING},
)


@given(elements=st.lists(st.binary(max_size=40), max_size=6))
def test_elements_are_unpacked_as_they_were_packed(elements: list[bytes]) -> None:
    assert unpack_elements(memoryview(pack_elements(elements)), len(elements)) == elements


@MANY
@given(
    count=st.integers(0, 9),
    data=st.binary(max_size=40) | st.lists(st.sampled_from([b"\0", b"\1", b"\xff"]), max_size=24).map(b"".join),
)
def test_any_bytes_are_elements_to_the_last_one_or_refused(count: int, data: bytes) -> None:
    try:
        found = unpack_elements(memoryview(data), count)
    except TensorError:
        return
    assert pack_elements(found) == data
    assert len(found) == count


@MANY
@given(cut=st.integers(min_value=0), elements=st.lists(st.binary(max_size=9), min_size=1, max_size=4))
def test_a_cut_tensor_is_refused(cut: int, elements: list[bytes]) -> None:
    whole = pack_elements(elements)
    with pytest.raises(TensorError):
        unpack_elements(memoryview(whole[: cut % len(whole)]), len(elements))


@MANY
@given(body=st.binary(max_size=30), length=st.integers(-3, 40).map(str) | st.text(max_size=6))
def test_a_body_is_split_where_its_header_says_or_not_at_all(body: bytes, length: str) -> None:
    try:
        front, rest = split_body(body, length)
    except TensorError:
        return
    assert bytes(front) + bytes(rest) == body
    assert len(front) == int(length)


@MANY
@given(sizes=st.lists(st.none() | st.integers(0, 9), max_size=4), rest=st.binary(max_size=20))
def test_each_byte_belongs_to_one_input(sizes: list[int | None], rest: bytes) -> None:
    inputs = [
        {
            "name": "a",
            "shape": [],
            "datatype": "x",
            **({} if size is None else {"parameters": {"binary_data_size": size}}),
        }
        for size in sizes
    ]
    tensors = decode_request(json.dumps({"inputs": inputs}).encode()).inputs
    if sum(size or 0 for size in sizes) != len(rest):
        with pytest.raises(TensorError):
            hand_out(tensors, memoryview(rest))
    else:
        found = hand_out(tensors, memoryview(rest))
        assert [None if each is None else len(each) for each in found] == sizes
        assert b"".join(each for each in found if each is not None) == rest


@MANY
@given(body=st.binary(max_size=200), length=st.none() | st.integers(0, 220).map(str) | st.text(max_size=4))
def test_any_body_is_read_or_refused(body: bytes, length: str | None) -> None:
    try:
        _, photos = read_inputs(body, length, SPEC, 4)
    except (TensorError, UploadTooLargeError):
        return
    assert photos


@MANY
@given(request=REQUESTS, rest=SIZES.filter(lambda size: size >= 0).map(lambda size: bytes(min(size, 99))))
def test_any_request_is_read_or_refused(request: dict[str, Any], rest: bytes) -> None:
    front = json.dumps(request).encode()
    try:
        found, photos = read_inputs(front + rest, str(len(front)) if rest else None, SPEC, 4)
    except (TensorError, UploadTooLargeError):
        return
    assert len(photos) == request["inputs"][0]["shape"][0]
    assert found.id == request.get("id")


def test_what_is_announced_takes_no_memory_before_it_is_there() -> None:
    bodies = [
        {"name": "pixels", "shape": [4, 2, 3, 3], "datatype": "UINT8", "parameters": {"binary_data_size": 2**31}},
        {"name": "pixels", "shape": [2**31 - 1, 2, 3, 3], "datatype": "UINT8", "data": []},
        {"name": "pixels", "shape": [4, 2, 3, 3], "datatype": "UINT8", "data": ["x" * 9000, *[7] * 9000]},
        {"name": "image", "shape": [2**31 - 1] * 8, "datatype": "BYTES", "data": []},
        {"name": "image", "shape": [10**4000], "datatype": "BYTES", "data": []},
    ]
    tracemalloc.start()
    try:
        for each in bodies:
            with pytest.raises((TensorError, UploadTooLargeError)):
                read_inputs(json.dumps({"inputs": [each]}).encode(), None, SPEC, 64)
        with pytest.raises(TensorError):
            unpack_elements(memoryview(b"\xff\xff\xff\xff"), 1)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


MiB = 2**20


@pytest.mark.parametrize("size", [3 * MiB, 8 * MiB])
@pytest.mark.parametrize(
    ("name", "shape", "element"),
    [
        ("image", [1], '""'),
        ("image", [1], "[]"),
        ("pixels", [1, 2, 3, 3], "0"),
        ("pixels", [1, 2, 3, 3], "[]"),
        ("pixels", [1, 2, 3, 3], "[[[1]]]"),
        ("pixels", [60_000, 2, 3, 3], "[[[1]]]"),
        ("pixels", [60_000, 2, 3, 3], "[]"),
    ],
)
def test_more_values_than_the_shape_tells_are_not_decoded(name: str, shape: list[int], element: str, size: int) -> None:
    head = {"name": name, "shape": shape, "datatype": "BYTES" if name == "image" else "UINT8"}
    elements = ",".join([element] * (size // (len(element) + 1)))
    body = json.dumps({"inputs": [head]}).replace("}]", f', "data": [{elements}]}}]').encode()
    tracemalloc.start()
    try:
        with pytest.raises((TensorError, UploadTooLargeError), match=r"has more elements|in binary|nested like"):
            read_inputs(body, None, SPEC, 60_000)
        assert tracemalloc.get_traced_memory()[1] < 16 * MiB  # of lists, it would be hundreds
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_json_of_many_inputs_or_outputs_is_not_decoded(part: str) -> None:
    many = [{"name": "a", "shape": [1], "datatype": "BYTES"}] * 5000
    body = json.dumps({"inputs": [], part: many}).encode()
    with pytest.raises(TensorError, match="objects"):
        read_inputs(body, None, SPEC, 64)


@pytest.mark.parametrize("indent", [None, 1])
def test_numbers_are_flat_or_nested_like_the_shape(indent: int | None) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 3), dtype=np.uint8)
    head = {"name": "pixels", "shape": batch.shape, "datatype": "UINT8"}
    for data in (batch.tolist(), batch.ravel().tolist()):
        _, photos = read_inputs(json.dumps({"inputs": [{**head, "data": data}]}, indent=indent).encode(), None, SPEC, 2)
        assert np.array_equal([prepare(photo, SPEC) for photo in photos], batch)
    for data in (batch.reshape(2, 3, 2, 3).tolist(), batch[0].tolist(), [batch.ravel().tolist()]):
        with pytest.raises(TensorError, match="nested like"):
            read_inputs(json.dumps({"inputs": [{**head, "data": data}]}).encode(), None, SPEC, 2)


def test_large_photos_in_base64_are_read() -> None:
    photos = [bytes(3 * MiB), b"x"]
    texts = [f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}" for photo in photos]
    tensor = {"name": "image", "shape": [2], "datatype": "BYTES", "data": texts}
    assert read_inputs(json.dumps({"inputs": [tensor]}).encode(), None, SPEC, 2)[1] == photos


def test_only_the_photos_of_a_request_stay_in_memory() -> None:
    size = 4 * MiB
    image: dict[str, Any] = {"name": "image", "shape": [1], "datatype": "BYTES"}
    binary = json.dumps({"inputs": [{**image, "parameters": {"binary_data_size": size + 4}}]}).encode()
    spec = InputSpec(1024, size // 3072)
    shape = [1, spec.height, spec.width, 3]
    frame = spec.height * spec.width * 3
    pixels = json.dumps(
        {"inputs": [{"name": "pixels", "shape": shape, "datatype": "UINT8", "parameters": {"binary_data_size": frame}}]}
    ).encode()
    ways: list[tuple[Callable[[], bytes], str | None]] = [
        (lambda: bytes(bytearray(size)), "0"),
        (lambda: binary + size.to_bytes(4, "little") + bytes(size), str(len(binary))),
        (lambda: pixels + bytes(frame), str(len(pixels))),
        (lambda: json.dumps({"inputs": [{**image, "data": ["A" * (size // 3 * 4)]}]}).encode(), None),
    ]
    for create_body, length in ways:
        tracemalloc.start()
        try:
            kept = read_inputs(create_body(), length, spec, 1)
            assert tracemalloc.get_traced_memory()[0] < 1.1 * size
            assert len(kept[1][0]) > 0.99 * size
        finally:
            tracemalloc.stop()


def test_values_are_packed_little_endian_row_by_row() -> None:
    assert OutputTensor("a", "FP32", [2, 1], [1.0, -2.0]).to_bytes() == b"\0\0\x80\x3f\0\0\0\xc0"
    assert OutputTensor("a", "BOOL", [2], [True, False]).to_bytes() == b"\1\0"
    assert OutputTensor("a", "BYTES", [1], ["ä"]).to_bytes() == b"\2\0\0\0\xc3\xa4"


def test_a_prepared_photo_is_the_models_input() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 3), dtype=np.uint8)
    photo = PreparedPhoto.copy(pixels)
    assert np.array_equal(prepare(photo, SPEC), pixels)
    with pytest.raises(TensorError, match="2 x 2"):
        prepare(photo, InputSpec(2, 2))
    with pytest.raises(NotAnImageError):
        prepare(b"no photo", SPEC)
