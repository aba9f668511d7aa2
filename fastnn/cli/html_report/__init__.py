"""The page of `fastnn train --report`: one HTML file that describes a training and its model.

The page loads nothing and runs no scripts. Its style sheet is style.css, and its charts are SVG.
"""

from .page import Report, save

__all__ = ["Report", "save"]
