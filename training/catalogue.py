"""The things that are the same from case to case: short texts, read into parts. Beings and plants grow elsewhere.

    name class: part; part; ...
    part = kind x y z a b c material [x] [z] [yaw|pitch|roll degrees]     centre and half size, metres
         | rod x1 y1 z1 x2 y2 z2 radius material [x] [z]                  a thin cylinder between two points

`x` and `z` mirror a part. A material's name is one look within a thing. Things look along +z.
"""

import math
from typing import NamedTuple

from .primitives import BALL, BOX, CONE, CYLINDER, RING, ROOF

INDOOR_TEXT = """
table object: box 0 .72 0 .65 .02 .42 wood; rod .58 0 .36 .58 .71 .36 .028 wood x z; box 0 .66 0 .56 .04 .34 wood
desk object: box 0 .72 0 .7 .018 .35 wood; rod .64 0 .3 .64 .71 .3 .02 metal x z; box .45 .5 -.02 .2 .2 .3 white;
    box 0 1.06 -.18 .32 .19 .012 screen; rod 0 .74 -.2 0 .95 -.2 .02 dark; box 0 .745 -.18 .1 .006 .08 dark;
    box 0 .75 .08 .2 .008 .07 dark; cylinder -.5 .79 .05 .04 .05 .04 any; box -.35 .76 .1 .1 .02 .14 books
chair object: box 0 .45 0 .21 .02 .21 cloth; box 0 .78 -.23 .2 .1 .012 wood pitch -8;
    rod .19 0 .19 .19 .45 .19 .016 wood x; rod .2 0 -.22 .2 .9 -.24 .016 wood x; rod .19 .2 .19 .2 .2 -.22 .01 wood x;
    rod -.19 .2 0 .19 .2 0 .01 wood
stool object: cylinder 0 .62 0 .17 .02 .17 wood; rod .1 .6 .1 .18 0 .18 .014 metal x z;
    rod -.15 .25 .15 .15 .25 .15 .009 metal z
plastic_chair object: box 0 .44 0 .23 .015 .22 white; box 0 .7 -.24 .22 .24 .012 white pitch -12;
    rod .2 .44 .2 .24 0 .24 .013 metal x z; rod .23 .64 .16 .23 .66 -.26 .014 metal x;
    rod .23 .44 .18 .23 .64 .16 .014 metal x
armchair object: box 0 .22 0 .36 .2 .36 cloth; box 0 .46 .04 .28 .08 .3 cloth;
    box 0 .68 -.3 .34 .34 .09 cloth pitch -10; box .36 .42 .02 .08 .2 .36 cloth x;
    rod .32 0 .32 .32 .05 .32 .02 wood x z
sofa object: box 0 .2 0 .95 .14 .42 cloth; box .46 .4 .04 .44 .09 .36 cloth x;
    box .46 .66 -.3 .44 .26 .1 cloth x pitch -10; box .97 .4 0 .1 .22 .44 cloth x;
    ball .6 .62 -.12 .22 .18 .1 any pitch -15; ball -.55 .6 -.12 .2 .18 .1 petal pitch -15
bed object: box 0 .2 0 .85 .12 1.02 wood; box 0 .4 0 .83 .12 1 white; box 0 .49 .25 .87 .07 .75 cloth;
    box 0 .7 -1.05 .88 .4 .04 wood; ball .4 .56 -.75 .34 .1 .22 white x; box 0 .57 .6 .87 .02 .25 any
shelf object: box 0 .95 -.16 .5 .95 .008 wood; box .5 .95 0 .014 .95 .17 wood x; box 0 .04 0 .5 .012 .17 wood;
    box 0 1.9 0 .5 .012 .17 wood; box 0 .47 0 .5 .011 .17 wood; box 0 .95 0 .5 .011 .17 wood;
    box 0 1.42 0 .5 .011 .17 wood; box -.12 .19 .02 .36 .14 .12 books; box .05 .62 .02 .42 .14 .11 books;
    box -.2 1.09 .02 .26 .13 .11 books; box .1 1.57 .02 .34 .14 .11 books; ball .25 1.04 .05 .08 .08 .08 any;
    cylinder -.35 1.52 .05 .05 .09 .05 white
rack object: rod .5 0 .18 .5 1.8 .18 .015 metal x z; box 0 .3 0 .52 .01 .2 metal; box 0 .8 0 .52 .01 .2 metal;
    box 0 1.3 0 .52 .01 .2 metal; box -.25 .42 0 .2 .11 .16 card; box .2 .39 0 .15 .08 .15 any;
    box -.1 .95 0 .3 .14 .15 card; cylinder .35 .93 0 .08 .12 .08 paint; box -.3 1.4 0 .15 .09 .14 any;
    box .2 1.45 0 .22 .14 .15 card
wardrobe object: box 0 1.05 0 .6 1.05 .3 wood; box .3 1.06 .305 .285 1 .01 wood x;
    rod .05 .95 .33 .05 1.2 .33 .01 metal x
cabinet object: box 0 .45 0 .6 .4 .25 wood; box .3 .45 .252 .28 .36 .01 wood x;
    rod .06 .4 .27 .06 .55 .27 .008 metal x; rod .52 0 .2 .52 .06 .2 .02 wood x z; cylinder .35 .95 0 .06 .1 .06 any;
    box -.2 1.1 -.1 .18 .24 .012 poster; ball .1 .9 .05 .06 .06 .06 petal
television object: box 0 .25 0 .8 .2 .2 wood; box 0 .86 -.05 .6 .35 .02 screen; box 0 .48 -.05 .2 .02 .1 dark;
    box .5 .5 .05 .1 .05 .1 dark
kitchen object: box 0 .44 0 .95 .4 .3 white; box 0 .03 -.03 .93 .03 .26 dark; box 0 .87 .01 .97 .02 .32 counter;
    box .48 .44 .305 .46 .38 .008 white x; box 0 1.75 -.13 .95 .35 .17 white; box .48 1.75 .045 .46 .34 .008 white x;
    rod .06 .75 .325 .4 .75 .325 .008 metal x; rod -.4 .89 -.1 -.4 1.15 -.1 .012 metal;
    rod -.4 1.15 -.1 -.4 1.12 .06 .012 metal; cylinder .3 .96 0 .09 .08 .09 metal; box .62 1.0 -.1 .1 .1 .08 any
oven object: box 0 .44 0 .3 .44 .3 metal; box 0 .42 .302 .24 .2 .008 dark; rod -.24 .7 .33 .24 .7 .33 .01 metal;
    box 0 .885 0 .3 .006 .3 dark
fridge object: box 0 .9 0 .33 .9 .32 white; box 0 1.3 .325 .32 .48 .008 white; box 0 .42 .325 .32 .38 .008 white;
    rod .26 .9 .36 .26 1.2 .36 .01 metal
lamp object: cylinder 0 .02 0 .15 .02 .15 dark; rod 0 0 0 0 1.45 0 .012 metal; cylinder 0 1.5 0 .19 .14 .19 glow
pendant object: rod 0 -.9 0 0 0 0 .005 dark; ball 0 -1 0 .17 .12 .17 glow
radiator object: box 0 .45 0 .5 .3 .04 white; box 0 .45 .03 .48 .27 .025 slats
washer object: box 0 .42 0 .3 .42 .3 white; ring 0 .42 .3 .17 .02 .17 metal pitch 90;
    ball 0 .42 .29 .15 .15 .03 dark
easel object: rod 0 1.75 -.05 .45 0 .25 .018 wood x; rod 0 1.7 -.05 0 0 -.6 .018 wood;
    rod -.34 .65 .12 .34 .65 .12 .02 wood; box 0 1.05 .05 .42 .36 .012 poster pitch -12
basket object: cylinder 0 .18 0 .22 .18 .22 wicker; ring 0 .36 0 .23 .015 .23 wicker;
    ball .05 .36 0 .16 .1 .16 cloth
bin object: cylinder 0 .2 0 .15 .2 .15 paint; ring 0 .4 0 .15 .01 .15 paint
crate object: box 0 .17 0 .25 .17 .18 card
piano object: box 0 .6 -.1 .72 .6 .2 dark; box 0 .7 .2 .72 .04 .14 dark; box 0 .745 .22 .66 .008 .07 white;
    rod .68 0 .3 .68 .68 .3 .03 dark x
plant plant: cylinder 0 .16 0 .15 .16 .15 paint; rod 0 .3 0 .05 .9 .04 .012 wood;
    ball .18 .62 .05 .2 .02 .06 leaf roll 35; ball -.16 .7 .05 .2 .02 .06 leaf roll -40;
    ball .03 .7 .2 .06 .02 .2 leaf pitch -40; ball 0 .75 -.18 .06 .02 .2 leaf pitch 40;
    ball .14 .95 .1 .18 .02 .07 leaf roll 50 yaw -30; ball -.1 .98 -.05 .18 .02 .07 leaf roll -55 yaw 20;
    ball .05 1.05 0 .05 .18 .02 leaf
flower_vase plant: cylinder 0 .11 0 .06 .11 .06 any; rod 0 .2 0 .1 .45 .05 .006 stem;
    rod 0 .2 0 -.1 .42 .05 .006 stem; rod 0 .2 0 .02 .5 -.05 .006 stem; ball .1 .47 .05 .07 .05 .07 petal;
    ball -.1 .44 .05 .07 .05 .07 petal; ball .02 .52 -.05 .08 .06 .08 petal; ball .1 .3 0 .1 .02 .04 leaf roll 40;
    ball -.1 .32 0 .1 .02 .04 leaf roll -40
"""
SMALL_TEXT = """
bottle object: cylinder 0 .1 0 .036 .1 .036 glass; ball 0 .2 0 .036 .04 .036 glass; rod 0 .2 0 0 .29 0 .013 glass;
    box 0 .1 .002 .02 .04 .036 white
jar object: cylinder 0 .07 0 .05 .07 .05 glass; cylinder 0 .15 0 .045 .012 .045 metal
vase object: ball 0 .11 0 .075 .11 .075 clay; rod 0 .2 0 0 .28 0 .028 clay; ring 0 .285 0 .045 .012 .045 clay
jug object: ball 0 .1 0 .07 .1 .07 clay; cylinder 0 .2 0 .045 .05 .045 clay;
    ring .08 .15 0 .05 .011 .05 clay pitch 90; cylinder 0 .005 0 .05 .006 .05 clay
pile object: box 0 .015 0 .1 .015 .14 any; box .01 .045 0 .095 .015 .13 paint yaw 12;
    box .02 .075 0 .08 .015 .12 cloth yaw -9
block object: box 0 .07 0 .07 .07 .07 card
ball object: ball 0 .06 0 .06 .06 .06 petal
cup object: cylinder 0 .045 0 .038 .045 .038 white; ring .048 .045 0 .028 .006 .028 white pitch 90;
    cylinder 0 .0005 0 .07 .004 .07 white
plate object: cylinder 0 .008 0 .12 .008 .12 white; ring 0 .016 0 .13 .008 .13 white;
    ball -.03 .035 .01 .05 .025 .04 petal; ball .045 .03 -.02 .04 .022 .05 food; ball .02 .03 .05 .05 .015 .03 leaf
bowl object: ball 0 .05 0 .12 .06 .12 white; ball .04 .11 .03 .042 .042 .042 fruit;
    ball -.04 .11 .03 .04 .04 .04 fruit; ball 0 .11 -.045 .042 .042 .042 petal; ball 0 .14 0 .04 .04 .04 fruit
apple plant: ball .012 .04 0 .038 .04 .042 fruit x; rod 0 .075 0 .01 .1 0 .003 wood
pear plant: ball 0 .04 0 .04 .04 .04 fruit; ball 0 .085 0 .024 .035 .024 fruit; rod 0 .11 0 .01 .135 0 .003 wood
candle object: cylinder 0 .08 0 .02 .08 .02 white; cylinder 0 .01 0 .05 .01 .05 metal;
    ball 0 .175 0 .006 .016 .006 glow
laptop object: box 0 .01 0 .16 .008 .11 metal; box 0 .12 -.14 .16 .11 .005 screen pitch -18;
    box 0 .019 -.02 .14 .002 .06 dark
phone object: box 0 .005 0 .036 .004 .075 dark
frame object: box 0 .13 0 .1 .13 .008 wood pitch -12; box 0 .13 .008 .08 .11 .003 poster pitch -12
clock object: cylinder 0 .1 0 .1 .03 .1 white pitch 90; ring 0 .1 .02 .1 .012 .1 metal pitch 90;
    rod 0 .1 .04 .05 .14 .04 .004 dark; rod 0 .1 .04 -.01 .17 .04 .003 dark
glass object: cylinder 0 .06 0 .034 .06 .034 glass
wineglass object: cylinder 0 .003 0 .035 .003 .035 glass; rod 0 0 0 0 .09 0 .004 glass;
    ball 0 .14 0 .038 .055 .038 glass
teapot object: ball 0 .07 0 .085 .07 .085 clay; ball 0 .145 0 .018 .014 .018 clay;
    ring -.09 .08 0 .05 .009 .05 clay pitch 90; rod .07 .06 0 .14 .12 0 .014 clay
book object: box 0 .015 0 .09 .014 .12 paint; box .003 .015 0 .088 .011 .118 white
toy object: box 0 .05 0 .05 .025 .09 paint; box 0 .09 -.01 .045 .022 .05 paint;
    ball .05 .025 .055 .01 .025 .025 dark x z
"""
OUTDOOR_TEXT = """
car vehicle: box 0 .58 0 .86 .24 2.05 paint; ball 0 .62 0 .9 .34 2.25 paint; ball 0 .95 -.15 .76 .5 1.35 dark;
    ball 0 1.27 -.2 .68 .2 1 paint; rod .72 .31 1.3 .9 .31 1.3 .32 dark x; rod .72 .31 -1.3 .9 .31 -1.3 .32 dark x;
    rod .89 .31 1.3 .91 .31 1.3 .18 metal x; rod .89 .31 -1.3 .91 .31 -1.3 .18 metal x;
    ball .62 .66 2.02 .16 .09 .12 glow x; box 0 .38 2.1 .7 .1 .05 dark; ball .66 .72 -2.03 .13 .09 .1 taillight x;
    box .95 .98 .55 .08 .06 .05 paint x; box 0 .45 2.13 .25 .05 .03 white
van vehicle: box 0 1.15 -.3 .95 .85 2.1 paint; ball 0 .85 1.5 .93 .5 1.1 paint;
    box 0 1.5 1.45 .85 .35 .4 dark pitch 30; box .955 1.55 .6 .005 .28 .5 dark x;
    rod .78 .35 1.5 .97 .35 1.5 .35 dark x; rod .78 .35 -1.5 .97 .35 -1.5 .35 dark x; ball .7 .85 2.45 .14 .1 .1 glow x;
    box 0 1.6 -2.41 .8 .3 .01 dark; ball .82 .9 -2.4 .08 .15 .04 taillight x
bus vehicle: box 0 1.65 0 1.25 1.35 5.5 paint; box 1.26 2.0 0 .005 .5 5.2 dark x; box 0 1.9 5.51 1.15 .75 .01 dark;
    box 0 2.8 5.5 .9 .14 .02 glow; rod 1 .5 3.4 1.28 .5 3.4 .5 dark x; rod 1 .5 -3.2 1.28 .5 -3.2 .5 dark x;
    ball .95 .75 5.5 .15 .12 .06 glow x; box 1.27 1.2 0 .005 .1 5.4 white x; box 0 1.9 -5.51 1.1 .6 .01 dark
truck vehicle: box 0 2.2 -1.2 1.2 1.5 3.6 any; box 0 1.5 3.3 1.15 1.1 .9 paint; box 0 1.9 4.21 1 .45 .01 dark;
    box 1.16 1.9 3.4 .005 .4 .5 dark x; rod .9 .5 3.3 1.2 .5 3.3 .5 dark x; rod .9 .5 -2.5 1.2 .5 -2.5 .5 dark x;
    rod .9 .5 -3.7 1.2 .5 -3.7 .5 dark x; ball .85 .8 4.2 .16 .1 .05 glow x
bench object: box 0 .45 0 .8 .02 .2 wood; box 0 .75 -.22 .8 .12 .015 wood pitch -10;
    rod .65 0 .15 .65 .45 .15 .025 dark x; rod .65 0 -.2 .65 .85 -.26 .025 dark x
street_lamp object: rod 0 0 0 0 5.5 0 .06 dark; rod 0 5.5 0 .9 5.8 0 .035 dark; ball 1 5.78 0 .25 .09 .12 glow;
    cylinder 0 .4 0 .1 .4 .1 dark
lantern object: rod 0 0 0 0 3.2 0 .045 dark; ball 0 3.4 0 .16 .2 .16 glow; ball 0 3.62 0 .2 .05 .2 dark;
    cylinder 0 .25 0 .09 .25 .09 dark
traffic_light object: rod 0 0 0 0 2.6 0 .05 dark; box 0 2.9 0 .14 .4 .12 dark; ball 0 3.15 .1 .08 .08 .05 taillight;
    ball 0 2.9 .1 .08 .08 .05 paint; ball 0 2.65 .1 .08 .08 .05 stem
sign object: rod 0 0 0 0 2.4 0 .03 metal; cylinder 0 2.2 .03 .3 .012 .3 sign pitch 90
wire_pole object: rod 0 0 0 0 7.5 0 .11 wood; rod -1 7 0 1 7 0 .06 wood; rod .9 7.1 -35 .9 7.1 35 .018 dark x;
    rod 0 6.6 -35 0 6.6 35 .018 dark
bollard object: cylinder 0 .45 0 .07 .45 .07 dark; ball 0 .92 0 .08 .08 .08 dark
litter_bin object: cylinder 0 .45 0 .22 .45 .22 stem; ball 0 .92 0 .23 .12 .23 dark
parasol_table object: cylinder 0 .72 0 .4 .015 .4 wood; rod 0 0 0 0 2.3 0 .025 wood;
    cone 0 2.25 0 1.25 .22 1.25 awning; rod .9 0 0 .9 .45 0 .02 metal x; box .9 .46 0 .2 .02 .2 wood x;
    box 1.08 .7 0 .015 .2 .2 wood x
stall object: rod 1.2 0 .8 1.2 2.2 .8 .025 metal x z; roof 0 2.35 0 1.5 .3 1.1 awning;
    box 0 .75 .1 1.15 .05 .6 wood; box 0 .4 .65 1.15 .38 .02 cloth; box -.8 .86 .2 .28 .07 .4 crop;
    box -.15 .86 .2 .28 .07 .4 fruit; box .5 .88 .2 .28 .08 .4 petal; box 1 .86 .2 .2 .07 .4 leaf
well_rock object: ball 0 .2 0 .6 .4 .5 stone; ball .4 .1 .2 .35 .25 .3 stone; ball -.3 .3 -.2 .3 .3 .3 stone
boat vehicle: ball 0 .15 0 .8 .45 2.2 paint; box 0 .5 0 .6 .05 1.6 wood; rod 0 .5 .2 0 4.5 .2 .04 metal;
    box 0 .85 -.5 .45 .35 .6 white
tent object: roof 0 .75 0 1.1 .75 1.3 awning
playground object: rod 1.5 0 .8 1.5 2.2 0 .04 paint x; rod 1.5 0 -.8 1.5 2.2 0 .04 paint x;
    rod -1.5 2.2 0 1.5 2.2 0 .04 paint; rod .3 2.2 0 .3 .55 .1 .008 metal; rod .7 2.2 0 .7 .55 .1 .008 metal;
    box .5 .53 .1 .22 .02 .1 dark
motorbike vehicle: ring 0 .32 .68 .32 .06 .32 dark roll 90; ring 0 .32 -.68 .32 .07 .32 dark roll 90;
    ball 0 .5 0 .16 .22 .34 metal; ball 0 .78 .15 .15 .14 .3 paint; ball 0 .78 -.4 .13 .07 .36 dark;
    rod 0 .32 .68 0 .95 .42 .035 metal; rod -.35 1 .35 .35 1 .35 .016 metal; ball 0 .85 .55 .1 .1 .08 glow;
    rod .12 .35 -.1 .14 .4 -.8 .045 metal
"""
KINDS = {"box": BOX, "ball": BALL, "cylinder": CYLINDER, "roof": ROOF, "cone": CONE, "ring": RING}


