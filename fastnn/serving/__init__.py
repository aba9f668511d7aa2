"""Serve a model over HTTP (extra `serve`): `fastnn serve`, and the same as an ASGI application.

    from fastnn.serving import create_app
    app = create_app(fastnn.load("rent.safetensors"))

- `app`: what each path answers.
- `request_body`: rows and options of a request.
- `table_service`, `network_service`: predictions of requests. `batches`: requests that wait are
  predicted together.
- `served_model`: what the model and its columns are. `openapi`: the same for clients. `page`: for
  people.
"""

from ..web.access import Access
from .app import create_app

__all__ = ["Access", "create_app"]
