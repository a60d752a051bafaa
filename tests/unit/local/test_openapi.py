"""The API's description is that of its routes."""

from ketbase.local.openapi import generate
from ketbase.runtime.docs import openapi_document


def test_the_committed_document_is_the_one_that_the_routes_make():
    assert openapi_document().decode() == generate(), "run `make openapi`"
