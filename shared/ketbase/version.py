"""The version of Ketbase."""

VERSION = "0.1.0"
