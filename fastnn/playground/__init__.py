"""The playground: watch a small network learn in a browser or a notebook.

- `data_sets`: points of a plane, digits, points drawn by hand. `table_points`: rows of a table.
- `settings`: what decides the bits of a training. `playback`: a training that goes forward and back.
- `as_code`: it as Python code and as a command. `picture`: what is drawn of it.
- `explorer`: a trained model of a table, looked at.
- `live`: what an open page shows. `tab`: the training of one network. `many_networks`: of a hundred.
- `server`: the local server. `lessons`: its lessons and help.
- `notebook_widget`: `play`, the widget for notebooks.

`pages/` has the pages. `drawing.js` in it is also the drawing of the widget, which `widget.js` uses.
"""

from .data_sets import PlayData, from_arrays, from_points, make_data
from .table_points import from_table

__all__ = ["PlayData", "from_arrays", "from_points", "from_table", "make_data"]
