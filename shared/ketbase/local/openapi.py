"""Writes the OpenAPI document of all routes: `python -m ketbase.local.openapi`."""

import json
from pathlib import Path

from ketbase.local.server import web_application
from ketbase.local.template import home, read_template
from ketbase.runtime import docs


def generate() -> str:
    """Make the document from the routes of template.yaml."""
    return json.dumps(web_application(read_template(home())).openapi(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(docs.__file__).with_name("openapi.json").write_text(generate())
