"""Points with texts to one HTML file that needs nothing but a browser. The drawing is Plotly's."""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MARK", "Points", "drawn"]

MARK = "<!-- made by ellmental map -->"
"""Begins every file of ours: no other file is overwritten."""

_SHOWN = 400
_WIDTH = 70
_MOST_COLOURS = 20
_OTHERS = "(others)"
_GREY = "#999999"
_SEARCHED = 1000
"""Characters of a text that the page holds, for its search box."""

_BUTTONS = ["pan2d", "zoom2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]
"""All that works without a network."""

_SVG_UP_TO = 3000
"""Points that are drawn as SVG, which every browser can; more go to WebGL."""

_SEARCH = """
const plot = document.getElementById('{plot_id}');
const box = document.createElement('div');
box.style.cssText = 'position:fixed;top:8px;left:12px;font:14px sans-serif;z-index:10';
box.innerHTML = '<input id="search" type="search" placeholder="search in texts" size="30"> '
  + '<output id="found" for="search"></output>';
document.body.appendChild(box);
const input = document.getElementById('search'), found = document.getElementById('found');
const all = plot.data.reduce((sum, trace) => sum + trace.customdata.length, 0);
function search() {
  const wanted = input.value.trim().toLowerCase();
  let count = 0;
  const selected = plot.data.map((trace) => {
    if (!wanted) return null;
    const points = [];
    trace.customdata.forEach((text, index) => {
      if (text.toLowerCase().includes(wanted)) points.push(index);
    });
    count += points.length;
    return points;
  });
  found.textContent = wanted ? count + ' of ' + all + ' rows' : all + ' rows';
  return Plotly.restyle(plot, {selectedpoints: selected});
}
input.addEventListener('input', search);
input.value = decodeURIComponent(location.hash.slice(1));
search();
"""


@dataclass(frozen=True, slots=True)
class Points:
    """What is drawn.

    Attributes:
        places: shape (points, 2).
        texts: per point.
        labels: per point, where it is from.
        colour: name of the column that colours, or None.
        values: per point, that column's value; empty where there is none.
    """

    places: NDArray[np.float32]
    texts: Sequence[str]
    labels: Sequence[str]
    colour: str | None
    values: Sequence[object]


def drawn(points: Points, title: str) -> str:
    """A whole HTML page, its script and data within.

    Raises:
        ConfigurationError: Plotly is not installed.
    """
    try:
        from plotly import colors, graph_objects
    except ImportError:
        raise ConfigurationError(
            "`ellmental map` draws with Plotly. Install it with: "
            "pip install 'ellmental-embeddings-jobs[map]'"
        ) from None
    kind = graph_objects.Scatter if len(points.texts) <= _SVG_UP_TO else graph_objects.Scattergl
    figure = graph_objects.Figure([kind(**trace) for trace in _traces(points)])
    figure.update_layout(
        title={"text": _plain(title), "x": 0.5},
        template="plotly_white",
        colorway=[*colors.qualitative.Light24[:_MOST_COLOURS], _GREY],
        margin={"l": 10, "r": 10, "t": 60, "b": 10},
        hoverlabel={"align": "left"},
        legend={"title": {"text": _plain(points.colour or "")}},
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
        dragmode="pan",
    )
    page = figure.to_html(
        include_plotlyjs=True,
        full_html=True,
        post_script=_SEARCH,
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtons": [_BUTTONS]},
        default_height="97vh",
    )
    head = f"{MARK}\n<!DOCTYPE html>\n<title>{html.escape(title)}</title>\n"
    return head + str(page)


def _traces(points: Points) -> list[dict[str, Any]]:
    """One trace a colour of names, or one for all with a scale of numbers."""
    if points.colour is None:
        return [_trace(points, range(len(points.texts)), {"size": 6, "opacity": 0.7})]
    if all(_is_number(value) for value in points.values):
        marker = {
            "size": 6,
            "opacity": 0.7,
            "color": list(points.values),
            "colorscale": "Viridis",
            "colorbar": {"title": {"text": _plain(points.colour)}},
        }
        return [_trace(points, range(len(points.texts)), marker)]
    names = [str(value) for value in points.values]
    common = [name for name, _ in Counter(names).most_common(_MOST_COLOURS)]
    groups: dict[str, list[int]] = {name: [] for name in sorted(common)}
    for index, name in enumerate(names):
        groups.setdefault(name if name in groups else _OTHERS, []).append(index)
    return [
        {
            **_trace(points, indices, {"size": 6, "opacity": 0.7}),
            "name": _plain(name[:_WIDTH]),
            "showlegend": True,
        }
        for name, indices in groups.items()
    ]


def _trace(points: Points, indices: Sequence[int], marker: dict[str, Any]) -> dict[str, Any]:
    chosen = list(indices)
    return {
        "mode": "markers",
        "x": points.places[chosen, 0],
        "y": points.places[chosen, 1],
        "marker": marker,
        "customdata": [points.texts[index][:_SEARCHED] for index in chosen],
        "hovertext": [_hover(points.texts[index], points.labels[index]) for index in chosen],
        "hoverinfo": "text",
        "unselected": {"marker": {"opacity": 0.1}},
    }


def _hover(text: str, label: str) -> str:
    lines = textwrap.wrap(" ".join(text.split())[: _SHOWN + 1], _WIDTH) or [""]
    more = " ..." if len(text) > _SHOWN else ""
    return "<br>".join([*map(_plain, lines)]) + more + f"<br><b>{_plain(label)}</b>"


def _plain(text: str) -> str:
    """A text in which Plotly finds no markup."""
    return html.escape(text, quote=False)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
