"""What anybody may learn of an installation's health."""

from ketbase.runtime.ops import look


def test_a_dependency_that_does_not_answer_is_named_without_what_it_said():
    def refuse():
        raise PermissionError("arn:aws:iam::123456789012:role/secret may not read")

    readiness = look({"records": refuse, "blobs": lambda: None})
    assert readiness.status == "not_ready"
    assert readiness.dependencies == {"records": "does not answer (PermissionError)", "blobs": "ok"}