class Part(NamedTuple):
    kind: int
    centre: list[float]  # of a rod: its start
    half: list[float]  # of a rod: its end
    radius: float  # of a rod; 0 for everything else
    turns: tuple[float, float, float]
    material: str
    mirrored: tuple[bool, bool]  # in x, in z


def read_part(text: str) -> Part:
    """One part from its words, see above."""
    kind, *words = text.split()
    count = 7 if kind == "rod" else 6
    numbers, material, rest = [float(word) for word in words[:count]], words[count], words[count + 1 :]
    turns = [
        math.radians(float(rest[rest.index(name) + 1])) if name in rest else 0.0 for name in ("yaw", "pitch", "roll")
    ]
    radius = numbers[6] if kind == "rod" else 0.0
    kind = "cylinder" if kind == "rod" else kind
    return Part(KINDS[kind], numbers[:3], numbers[3:6], radius, tuple(turns), material, ("x" in rest, "z" in rest))


def read_things(text: str) -> dict[str, tuple[str, list[Part]]]:
    """-> {name: (class, parts)}."""
    things = {}
    for entry in text.replace("\n    ", " ").strip().split("\n"):
        head, body = entry.split(": ")
        name, cls = head.split()
        things[name] = cls, [read_part(part) for part in body.split(";")]
    return things


THINGS = read_things(INDOOR_TEXT.strip() + SMALL_TEXT + OUTDOOR_TEXT.strip())
FURNITURE = (
    "table", "chair", "chair", "sofa", "armchair", "shelf", "shelf", "cabinet", "desk", "television", "plant",
    "lamp", "rack", "wardrobe", "bed", "piano", "basket", "plastic_chair", "easel",
)  # fmt: skip
KITCHEN = ("kitchen", "kitchen", "oven", "fridge", "table", "chair", "stool", "washer", "bin", "plant", "crate")
TRINKETS = (
    "bottle", "jar", "vase", "jug", "pile", "block", "ball", "cup", "cup", "plate", "bowl", "apple", "apple",
    "pear", "candle", "laptop", "phone", "frame", "clock", "glass", "wineglass", "teapot", "book", "book",
    "toy", "flower_vase",
)  # fmt: skip
STREET = (
    "street_lamp", "lantern", "traffic_light", "sign", "bollard", "litter_bin", "bench", "parasol_table",
    "stall", "wire_pole",
)  # fmt: skip
VEHICLES = ("car", "car", "car", "car", "car", "van", "bus", "truck", "motorbike")
