"""Serve a model over HTTP (extra `serve`): `fastnn serve`, and the same as an ASGI application.

    from fastnn.serving import create_app
    app = create_app(fastnn.load("rent.safetensors"))

- `app`: what each path answers.
- `request`: rows and options of a request. `service`: predictions of requests. `batches`: requests
  that wait are predicted together.
- `description`: what the model and its columns are, for programs and for people.
"""

from ..web.requests import Access
from .app import create_app

__all__ = ["Access", "create_app"]
