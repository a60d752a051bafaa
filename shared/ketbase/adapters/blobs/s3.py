"""The blobs port over an S3 bucket."""

import base64
import hashlib
from collections.abc import Mapping

from ketbase.adapters.blobs.objects import ObjectBlobs


class S3Blobs(ObjectBlobs):
    """Objects of S3, which checks their SHA-256 on arrival and keeps it as the object's checksum.

    The client needs `signature_version="s3v4"`: S3 takes no older one in the links to objects that KMS encrypts,
    and boto3 still makes older ones in some regions.
    """

    def _integrity(self, data: bytes) -> Mapping[str, str]:
        return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
