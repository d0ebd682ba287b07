# SPDX-License-Identifier: Apache-2.0
"""The 32 pictograms, as drawing code.

A pictogram is a function that takes a `Pen` and adds parts to it, back to front, in a box that runs
from -100 to 100 both ways with y pointing down.  The function rolls its own proportions from
`pen.rng`, so no two hearts are the same heart.  It knows nothing of colour, outline or light: each
part only has a role, and render.py decides later what a role looks like.

    main      the body; most of the silhouette
    second    another part of the body that should stay distinguishable from it
    accent    a small part with a colour of its own
    mark      a detail drawn on top of the body (an eye, a door); cut out where only one ink is used

The box need not be filled exactly: render.py measures the parts and scales the whole to fit.

To add a class, write one function, and add one line to CLASSES at the end of this file.
"""

import math

import skia

TAU = 2 * math.pi


class Part:
    def __init__(self, path, role, width, colour):
        self.path = path          # a skia.Path; filled when width is None
        self.role = role
        self.width = width        # thickness of a line, None for an area
        self.colour = colour      # fixed "#rrggbb" where meaning hangs on it, else None

    def area(self):
        """The part as an area: a line becomes the outline of the ink it would leave."""
        if self.width is None:
            return self.path
        out = skia.Path()
        pen = skia.Paint(Style=skia.Paint.kStroke_Style, StrokeWidth=self.width,
                         StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join)
        pen.getFillPath(self.path, out)
        return out


