"""Applications for the browser and for programs (extra `web`): what `fastnn serve`, `fastnn play` and
the report of `fastnn train` share.

- `application`: a table of routes as an application of Starlette. `requests`: who may ask, how much,
  and what is wrong with a request.
- `server`: uvicorn, with limits of its connections, until the program ends it.
- `templates`: pages of Jinja, and what they may load. `pages/` has what they share: a base, elements and a style sheet.
"""
