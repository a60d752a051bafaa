"""Headers of mails."""


def one_line(subject: str) -> str:
    """Join the lines of a subject, for a line break would begin another header."""
    return " ".join(subject.split())
