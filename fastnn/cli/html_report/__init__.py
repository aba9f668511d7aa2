"""The page of `fastnn train --report`: one HTML file that describes a training and its model.

The page loads nothing and runs no scripts. Its style sheet is style.css, and its charts are SVG.

- `page`: puts the sections together. `elements`: HTML. `charts`: SVG of matplotlib.
- `data`, `scores`, `classes`, `numbers`, `training`: the sections. `columns`: what columns hold.
"""

from .page import Report, save

__all__ = ["Report", "save"]
