"""The playground: watch a small network learn in a browser or a notebook.

- `data_sets`: points of a plane, digits, points drawn by hand, rows of a table.
- `settings`: what decides the bits of a training; lessons and help.
- `playback`: a training that goes forward and back; it as Python code and as a command.
- `picture`: what is drawn of it.
- `trainings`: what open pages show: the training of one network, or of a hundred.
- `explorer`: a trained model of a table, looked at.
- `server`: the local server.
- `notebook_widget`: `play`, the widget for notebooks.

`pages/` has the pages. `drawing.js` in it is also the drawing of the widget, which `widget.js` uses.
"""

from .data_sets import PlayData, from_arrays, from_points, from_table, make_data

__all__ = ["PlayData", "from_arrays", "from_points", "from_table", "make_data"]
