"""The API's description, and a page that shows it without fetching anything from elsewhere."""

import base64
import functools
import hashlib
import re
from importlib.resources import files


@functools.cache
def openapi_document() -> bytes:
    """The OpenAPI document of all routes; `make openapi` writes it, a test holds it to the routes."""
    return files("ketbase.runtime").joinpath("openapi.json").read_bytes()


@functools.cache
def documentation_page() -> str:
    """One HTML page with Swagger UI inside."""
    assets = files("fastapi_offline").joinpath("static")
    style = assets.joinpath("swagger-ui.css").read_text()
    script = assets.joinpath("swagger-ui-bundle.js").read_text().replace("</script", "<\\/script")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ketbase API</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{script}</script>
<script>
SwaggerUIBundle({{
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: true,
  tryItOutEnabled: true, defaultModelsExpandDepth: 0
}});
</script>
</body>
</html>
"""


@functools.cache
def documentation_policy() -> str:
    """What a browser may do on that page: run its own scripts, by their hashes, and call this API."""
    scripts = re.findall(r"<script>(.*?)</script>", documentation_page(), re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