class Pen:
    def __init__(self, rng):
        self.rng = rng
        self.parts = []

    # Chance.  Short names, because the drawing functions use them in almost every line.
    def u(self, low, high):
        return float(self.rng.uniform(low, high))

    def n(self, low, high):
        """A whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def odds(self, p):
        return bool(self.rng.random() < p)

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    # Parts.
    def fill(self, path, role="main", colour=None):
        self.parts.append(Part(path, role, None, colour))

    def line(self, path, width, role="main", colour=None):
        self.parts.append(Part(path, role, width, colour))


# Shapes.

def circle(x, y, r):
    return skia.Path().addCircle(x, y, r)


def ellipse(x, y, rx, ry):
    return skia.Path().addOval(skia.Rect(x - rx, y - ry, x + rx, y + ry))


def box(left, top, right, bottom, radius=0):
    return skia.Path().addRoundRect(skia.Rect(left, top, right, bottom), radius, radius)


def poly(points, radius=0):
    """A closed polygon; its corners are rounded where the edges leave room for it."""
    path = skia.Path()
    if radius <= 0:
        return path.addPoly([skia.Point(*p) for p in points], True)
    (ax, ay), (bx, by) = points[-1], points[0]
    path.moveTo((ax + bx) / 2, (ay + by) / 2)
    for i, (x, y) in enumerate(points):
        before, after = points[i - 1], points[(i + 1) % len(points)]
        room = min(math.dist((x, y), before), math.dist((x, y), after)) / 2
        turn = angle_at(before, (x, y), after)
        # A circle of radius r touches the edges r / tan(turn / 2) away from the corner.
        path.arcTo(x, y, *after, min(radius, 0.95 * room * math.tan(turn / 2)))
    path.close()
    return path


def angle_at(a, corner, b):
    one = math.atan2(a[1] - corner[1], a[0] - corner[0])
    two = math.atan2(b[1] - corner[1], b[0] - corner[0])
    turn = abs(one - two) % TAU
    return min(turn, TAU - turn)


def lines(*points):
    return skia.Path().addPoly([skia.Point(*p) for p in points], False)


def curve(start, *pieces, close=False):
    """pieces: (x, y) a line, (cx, cy, x, y) a quadratic, six numbers a cubic."""
    path = skia.Path()
    path.moveTo(*start)
    for piece in pieces:
        {2: path.lineTo, 4: path.quadTo, 6: path.cubicTo}[len(piece)](*piece)
    if close:
        path.close()
    return path


def arc(x, y, r, start, sweep):
    """An open arc; degrees, 0 to the right, clockwise."""
    return skia.Path().addArc(skia.Rect(x - r, y - r, x + r, y + r), start, sweep)


def ray(angle, r, x=0, y=0):
    return x + r * math.cos(angle), y + r * math.sin(angle)


def ring(n, outer, inner, turn=-TAU / 4):
    """2n points that alternate between two radii: stars and suns."""
    return [ray(turn + TAU * i / (2 * n), outer if i % 2 == 0 else inner) for i in range(2 * n)]


def join(*paths):
    out = paths[0]
    for path in paths[1:]:
        out = skia.Op(out, path, skia.kUnion_PathOp)
    return out


def cut(path, *holes):
    for hole in holes:
        path = skia.Op(path, hole, skia.kDifference_PathOp)
    return path


def common(a, b):
    return skia.Op(a, b, skia.kIntersect_PathOp)


def mirror(path):
    out = skia.Path(path)
    out.transform(skia.Matrix().setScale(-1, 1))
    return out


def turned(path, degrees, x=0, y=0):
    out = skia.Path(path)
    out.transform(skia.Matrix().setRotate(degrees, x, y))
    return out


# The pictograms, in the order of the labels.

def heart(p):
    w, dip, tip, top = p.u(.85, 1.12), p.u(-62, -38), p.u(84, 100), p.u(-96, -84)
    half = [(-35 * w, 55, -100 * w, 12, -100 * w, -36), (-100 * w, -72, -76 * w, top, -50 * w, top),
            (-26 * w, top, -8 * w, dip - 22, 0, dip)]
    back = [(8 * w, dip - 22, 26 * w, top, 50 * w, top), (76 * w, top, 100 * w, -72, 100 * w, -36),
            (100 * w, 12, 35 * w, 55, 0, tip)]
    p.fill(curve((0, tip), *half, *back, close=True))
    if p.odds(.35):
        p.line(arc(-48 * w, -38, 30, 170, 75), p.u(8, 14), "mark")


def star(p):
    p.fill(poly(ring(5, 100, p.u(38, 54)), p.pick(0, p.u(3, 14))))
    if p.odds(.25):
        p.fill(poly(ring(5, 62, p.u(24, 32)), p.u(0, 4)), "second")


def arrow(p):
    """Points right."""
    kind, t = p.n(0, 3), p.u(15, 26)
    if kind == 0:        # block arrow
        neck, wing = p.u(-5, 30), p.u(52, 82)
        p.fill(poly([(-100, -t), (neck, -t), (neck, -wing), (100, 0), (neck, wing), (neck, t), (-100, t)],
                    p.pick(0, p.u(2, 12))))
    elif kind == 1:      # drawn with three strokes
        wing, back = p.u(48, 72), p.u(48, 70)
        p.line(lines((-95, 0), (92, 0)), t * 1.15)
        p.line(lines((95 - back, -wing), (95, 0), (95 - back, wing)), t * 1.15)
    elif kind == 2:      # swept-back head, notched tail
        wing, back = p.u(55, 80), p.u(14, 34)
        p.fill(poly([(-100, -t), (18, -t), (18 - back, -wing), (100, 0), (18 - back, wing), (18, t),
                     (-100, t), (-100 + t, 0)], p.pick(0, p.u(2, 7))))
    else:                # a bent shaft would be a turn sign, so only its thickness bends
        wing = p.u(55, 80)
        p.fill(curve((-100, 0), (-30, -t, 15, -t), (15, -wing), (100, 0), (15, wing), (15, t),
                     (-30, t, -100, 0), close=True))


def arrow_left(p):
    arrow(p)
    for part in p.parts:
        part.path = mirror(part.path)


def stop_sign(p):
    eighth = [ray(TAU * (i + .5) / 8, 100) for i in range(8)]
    corner = p.u(0, 8)
    p.fill(poly(eighth, corner))
    rim = p.u(.82, .92)
    if p.odds(.75):
        p.line(poly([(x * rim, y * rim) for x, y in eighth], corner), p.u(4, 8), "mark")
    if p.odds(.7):
        letters(p)
    else:
        hand(p)


def letters(p):
    """STOP, from strokes: a font would bring its own licence along."""
    h, w, t = p.u(22, 31), p.u(12, 15), p.u(8, 12)
    for i, x in enumerate((-51, -17, 17, 51)):
        left, right = x - w, x + w
        if i == 0:
            glyph = curve((right, -h * .75), (x, -h * 1.3, left, -h * .8), (left - 2, -h * .1, x, 0),
                          (right + 2, h * .1, right, h * .75), (x, h * 1.3, left, h * .75))
        elif i == 1:
            glyph = lines((left, -h), (right, -h), (x, -h), (x, h))
        elif i == 2:
            glyph = ellipse(x, 0, w, h)
        else:
            glyph = curve((left, h), (left, -h), (x, -h), (right + 5, -h, right + 5, -h * .45),
                          (right + 5, h * .1, x, h * .1), (left, h * .1))
        p.line(glyph, t, "mark")


def hand(p):
    palm = box(-30, -6, 28, 56, 22)
    for i, top in enumerate((-48, -62, -58, -42)):
        x = -23 + i * 14.8
        palm = join(palm, box(x - 6.2, top, x + 6.2, 22, 6))
    p.fill(join(palm, turned(box(26, -14, 40, 34, 7), 28, 30, 30)), "mark")


def warning_sign(p):
    w, radius = p.u(95, 112), p.u(4, 20)
    tri = [(0, -95), (w, 85), (-w, 85)]
    p.fill(poly(tri, radius))
    if p.odds(.7):
        k = p.u(.74, .86)
        p.line(poly([(x * k, 25 + (y - 25) * k) for x, y in tri], radius * k), p.u(5, 9), "mark")
    top, low, t = p.u(-42, -30), p.u(26, 34), p.u(8, 12)
    p.fill(poly([(-t, top), (t, top), (t * .55, low), (-t * .55, low)], 3), "mark")
    p.fill(circle(0, low + 20, t * p.u(.9, 1.1)), "mark")


def bicycle(p):
    r, t = p.u(36, 43), p.u(7, 11)
    rear, front, y = (-56, 0), (56, 0), 28
    rear, front = (rear[0], y), (front[0], y)
    crank, seat, head = (p.u(-14, -4), y + p.u(0, 4)), (p.u(-32, -22), p.u(-30, -20)), (p.u(28, 38), p.u(-36, -26))
    for x, yy in (rear, front):
        p.line(circle(x, yy, r), t, "second")
        if p.odds(.3):
            p.fill(circle(x, yy, t * .8), "second")
    p.line(lines(rear, seat, crank, rear), t)
    p.line(lines(seat, head, crank), t)
    p.line(lines(front, head, (head[0] - 6, head[1] - 22)), t)
    p.line(lines(seat, (seat[0] - 6, seat[1] - 16)), t)
    p.line(lines((seat[0] - 20, seat[1] - 18), (seat[0] + 10, seat[1] - 18)), t * 1.3, "accent")
    if p.odds(.5):
        p.line(lines((head[0] - 18, head[1] - 24), (head[0] + 6, head[1] - 24)), t, "accent")
    else:
        p.line(curve((head[0] - 6, head[1] - 22), (head[0] + 24, head[1] - 28, head[0] + 16, head[1] - 8)), t, "accent")
    if p.odds(.5):
        p.fill(circle(*crank, t * 1.1), "accent")


def umbrella(p):
    n, top, hem, t = p.n(3, 5), p.u(-88, -70), p.u(2, 14), p.u(8, 13)
    p.line(curve((0, top - 4), (0, 72), (0, 98, 22, 98), (44, 98, 42, 74)), t, "second")
    if p.odds(.7):
        p.line(lines((0, top - 12), (0, top)), t, "second")
    step, lift = 200 / n, p.u(14, 30)
    scallops = [(100 - step * (i + .5), hem - lift, 100 - step * (i + 1), hem) for i in range(n)]
    canopy = curve((-100, hem), (-98, top, 0, top), (98, top, 100, hem), *scallops, close=True)
    p.fill(canopy)
    inner = [-100 + step * i for i in range(1, n)]
    if n % 2 and p.odds(.5):       # every other panel in a second colour
        for i in range(0, n - 1, 2):
            left, right = inner[i], inner[i + 1] if i + 1 < len(inner) else 100
            panel = curve((left, 110), (left, hem), (left * .8, top * .6, 0, top), (right * .8, top * .6, right, hem),
                          (right, 110), close=True)
            p.fill(common(canopy, panel), "accent")
    elif p.odds(.7):
        for x in inner:
            p.line(curve((x, hem - 3), (x * .8, top * .55, 0, top + 6)), p.u(4, 6), "mark")


def anchor(p):
    t, r = p.u(10, 17), p.u(14, 20)
    wide, rise = p.u(72, 90), p.u(16, 34)
    p.line(circle(0, -80, r), t * .8)
    p.line(lines((0, -80 + r), (0, 84)), t)
    p.line(lines((-p.u(32, 48), -42), (p.u(32, 48), -42)), t)
    p.line(curve((-wide, rise), (-wide * .85, 84, 0, 88), (wide * .85, 84, wide, rise)), t)
    f = p.u(17, 26)
    for side in (-1, 1):
        p.fill(poly([(side * (wide + 6), rise - f), (side * (wide + f * .75), rise + f * .9),
                     (side * (wide - f * 1.25), rise + f * .45)], 2))


def key(p):
    t, r, kind = p.u(9, 14), p.u(32, 42), p.n(0, 3)
    x = -64
    p.fill(box(x + r - 6, -t, 100, t, p.pick(0, t)))
    n, bite = p.n(2, 3), p.u(20, 34)
    for i in range(n):
        left = 96 - (i + 1) * 24
        p.fill(box(left, t - 4, left + p.u(12, 16), t + bite * p.u(.7, 1.1), p.pick(0, 3)))
    if kind == 0:
        p.fill(cut(circle(x, 0, r), circle(x - r * .15, 0, r * p.u(.35, .6))))
    elif kind == 1:
        p.line(circle(x, 0, r - 8), p.u(14, 20))
    elif kind == 2:
        lobes = [circle(*ray(TAU * (i + .5) / 3 + TAU / 6, r * .52, x), r * .62) for i in range(3)]
        holes = [circle(*ray(TAU * (i + .5) / 3 + TAU / 6, r * .55, x), r * .25) for i in range(3)]
        p.fill(cut(join(*lobes), *holes))
    else:
        p.fill(cut(box(x - r, -r, x + r, r, r * .45), box(x - r * .55, -r * .5, x + r * .2, r * .5, r * .3)))


def bell(p):
    w, lip, t = p.u(46, 58), p.u(84, 98), p.u(9, 14)
    p.fill(circle(0, 72, p.u(17, 23)), "second")
    p.line(lines((0, -88), (0, -70)), p.u(14, 22), "second")
    p.fill(curve((-lip, 62), (-w - 12, 38, -w, -10), (-w, -76, 0, -76), (w, -76, w, -10),
                 (w + 12, 38, lip, 62), close=True))
    if p.odds(.6):
        p.line(lines((-lip + 4, 60), (lip - 4, 60)), t, "second")
    if p.odds(.4):
        p.line(curve((-w + 14, 10), (-w + 12, -42, -12, -58)), p.u(6, 9), "mark")
    if p.odds(.25):
        for side in (-1, 1):
            p.line(arc(0, -20, 100, 180 - 90 * (side + 1) - 22, 44), 8, "accent")


def moon(p):
    shift, r = p.u(36, 62), p.u(74, 96)
    p.fill(cut(circle(0, 0, 100), circle(shift, p.u(-18, 10), r)))
    if p.odds(.3):
        for _ in range(p.n(1, 2)):
            x, y, s = p.u(30, 70), p.u(-55, 45), p.u(12, 20)
            p.fill(poly([(x + a * s / 100, y + b * s / 100) for a, b in ring(p.pick(4, 5), 100, 40)]), "accent")


def sun(p):
    n, r, kind = p.n(8, 14), p.u(44, 58), p.n(0, 3)
    if kind == 0:
        for i in range(n):
            a = TAU * i / n
            p.line(lines(ray(a, r + 20), ray(a, 96)), p.u(9, 13), "second")
    elif kind == 1:
        for i in range(n):
            a, half = TAU * i / n, TAU / n * p.u(.28, .36)
            p.fill(poly([ray(a - half, r + 12), ray(a, 100), ray(a + half, r + 12)]), "second")
    elif kind == 2:
        p.fill(poly(ring(n, 100, r + 4), p.pick(0, 4)), "second")
    else:
        for i in range(n - n % 2):
            a = TAU * i / (n - n % 2)
            p.line(lines(ray(a, r + 18), ray(a, 96 if i % 2 else 78)), 11, "second")
    p.fill(circle(0, 0, r))
    if p.odds(.2):                 # a friendly face
        p.fill(circle(-17, -10, 6), "mark")
        p.fill(circle(17, -10, 6), "mark")
        p.line(arc(0, 0, 24, 25, 130), 6, "mark")


def snowflake(p):
    t, branches, kind = p.u(7, 12), p.n(1, 2), p.n(0, 2)
    reach = [(p.u(52, 66), p.u(22, 32))] + ([(p.u(28, 36), p.u(14, 20))] if branches == 2 else [])
    for i in range(6):
        a = TAU * i / 6
        p.line(lines((0, 0), ray(a, 97)), t)
        for at, long in reach:
            x, y = ray(a, at)
            p.line(lines(ray(a - .9, long, x, y), (x, y), ray(a + .9, long, x, y)), t)
    if kind == 1:
        p.line(poly([ray(TAU * i / 6, 24) for i in range(6)]), t)
    elif kind == 2:
        p.fill(circle(0, 0, t * 1.5))


def rain_cloud(p):
    n, low = p.n(3, 4), p.u(8, 18)
    bumps = [circle(-50, -18, p.u(30, 38)), circle(-8, -48, p.u(40, 50)), circle(46, -26, p.u(34, 42)),
             box(-80, -40, 84, low, p.u(24, 29))]
    drops = p.pick("line", "tear")
    slant, size = p.u(0, 26), p.u(.85, 1.1)
    for i in range(n):
        x, y = -54 + 108 * i / (n - 1) - slant / 3, low + 30 + (12 if i % 2 else 0)
        if drops == "line":
            p.line(lines((x + slant / 2, y - 10), (x - slant / 2, y + 36 * size)), p.u(9, 13), "accent")
        else:
            drop = curve((x, y - 16), (x + 16 * size, y + 10, x + 13 * size, y + 22), (x, y + 46, x - 13 * size, y + 22),
                         (x - 16 * size, y + 10, x, y - 16), close=True)
            p.fill(turned(drop, slant * .7, x, y), "accent")
    p.fill(join(*bumps))


def lightning(p):
    a, b = p.u(12, 30), p.u(-4, 12)
    w = p.u(-6, 14)
    p.fill(poly([(18 + w, -100), (-58 - w, a), (-8, a), (-26, 100), (58 + w, -b - 14), (6, -b - 14), (38 + w, -100)],
                p.pick(0, p.u(2, 6))))


def house(p):
    eave, wall, over = p.u(-22, -2), p.u(62, 78), p.u(14, 26)
    if p.odds(.65):
        x = p.pick(-1, 1) * p.u(42, 54)
        p.fill(box(x - 12, -86, x + 12, eave, 0), "second")
    p.fill(box(-wall, eave - 6, wall, 88, p.u(0, 6)))
    p.fill(poly([(0, -92), (wall + over, eave), (-wall - over, eave)], p.u(0, 8)), "second")
    x, w = p.u(-26, 26), p.u(15, 20)
    p.fill(box(x - w, 88 - p.u(46, 58), x + w, 88, p.pick(0, 4, w)), "mark")
    side = -1 if x > 0 else 1
    if p.odds(.75):
        c, s = side * p.u(38, 44), p.u(11, 15)
        p.fill(box(c - s, 18, c + s, 18 + 2 * s, 2), "mark")
    if p.odds(.35):
        p.fill(circle(0, eave - 30, p.u(9, 13)), "mark")


def tree(p):
    kind = p.n(0, 2)
    trunk = p.u(9, 15)
    if kind == 0:                  # conifer
        tiers = p.n(2, 4)
        p.fill(box(-trunk, 55, trunk, 100, 2), "second")
        for i in reversed(range(tiers)):
            top = -100 + i * 115 / tiers
            low = top + 185 / tiers if tiers > 2 else top + 100
            w = 34 + 42 * (i + 1) / tiers
            p.fill(poly([(0, top), (w, min(low, 70)), (-w, min(low, 70))], p.u(0, 9)))
    elif kind == 1:                # a round crown of several lumps
        p.fill(poly([(-trunk * .8, -10), (trunk * .8, -10), (trunk * 1.3, 100), (-trunk * 1.3, 100)]), "second")
        lumps = [circle(0, -30, p.u(46, 56))]
        for i in range(p.n(5, 7)):
            lumps.append(circle(*ray(TAU * i / 6 + .3, p.u(36, 46), 0, -32), p.u(26, 36)))
        p.fill(join(*lumps))
        if p.odds(.4):
            for _ in range(p.n(3, 6)):
                p.fill(circle(p.u(-45, 45), p.u(-70, 0), 8), "accent")
    else:                          # one smooth crown, forked trunk
        p.line(lines((0, 95), (0, 10)), trunk * 1.7, "second")
        p.fill(ellipse(0, -32, p.u(52, 72), p.u(62, 68)))
        if p.odds(.6):
            p.line(lines((0, 30), (0, -30)), trunk * .7, "mark")
            p.line(lines((-24, -22), (0, 6), (22, -14)), trunk * .7, "mark")


def leaf(p):
    w, t = p.u(52, 78), p.u(5, 8)
    bend = p.u(-10, 10)
    p.line(curve((0, 60), (bend, 85, bend * 1.6, 105)), p.u(8, 12), "second")
    p.fill(curve((0, -100), (w * 1.05, -55, w * 1.05, 45, 0, 78), (-w * 1.05, 45, -w * 1.05, -55, 0, -100), close=True))
    p.line(lines((0, -72), (0, 70)), t, "mark")
    for i in range(p.n(2, 4)):
        y = 48 - i * 30
        out = w * .52 * (1 - abs(y) / 150)
        for side in (-1, 1):
            p.line(curve((0, y), (side * out * .6, y - 8, side * out, y - 26)), t * .8, "mark")


def fish(p):
    h, tail = p.u(40, 58), p.u(34, 50)
    p.fill(curve((48, 0), (70, -tail * .4, 100, -tail), (86, 0, 100, tail), (70, tail * .4, 48, 0), close=True), "second")
    if p.odds(.7):
        p.fill(curve((-30, -h * .6), (0, -h - 34, 34, -h * .75 - 18), (20, -h * .5, 30, -h * .2), close=True), "second")
    p.fill(curve((-98, 4), (-60, -h * 1.15, 10, -h * 1.15, 66, 0), (10, h * 1.15, -60, h * 1.15, -98, 4), close=True))
    p.fill(circle(-62, -10, p.u(6, 9)), "mark")
    if p.odds(.6):
        p.line(arc(-66, 0, 34, -50, 100), p.u(4, 7), "mark")
    if p.odds(.5):
        for x in (-2, 22):
            p.line(arc(x - 14, 0, 20, -55, 110), 5, "mark")
    if p.odds(.3):
        p.fill(curve((-12, 6), (14, 4, 20, 24), (0, 30, -12, 6), close=True), "accent")
    if p.odds(.3):
        for i in range(p.n(2, 3)):
            p.line(circle(-100 + p.u(-14, 10), -34 - 22 * i, p.u(6, 9)), 5, "accent")


def cat(p):
    w, y, tip = p.u(78, 92), p.u(56, 70), p.u(-98, -84)
    ear = p.u(.5, .7)
    for side in (-1, 1):
        p.fill(poly([(side * w * .98, -5), (side * w * .86, tip), (side * w * .18, -46)], 6))
    p.fill(ellipse(0, 14, w, y))
    if p.odds(.6):
        for side in (-1, 1):
            p.fill(poly([(side * w * .82, -36), (side * w * .8, tip + 24), (side * w * ear, -46)], 3), "accent")
    x, s = p.u(30, 38), p.u(8, 13)
    for side in (-1, 1):
        p.fill(ellipse(side * x, 2, s, s * p.u(1.0, 1.5)), "mark")
    p.fill(poly([(-9, 24), (9, 24), (0, 35)], 2), "mark")
    p.line(curve((-22, 44), (-8, 56, 0, 36), (8, 56, 22, 44)), 5, "mark")
    if p.odds(.85):
        t = p.u(4, 6)
        for side in (-1, 1):
            for dy in (-9, 9):
                p.line(lines((side * 46, 32 + dy * .4), (side * (w + p.u(4, 16)), 30 + dy * 1.5)), t, "mark")


def cup(p):
    top, w, low = p.u(-24, -8), p.u(54, 64), p.u(72, 86)
    taper, t = p.u(.62, 1), p.u(11, 16)
    p.line(skia.Path().addOval(skia.Rect(w - 24, top + 14, w + 38, low - 22)), t, "main")
    for i in range(p.n(2, 3)):
        x = -32 + 30 * i
        p.line(curve((x, top - 14), (x - 16, top - 32, x, top - 44), (x + 16, top - 58, x + 2, top - 74)), p.u(7, 10), "accent")
    p.fill(poly([(-w, top), (w, top), (w * taper, low), (-w * taper, low)], p.u(6, 22)))
    if p.odds(.5):
        p.fill(box(-90, low + 4, 90, low + 16, 6), "second")
    if p.odds(.4):
        p.line(lines((-w * .9, top + 22), (w * .9, top + 22)), p.u(6, 10), "mark")


def music_note(p):
    t, rx, ry = p.u(10, 15), p.u(25, 31), p.u(18, 23)
    if p.odds(.5):                 # two notes under one beam
        x, tall, slope = p.u(52, 60), p.u(-92, -78), p.u(0, 20)
        left, right = -x + rx - t / 2, x + rx - t / 2
        p.line(lines((left, 64), (left, tall + slope)), t)
        p.line(lines((right, 64 - slope), (right, tall)), t)
        p.fill(poly([(left - t / 2, tall + slope - 6), (right + t / 2, tall - 6), (right + t / 2, tall + 24),
                     (left - t / 2, tall + slope + 24)]))
        p.fill(turned(ellipse(-x, 68, rx, ry), -18, -x, 68))
        p.fill(turned(ellipse(x, 68 - slope, rx, ry), -18, x, 68 - slope))
    else:
        x = -22
        stem = x + rx - t / 2
        p.line(lines((stem, 64), (stem, -90)), t)
        p.fill(curve((stem - t / 2, -96), (stem + 6, -58, stem + 62, -48, stem + 46, 14),
                     (stem + 46, -26, stem + 10, -34, stem - t / 2, -40), close=True))
        p.fill(turned(ellipse(x, 68, rx * 1.1, ry * 1.1), -18, x, 68))


def envelope(p):
    h, fold, t, corner = p.u(58, 70), p.u(6, 26), p.u(7, 11), p.u(0, 12)
    p.fill(box(-100, -h, 100, h, corner))
    kind = p.n(0, 2)
    if kind == 0:
        p.line(lines((-94, -h + 8), (0, fold), (94, -h + 8)), t, "mark")
    elif kind == 1:
        p.line(lines((-92, h - 8), (-28, 0)), t, "mark")
        p.line(lines((92, h - 8), (28, 0)), t, "mark")
        p.line(lines((-94, -h + 8), (0, fold), (94, -h + 8)), t, "mark")
    else:
        p.fill(poly([(-98, -h + 2), (98, -h + 2), (0, fold + 12)], 5), "second")
        p.line(lines((-96, -h + 4), (0, fold + 12), (96, -h + 4)), t * .8, "mark")
    if p.odds(.25):
        p.fill(circle(0, fold + 8, p.u(14, 20)), "accent")


def padlock(p):
    w, top, t, r = p.u(58, 72), p.u(-16, -4), p.u(14, 20), p.u(36, 46)
    up = p.u(-64, -50)
    shackle = curve((-r, top + 10), (-r, up), (-r, up - r * 1.25, r, up - r * 1.25, r, up), (r, top + 10))
    p.line(shackle, t, "second")
    p.fill(box(-w, top, w, 92, p.u(5, 22)))
    y = p.u(28, 36)
    p.fill(join(circle(0, y, p.u(11, 15)), poly([(-6, y), (6, y), (9, y + 32), (-9, y + 32)])), "mark")


def magnifier(p):
    r, t = p.u(50, 60), p.u(13, 19)
    x, y = -30, -30
    a = TAU / 8
    p.line(lines(ray(a, r + 6, x, y), ray(a, 172, x, y)), t * p.u(1.4, 1.9), "second")
    p.line(circle(x, y, r), t)
    if p.odds(.5):
        p.fill(circle(x, y, r - t / 2), "accent", colour=p.pick("#cfe9f5", "#dff4f0", "#bfe0ff", "#eef6fb"))
    if p.odds(.7):
        p.line(arc(x, y, r * .62, 185, 70), p.u(6, 9), "mark")


def gear(p):
    n, root, hub = p.n(7, 11), p.u(66, 78), p.u(20, 36)
    base, top = p.u(.27, .31), p.u(.15, .22)
    points = []
    for i in range(n):
        a, step = TAU * i / n, TAU / n
        points += [ray(a - base * step, root), ray(a - top * step, 100), ray(a + top * step, 100), ray(a + base * step, root)]
    body = poly(points, p.pick(0, p.u(2, 5)))
    p.fill(cut(body, circle(0, 0, hub)))
    if p.odds(.35):
        p.line(circle(0, 0, hub + (root - hub) * .5), p.u(5, 9), "mark")


def hourglass(p):
    w, t, waist = p.u(50, 62), p.u(14, 19), p.u(5, 9)
    glass = curve((-w, -84), (-w, -34, -waist, -16, -waist, 0), (-waist, 16, -w, 34, -w, 84), (w, 84),
                  (w, 34, waist, 16, waist, 0), (waist, -16, w, -34, w, -84), close=True)
    p.fill(glass, "second")
    level, heap = p.u(-58, -34), p.u(30, 56)
    inside = p.u(.72, .84)
    small = skia.Path(glass)
    small.transform(skia.Matrix().setScale(inside, .94))
    p.fill(common(small, box(-100, level, 100, -4)), "mark")
    p.fill(common(small, curve((-100, 100), (-100, heap + 26), (0, heap - 26, 100, heap + 26), (100, 100), close=True)), "mark")
    if p.odds(.7):
        p.line(lines((0, -6), (0, heap + 10)), 5, "mark")
    for y in (-90, 90):
        p.line(lines((-w - 12, y), (w + 12, y)), t)
    if p.odds(.3):
        for side in (-1, 1):
            p.line(lines((side * (w + 6), -84), (side * (w + 6), 84)), 8)


def sailing_boat(p):
    deck, low, t = p.u(44, 54), p.u(84, 94), p.u(6, 9)
    top = p.u(-98, -88)
    x = p.u(-8, 8)
    p.line(lines((x, top), (x, deck)), t, "second")
    gap = p.u(7, 11)
    bulge = p.u(0, 22)
    p.fill(curve((x + gap, top + 6), (x + 44 + bulge, -20, x + 76, deck - 14), (x + gap, deck - 14), close=True))
    if p.odds(.8):
        p.fill(curve((x - gap, top + p.u(14, 36)), (x - 30 - bulge, 0, x - p.u(50, 66), deck - 14),
                     (x - gap, deck - 14), close=True), p.pick("main", "accent"))
    p.fill(curve((-92, deck), (92, deck), (84, low - 8, 58, low), (-58, low), (-84, low - 8, -92, deck), close=True), "second")
    if p.odds(.35):
        p.fill(poly([(x, top - 8), (x + 26, top + 2), (x, top + 12)]), "accent")
    if p.odds(.3):
        y = low + 14
        p.line(curve((-90, y), (-60, y - 16, -30, y), (0, y + 16, 30, y), (60, y - 16, 90, y)), 8, "accent")


def rocket(p):
    w, low = p.u(28, 38), p.u(46, 56)
    if p.odds(.85):
        f = p.u(78, 102)
        p.fill(curve((-w * .6, low), (-w * .8, low + 24, 0, f), (w * .8, low + 24, w * .6, low), close=True), "accent",
               colour=p.pick(None, "#ff8a1f", "#ffb21f"))
    span = p.u(56, 72)
    for side in (-1, 1):
        p.fill(curve((side * w * .8, 4), (side * span, 20, side * span, low + 22), (side * w * .9, low + 2, side * w * .5, low),
                     close=True), "second")
    body = curve((0, -100), (w * 1.5, -62, w * 1.35, 10, w * .75, low), (-w * .75, low),
                 (-w * 1.35, 10, -w * 1.5, -62, 0, -100), close=True)
    p.fill(body)
    if p.odds(.6):
        p.fill(common(body, box(-100, -110, 100, p.u(-62, -50))), "second")
    p.fill(circle(0, p.u(-28, -18), p.u(12, 17)), "mark")
    if p.odds(.3):
        p.fill(circle(0, 18, 9), "mark")


def mushroom(p):
    hem, top, w = p.u(2, 14), p.u(-84, -66), p.u(22, 34)
    foot = w * p.u(1.0, 1.5)
    p.fill(curve((-w, hem - 8), (-w * .8, 50, -foot, 88), (0, 102, foot, 88), (w * .8, 50, w, hem - 8), close=True), "second")
    cap = curve((-98, hem), (-98, top * 1.1, -44, top * 1.15, 0, top * 1.15), (44, top * 1.15, 98, top * 1.1, 98, hem),
                (0, hem + p.u(4, 20), -98, hem), close=True)
    p.fill(cap)
    for x, y, r in ((-50, -16, 14), (2, -48, 17), (48, -22, 15), (-8, -8, 9))[:p.n(3, 4)]:
        p.fill(common(cap, circle(x + p.u(-6, 6), y + p.u(-6, 6), r * p.u(.8, 1.15))), "mark")


def traffic_light(p):
    w, r, corner = p.u(38, 46), p.u(20, 25), p.u(6, 30)
    pole = p.odds(.45)
    low = 66 if pole else 100
    if pole:
        p.fill(box(-9, low - 6, 9, 130, 2), "second")
    if p.odds(.35):
        step = (low + 100) / 3
        for i in range(3):
            y = -100 + step * i + step * .2
            for side in (-1, 1):
                p.fill(poly([(side * (w - 4), y), (side * (w + 24), y), (side * (w - 4), y + 30)]), "second")
    p.fill(box(-w, -100, w, low, corner))
    lit = p.n(0, 5)                # one lamp lit, or with 3 to 5 all of them, as in a picture book
    for i, (on, off) in enumerate((("#ff3b30", "#5a1512"), ("#ffcc00", "#5c4a08"), ("#34c759", "#0f4420"))):
        y = -100 + (low + 100) * (i * .31 + .19)
        p.fill(circle(0, y, r * (low + 100) / 200 * 1.06), "mark", colour=on if lit in (i, 3, 4, 5) else off)


# One line per class.  The position is the class number, so new ones go to the end.
#
# function, label, turn, flip, and for each role the colours that people expect:
#   turn   how far, in degrees either way, the thing may lie rotated and still be itself
#   flip   whether its mirror image is the same thing
CLASSES = [
    (heart, "heart", 25, True, "#e0245e #d7263d #ff5d8f", "#ffb3c6", "#ffffff", "#ffe3ea"),
    (star, "star", 36, True, "#ffc21a #f5a300 #ffd84d", "#fff0b0", "#ffffff", "#ffffff"),
    (arrow_left, "arrow left", 28, False, "#1f6feb #16794c #222831 #e4572e", "#8ab4f8", "#ffffff", "#ffffff"),
    (arrow, "arrow right", 28, False, "#1f6feb #16794c #222831 #e4572e", "#8ab4f8", "#ffffff", "#ffffff"),
    (stop_sign, "stop sign", 20, False, "#c8102e #d62828 #b3001b", "#ffffff", "#ffffff", "#ffffff"),
    (warning_sign, "warning sign", 18, True, "#ffcc00 #f7b500 #ffd60a", "#222222", "#222222", "#1b1b1b"),
    (bicycle, "bicycle", 20, True, "#2a7fba #d1495b #2e7d5b #30343f", "#30343f #444b59", "#8d5a2b", "#ffffff"),
    (umbrella, "umbrella", 35, True, "#7b2cbf #d1495b #2274a5 #e07a1f", "#40352c #5a4632", "#ffd166 #f4f1de", "#2b2140"),
    (anchor, "anchor", 30, True, "#1d3557 #33415c #274c77", "#457b9d", "#ffffff", "#ffffff"),
    (key, "key", 180, True, "#d4a017 #c08a10 #8a8f98", "#d4a017", "#ffffff", "#ffffff"),
    (bell, "bell", 28, True, "#f2b418 #e09f1f #ffca3a", "#b9770e #8a5a0a", "#8d99ae", "#fff3cd"),
    (moon, "moon", 40, True, "#f6e27a #f4d35e #e9ecef", "#ffffff", "#fff3b0", "#ffffff"),
    (sun, "sun", 180, True, "#ffb703 #ffc300 #ff9f1c", "#ff9500 #ffb703 #ffd166", "#ffffff", "#7a4300"),
    (snowflake, "snowflake", 180, True, "#4ea8de #a9d6f5 #e8f6ff #2f7fc1", "#caf0f8", "#ffffff", "#ffffff"),
    (rain_cloud, "rain cloud", 18, True, "#a7b4c2 #dfe7ee #7d8a99", "#ffffff", "#2f86d6 #4aa3df", "#ffffff"),
    (lightning, "lightning", 22, True, "#ffd60a #ffb703 #ffe45e", "#ffffff", "#ffffff", "#ffffff"),
    (house, "house", 18, True, "#f2d7a0 #e8e2d0 #d98e73 #a8c6d9", "#a23b2a #6b3e2e #44546a", "#ffffff", "#5b3a29 #3f5f7f"),
    (tree, "tree", 18, True, "#2d8a4a #3fa34d #1f6b3a #7aa52b", "#7a4a21 #5d3a1a", "#d62839 #ffb703", "#5d3a1a"),
    (leaf, "leaf", 180, True, "#4caf50 #7cb518 #d9822b #b5402a", "#4f6b1f #7a4a21", "#ffffff", "#eaf5d0"),
    (fish, "fish", 25, True, "#f3722c #2a9d8f #4d8fdb #f9c74f", "#d9480f #1d6f8a #f9844a", "#bde0fe", "#12263a"),
    (cat, "cat", 22, True, "#8d8d93 #e69a4c #3b3a40 #f0e4d2 #b9774a", "#d0b49f", "#f5a6b4", "#1c1c1c"),
    (cup, "cup", 18, True, "#b5483a #f1ede4 #3a6ea5 #5c8a5f", "#cfc6b8 #8a6f57", "#c9d1d9 #9aa5b1", "#ffffff"),
    (music_note, "music note", 22, False, "#1d1d24 #5a189a #c2185b #0b6e8a", "#5a189a", "#ffffff", "#ffffff"),
    (envelope, "envelope", 28, True, "#f7f3e8 #fff7df #cfe3f5 #f1c27d", "#e5dcc5 #b8d0e8", "#d62828", "#7a6f5a"),
    (padlock, "padlock", 22, True, "#e0a526 #c98a14 #47607a #b03a2e", "#8e9aa6 #6c7783", "#ffffff", "#2a2a2a"),
    (magnifier, "magnifying glass", 60, True, "#3f4a56 #8a929b #26547c", "#5c3d24 #2b2f36 #c1121f", "#d8eef7", "#ffffff"),
    (gear, "gear", 180, True, "#6c757d #495867 #9aa5b1 #b0703a", "#adb5bd", "#ffffff", "#dfe5ea"),
    (hourglass, "hourglass", 25, True, "#7a4a21 #5a3a22 #34495e", "#d9eef5 #eaf4f4", "#ffffff", "#d9a441 #e0b050"),
    (sailing_boat, "sailing boat", 18, True, "#fbfaf5 #f4e9d8 #e63946 #ffd166", "#8a4b2a #1d4e89 #b5302a", "#3a86c8 #e76f51", "#ffffff"),
    (rocket, "rocket", 60, True, "#eef1f4 #d9dee4 #b8c4d6", "#d62828 #1d5fa8 #e0631b", "#ff9f1c", "#2f7fc1 #1b3a5b"),
    (mushroom, "mushroom", 20, True, "#c1272d #d9432f #9c5a2e", "#f3e6cf #efe0c0", "#ffffff", "#fff6e6"),
    (traffic_light, "traffic light", 22, True, "#23272e #33393f #1e3a2f #e0b020", "#4a4f57 #6c757d", "#ffffff", "#ffffff"),
]

LABELS = [row[1] for row in CLASSES]


class Pictogram:
    """One drawn instance: its parts, in the box from -100 to 100, and how it likes to be shown."""

    def __init__(self, number, rng):
        draw, self.label, self.turn, self.flip, *colours = CLASSES[number]
        pen = Pen(rng)
        draw(pen)
        self.parts = pen.parts
        self.colours = {role: pen.pick(*text.split())
                        for role, text in zip(("main", "second", "accent", "mark"), colours)}
        self._fit()

    def _fit(self):
        """Centre the parts and scale them so that the longer side is 200."""
        around = skia.Rect()
        for part in self.parts:
            around.join(part.area().computeTightBounds())
        k = 200 / max(around.width(), around.height())
        m = skia.Matrix().setScale(k, k)
        m.preTranslate(-around.centerX(), -around.centerY())
        for part in self.parts:
            path = skia.Path(part.path)
            path.transform(m)
            part.path = path
            if part.width is not None:
                part.width *= k
