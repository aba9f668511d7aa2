"""The replay of a training on a page of the site, drawn by the module that `fastnn play` draws with.

A comment before a picture makes it one:

    <!-- replay -->

    ![What it shows](images/replay.png)

When the site is built, a network is trained and its frames are recorded, which takes half a second.
They and the scripts stand in the page itself, because a browser loads no module and no data for a
page that is opened as a file. The picture shows where scripts do not run, and on GitHub.
"""

import json
import re
from importlib import resources
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

from fastnn.playground.picture import Picture
from fastnn.playground.playback import DataSource, Playback
from fastnn.playground.settings import Settings

COMMENT = re.compile(r"^<!-- replay -->$", re.M)
SETTINGS = Settings(
    data="spirals", n=300, noise=0.03, hidden=(8, 6), activations=("tanh", "tanh"), lr=0.03
)
FRAMES, EPOCHS = 75, 4  # frames after the first one, and epochs between two
SURFACE, UNIT_SURFACE = 40, 14  # points along a side: 6 kB for each frame
DRAWN = "step epoch loss test_loss score test_score surface units weights".split()
HTML = """\
<div class="replay" hidden>
<div class="replay-controls">
<button type="button">Pause</button>
<input type="range" min="0" value="0" aria-label="Epoch">
<output></output>
</div>
<div class="replay-pictures">
<canvas role="img" aria-label="The network: units and weights"></canvas>
<canvas role="img" aria-label="What the network predicts"></canvas>
<canvas role="img" aria-label="Loss after each epoch"></canvas>
</div>
<p>Full line: the loss of the training points, the circles. Dashed: of the held-out points, the squares.</p>
<script type="application/json">{recording}</script>
<script type="module">
{module}
</script>
</div>
"""


def record():
    """Train, and return what the page draws: a JSON object."""
    data = DataSource(SETTINGS).make()
    playback, picture = Playback(SETTINGS, data), Picture(data, SURFACE, UNIT_SURFACE)
    frames = []
    for i in range(FRAMES + 1):
        while playback.epoch < i * EPOCHS:
            playback.advance_epoch()
        frame = picture.frame(playback)
        frames.append({name: frame[name] for name in DRAWN})
    return {
        "points": picture.points(),
        "sizes": list(playback.net.layer_sizes),
        "frames": frames,
        "train": [round(loss, 5) for loss in playback.loss],
        "test": [round(loss, 5) for loss in playback.test_loss],
    }


def html():
    """Return the replay as a part of a page."""
    pages = resources.files("fastnn.playground").joinpath("pages")
    drawing = pages.joinpath("drawing.js").read_text(encoding="utf-8")
    replay = Path(__file__).with_name("replay.js").read_text(encoding="utf-8")
    recording = json.dumps(record(), allow_nan=False, separators=(",", ":"))
    return HTML.format(recording=recording.replace("<", "\\u003c"), module=drawing + replay)


class Replay(Directive):
    """The replay, in HTML alone."""

    def run(self):
        return [nodes.raw("", html(), format="html")]


def setup(app):
    def read_page(app, name, content):
        content[0] = COMMENT.sub("```{replay}\n```", content[0])

    app.add_directive("replay", Replay)
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}
