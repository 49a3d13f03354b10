"""Pictures of nets: laid out here, drawn as SVG, wrapped into a page. Knows neither files nor the engine.

net.py           DrawnNet, DrawnLayer: what is drawn
groups.py        convolution, BatchNorm, Scale and ReLU that follow one another, as one unit
compare.py       what became of each layer between two nets
layering.py -> ordering.py -> coordinates.py -> layout.py    where units and edges go
kinds.py         the kind of a layer type and its colours
labels.py        numbers, shapes and names as short text
boxes.py         the box of a layer or of a unit
picture.py       DrawnNet -> Picture: units, sizes, layout
svg.py           Picture -> SVG
panel.py         what the page says of a layer that was clicked
inline.py        a picture or a page inside another page, such as a notebook
page.py          one or two pictures -> a self-contained HTML page, with page.css, pane.js, page.js
"""
