"""An object store on an S3 server: MinIO, or another with the same protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, BinaryIO, cast

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error
from minio.helpers import md5sum_hash
from minio.sseconfig import Rule as EncryptionRule
from minio.sseconfig import SSEConfig
from minio.versioningconfig import VersioningConfig
from typing_extensions import override

from dandelion.errors import ObjectAccessError, ObjectNotFoundError, ObjectStoreError
from dandelion.objects.connections import RETRIES, Pool
from dandelion.objects.identity import create_credentials
from dandelion.objects.lifecycle import Lifecycle
from dandelion.objects.responses import ObjectVersion, list_versions, read_document
from dandelion.objects.store import (
    BINARY,
    BUCKETS,
    CHUNK_BYTES,
    EXPIRING,
    ObjectStore,
    Stored,
    check_foreign_key,
    check_key,
)
from dandelion.settings import S3Settings

_SUM = "x-amz-meta-sha256"
_ENCRYPTION = SSEConfig(EncryptionRule.new_sse_s3_rule())
_ABSENT = {"NoSuchKey", "NoSuchObject", "NoSuchVersion", "ResourceNotFound"}
_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class _Names(dict[str, str]):
    """Our buckets to their names on the server; other buckets, which batches read from, keep their names."""

    def __missing__(self, bucket: str) -> str:
        return bucket


class S3Store(ObjectStore):
    """The server checks uploads against their digest; downloads are checked against the digest stored with the object.

    Args:
        options: Address of the server, and our keys.
        retention: Days for which a bucket's objects are retained.
        create: Whether to create missing buckets.
    """

    def __init__(self, options: S3Settings, retention: Mapping[str, int], *, create: bool) -> None:
        url = urllib3.util.parse_url(str(options.url))
        self._where = str(options.url)
        self._retention = retention
        self._create = create
        self._part_bytes = options.part_bytes
        self._names = _Names({bucket: f"{options.bucket_prefix}{bucket}" for bucket in BUCKETS})
        self._client = Minio(
            endpoint=str(url.netloc),
            credentials=create_credentials(options),
            secure=url.scheme == "https",
            region=options.region,
            http_client=Pool(options, RETRIES),
        )

    @override
    def prepare(self) -> Mapping[str, str]:
        if not self._create:
            return {}
        missing: dict[str, str] = {}
        for bucket in BUCKETS:
            self._create_bucket(bucket)
            name = self._names[bucket]
            switches: dict[str, Callable[[], None]] = {
                "versions": partial(self._client.set_bucket_versioning, name, VersioningConfig(ENABLED)),
                "encryption": partial(self._client.set_bucket_encryption, name, _ENCRYPTION),
                "retention": partial(self._set_retention, bucket),
            }
            for feature, switch_on in switches.items():
                with self._translating(f"prepare {name}"):
                    try:
                        switch_on()
                    except (S3Error, InvalidResponseError) as error:  # not offered, or not allowed with our keys
                        missing[f"{feature} of {name}"] = getattr(error, "message", None) or str(error)
        return missing

    @override
    def stat(self, bucket: str, key: str) -> Stored:
        check_key(key)
        with self._translating(f"inspect {bucket}/{key}"):
            found = self._client.stat_object(self._names[bucket], key)
        return _stored(key, found.metadata or {})

    @override
    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[Stored]:
        with self._translating(f"list {bucket}"):
            for found in self._client.list_objects(self._names[bucket], prefix=prefix, recursive=True):
                yield Stored(str(found.object_name), found.size or 0, cast("datetime", found.last_modified))

    @override
    def list_keys(self, bucket: str, prefix: str = "") -> set[str]:
        with self._translating(f"list {bucket}"):
            return {found.key for found in self._versions(bucket, prefix) if not found.is_deletion}

    @override
    def delete(self, bucket: str, key: str) -> bool:
        check_key(key)
        with self._translating(f"delete {bucket}/{key}"):
            versions = [found for found in self._versions(bucket, key) if found.key == key]
            gone = [DeleteObject(key, found.id) for found in versions] or [DeleteObject(key)]
            if errors := list(self._client.remove_objects(self._names[bucket], gone)):
                raise ObjectStoreError(
                    f"Could not delete {bucket}/{key}: {errors[0].message}.",
                    "Check that the account may delete objects and their versions.",
                )
        return not all(found.is_deletion for found in versions)

    @override
    def expire(self, bucket: str, before: datetime) -> int:
        if self._expires_by_itself(bucket):
            return 0
        old = [found.key for found in self.list_objects(bucket, EXPIRING.get(bucket, "")) if found.modified_at < before]
        for key in old:
            self.delete(bucket, key)
        return len(old)

    @override
    def put_new(self, bucket: str, key: str, data: bytes, *, content_type: str = BINARY) -> bool:
        check_key(key)
        headers: dict[str, str | list[str] | tuple[str]] = {"If-None-Match": "*", "Content-Type": content_type}
        headers[_SUM] = hashlib.sha256(data).hexdigest()
        with self._translating(f"write {bucket}/{key}"):
            try:
                self._client._execute("PUT", self._names[bucket], key, body=data, headers=headers)
            except S3Error as error:
                if error.code == "NotImplemented":
                    return super().put_new(bucket, key, data, content_type=content_type)
                if error.code != "PreconditionFailed":
                    raise
                return False
        return True

    @override
    def _write(self, bucket: str, key: str, stream: BinaryIO, facts: Stored) -> None:
        with self._translating(f"write {bucket}/{key}"):
            self._client.put_object(
                self._names[bucket],
                key,
                stream,
                facts.size_bytes,
                content_type=facts.content_type,
                metadata={_SUM: facts.sha256 or ""},
                part_size=self._part_bytes,
            )

    @override
    def _read(self, bucket: str, key: str) -> tuple[Stored, Iterator[bytes]]:
        check_foreign_key(key)
        with self._translating(f"read {bucket}/{key}"):
            response = self._client.get_object(self._names[bucket], key)

        def chunks() -> Iterator[bytes]:
            try:
                with self._translating(f"read {bucket}/{key}"):
                    yield from response.stream(CHUNK_BYTES)
            finally:
                response.close()
                response.release_conn()

        return _stored(key, response.headers), chunks()

    def _versions(self, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
        """Every version, including deletion markers; on a server without versions, every object."""
        try:
            yield from list_versions(self._client, self._names[bucket], prefix)
        except S3Error as error:
            if error.code not in {"NotImplemented", "InvalidRequest", "InvalidArgument"}:
                raise
            yield from (ObjectVersion(found.key) for found in self.list_objects(bucket, prefix))

    def _create_bucket(self, bucket: str) -> None:
        name = self._names[bucket]
        with self._translating(f"create the bucket {name}"):
            if self._client.bucket_exists(name):
                return
            try:
                self._client.make_bucket(name)
            except S3Error as error:
                if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:  # another process was quicker
                    raise

    def _set_retention(self, bucket: str) -> None:
        lifecycle = self._lifecycle(bucket)
        if lifecycle.retain(EXPIRING.get(bucket, ""), self._retention.get(bucket)):
            body = lifecycle.write()
            headers: dict[str, str | list[str] | tuple[str]] = {"Content-MD5": md5sum_hash(body) or ""}
            self._client._execute(
                "PUT", self._names[bucket], body=body, headers=headers, query_params={"lifecycle": ""}
            )

    def _lifecycle(self, bucket: str) -> Lifecycle:
        """The raw document; minio-py's own methods return only a parsed form."""
        try:
            response = self._client._execute("GET", self._names[bucket], query_params={"lifecycle": ""})
        except S3Error as error:
            if error.code != "NoSuchLifecycleConfiguration":
                raise
            return Lifecycle()
        return Lifecycle(read_document(response))

    def _expires_by_itself(self, bucket: str) -> bool:
        with self._translating(f"read the lifecycle rules of {bucket}"):
            try:
                return self._lifecycle(bucket).ours is not None
            except (S3Error, InvalidResponseError):
                return False

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(error, S3Error) and error.code in _ABSENT:
                raise ObjectNotFoundError(f"Could not {what}: there is no such object.") from error
            why = f"{error.code}: {error.message}" if isinstance(error, S3Error) else type(error).__name__
            denied = isinstance(error, S3Error) and error.code in _DENIED
            raise (ObjectAccessError if denied else ObjectStoreError)(
                f"Could not {what} at {self._where} ({why}).",
                "Check that the server runs, and check the DANDELION_OBJECTS__* settings.",
            ) from error


def _stored(key: str, headers: Mapping[str, Any]) -> Stored:
    said = {name.lower(): value for name, value in headers.items()}  # of a header that a proxy repeats, the last counts
    return Stored(
        key=key,
        size_bytes=int(said.get("content-length", 0)),
        modified_at=parsedate_to_datetime(said["last-modified"]),
        sha256=said.get(_SUM) or None,
        content_type=str(said.get("content-type", "")),
    )
