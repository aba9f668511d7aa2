"""Applications for the browser and for programs (extra `web`): what `fastnn serve`, `fastnn play` and
the report of `fastnn train` share.

- `application`: a table of routes as an application of Starlette. `bodies`: the bodies of requests.
- `access`: who may ask, and what a page may load. `errors`: what is wrong with a request.
- `server`: uvicorn, with limits of its connections, until the program ends it.
- `templates`: pages of Jinja. `pages/` has what they share: a base, elements and a style sheet.
"""
