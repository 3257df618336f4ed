"""How dpt-mini was made: scenes rendered here, trained on here, scored here. The package `minidpt` never imports this.

Reading order
    1  primitives.py   five shapes as rows of a table; where a ray meets them
    2  textures.py     the colour of a surface point
    3  raycast.py      a table of primitives -> linear colour, depth, class
    4  things.py       materials, furniture, trees, cars: small texts that become rows
    5  families.py     the seven kinds of scene
    6  camera.py       light, point of view, and what a cheap camera does to the picture
    7  scenes.py       render(seed, height, width): all of the above in one call
    8  dataset.py      many pictures on disk
    9  augment.py      as the network sees them
    10 model.py        dpt-mini's configuration
    11 losses.py       the scale-and-shift-invariant loss
    12 plan.py, train.py   schedule and loop
    13 metrics.py, evaluate.py   AbsRel and delta1 beside three baselines without a network
    14 card.py         into the package, with a card
`python -m training --help` lists the commands, README.md tells what came out.
"""
