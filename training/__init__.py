"""How dpt-mini was made: scenes rendered here, trained on here, scored here. The package `minidpt` never imports this.

Reading order
     1  primitives.py   eight shapes as rows of a table; where a ray meets them. blobs.py: balls that melt into bodies
     2  textures.py     the colour of a surface point, and the holes in it
     3  rays.py, tiles.py   what a ray meets first; short lists, so that it need not ask everybody
     4  light.py, raycast.py   what comes from there to the camera; a table of primitives -> colour, depth, class
     5  frames.py, things.py   a thing's own axes; materials; the scene as a growing table
     6  catalogue.py, thin.py   things that are the same each time; bicycles, fences, stairs, curtains
     7  people.py, animals.py, plants.py   what lives
     8  standpoint.py, close.py, indoor.py, outdoor.py, peaks.py, families.py   twelve kinds of scene, and where the
                       camera stands
     9  camera.py, lens.py   weather, point of view, and what a camera does to the picture
    10  scenes.py       render(seed, height, width): all of the above in one call. drawing.py: some as ink on paper
    11  dataset.py, pool.py, augment.py   many pictures on disk; as the network sees them
    12  model.py        a DPT-hybrid with two heads, and how its tokens start
    13  losses.py       the scale-and-shift-invariant loss, and cross entropy
    14  plan.py, train.py, curve.py   pieces, the loop, the learning curve. recorded.py: a step on a graphics card
    15  metrics.py, evaluate.py   scores of both heads, each beside baselines without a network
    16  gates.py, sheet.py   what is asked of photographs, by number and by eye
    17  card.py, picture.py   into the package, with a card that follows from the gates; the example picture
log.md tells what was tried and measured, photos.md what photographs show. `python -m training --help` lists the
commands, README.md tells how to use them. notebooks/12_training_dpt_mini.ipynb tells the whole as a lesson.
"""
