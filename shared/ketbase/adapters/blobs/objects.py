"""What the stores of objects that speak S3's language have in common."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from ketbase.adapters.blobs.keys import checked
from ketbase.ports.blobs import BlobInfo, BlobNotFoundError

_SHA256 = "sha256"
"""The object's metadata that holds the hash in hex."""


class ObjectBlobs(ABC):
    """Each blob is one object of a bucket. One put is whole or not at all, up to 5 GB."""

    def __init__(self, client: Any, bucket: str):
        """Use a client of S3's kind, boto3's or a fork's, and the bucket of this name."""
        self._client = client
        self._bucket = bucket

    def put(self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str] | None = None) -> None:
        """Keep `data` under `key`, in place of what lay there."""
        self._client.put_object(
            Bucket=self._bucket,
            Key=checked(key),
            Body=data,
            ContentType=content_type,
            Metadata={**(metadata or {}), _SHA256: hashlib.sha256(data).hexdigest()},
            **self._integrity(data),
        )

    def get(self, key: str) -> bytes:
        """Read a blob whole.

        Raises:
            BlobNotFoundError: there is none.
        """
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=checked(key))
        except self._client.exceptions.NoSuchKey:
            raise BlobNotFoundError(key) from None
        data: bytes = answer["Body"].read()
        return data

    def info(self, key: str) -> BlobInfo | None:
        """Describe a blob, or return `None` where there is none."""
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=checked(key))
        except self._client.exceptions.ClientError as error:
            # An answer to HEAD has no body, and so no code but the status.
            if error.response["Error"]["Code"] == "404":
                return None
            raise
        metadata = dict(answer["Metadata"])
        sha256 = metadata.pop(_SHA256, "")
        return BlobInfo(answer["ContentLength"], answer["ContentType"], sha256, metadata)

    def delete(self, key: str) -> None:
        """Take a blob away; a missing one is no error."""
        self._client.delete_object(Bucket=self._bucket, Key=checked(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Walk all keys that begin with `prefix`, in order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        for page in pages:
            for listed in page.get("Contents", []):
                yield listed["Key"]

    def link(self, key: str, seconds: int) -> str | None:
        """Make an address from which anyone can read the blob for a while."""
        address: str = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": checked(key)}, ExpiresIn=seconds
        )
        return address

    def upload_link(self, key: str, seconds: int) -> str | None:
        """Make an address to which anyone can `PUT` the blob for a while."""
        address: str = self._client.generate_presigned_url(
            "put_object", Params={"Bucket": self._bucket, "Key": checked(key)}, ExpiresIn=seconds
        )
        return address

    def check(self) -> None:
        """Ask for the bucket."""
        self._client.head_bucket(Bucket=self._bucket)

    @abstractmethod
    def _integrity(self, data: bytes) -> Mapping[str, str]:
        """The arguments of a put from which the store sees whether the data arrived unharmed."""
