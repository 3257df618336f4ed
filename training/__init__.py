"""How dpt-mini was made: scenes rendered here, trained on here, scored here. The package `minidpt` never imports this.

Reading order
    1  primitives.py   five shapes as rows of a table; where a ray meets them
    2  textures.py     the colour of a surface point
    3  raycast.py      a table of primitives -> linear colour, depth, class
    4  frames.py, things.py   a thing's own axes; materials; the scene as a growing table
    5  catalogue.py, people.py, animals.py, plants.py, thin.py   what stands in scenes
    6  close.py, indoor.py, outdoor.py, families.py   the kinds of scene, each with the photographer's standpoint.py
    7  camera.py, lens.py   light, point of view, and what a camera does to the picture
    8  scenes.py       render(seed, height, width): all of the above in one call
    9  dataset.py      many pictures on disk
    10 augment.py      as the network sees them
    11 model.py        dpt-mini's configuration
    12 losses.py       the scale-and-shift-invariant loss
    13 plan.py, train.py   schedule and loop
    14 metrics.py, evaluate.py   scores of both heads on rendered scenes, beside baselines without a network
    15 gates.py, sheet.py   what is asked on photographs: in numbers, and for eyes
    16 card.py         into the package, with a card
`python -m training --help` lists the commands, README.md tells what came out.
"""
