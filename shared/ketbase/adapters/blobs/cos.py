"""The blobs port over a bucket of IBM Cloud Object Storage."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from ketbase.adapters.blobs.keys import checked
from ketbase.adapters.blobs.objects import ObjectBlobs

_REGION = "us-standard"
"""A signature names a region; COS, whose endpoint says it already, takes any word
(https://cloud.ibm.com/docs/cloud-object-storage?topic=cloud-object-storage-hmac-signature)."""


class CosBlobs(ObjectBlobs):
    """Objects of COS, which checks their MD5 on arrival."""

    def __init__(self, client: Any, bucket: str, *, links: bool):
        """Use a client from this module.

        Args:
            client: of `hmac_client` or `oauth_client`.
            bucket: its name.
            links: whether the client can sign links; only one with HMAC keys can.
        """
        super().__init__(client, bucket)
        self._links = links

    def link(self, key: str, seconds: int) -> str | None:
        """Make an address from which anyone can read the blob for a while; `None` without HMAC keys."""
        if self._links:
            return super().link(key, seconds)
        checked(key)
        return None

    def upload_link(self, key: str, seconds: int) -> str | None:
        """Make an address to which anyone can `PUT` the blob for a while; `None` without HMAC keys."""
        if self._links:
            return super().upload_link(key, seconds)
        checked(key)
        return None

    def _integrity(self, data: bytes) -> Mapping[str, str]:
        return {"ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}


def hmac_client(endpoint_url: str, access_key_id: str, secret_access_key: str) -> Any:
    """Make a client that signs each request with a pair of HMAC keys."""
    import ibm_boto3
    from ibm_botocore.client import Config

    return ibm_boto3.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=_REGION,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(signature_version="s3v4"),
    )


def oauth_client(endpoint_url: str, api_key: str, instance_id: str, token_url: str) -> Any:
    """Make a client that buys a token with an API key, shows it with each request, and renews it in time.

    Args:
        endpoint_url: of COS in the bucket's region.
        api_key: of IBM Cloud.
        instance_id: the resource instance that the bucket belongs to.
        token_url: of IBM Cloud's identity service.
    """
    import ibm_boto3
    from ibm_botocore.client import Config

    return ibm_boto3.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=_REGION,
        ibm_api_key_id=api_key,
        ibm_service_instance_id=instance_id,
        ibm_auth_endpoint=token_url,
        config=Config(signature_version="oauth"),
    )
