# SPDX-License-Identifier: Apache-2.0
"""Renders labelled pictures of the pictograms in pictograms.py, as a careless photographer would take them.

    python render.py --split train --seed 1 --count 48000 --out data
    python render.py --split show --seed 2026 --count 24 --size 192 --difficulty 0.35 --bits 6 --png --out pictures

A picture is made in the order in which the world makes it: a backdrop, a pictogram in some style laid
on it at some angle, perhaps something lying over it, light on everything, a lens that blurs, a sensor
that colours and adds noise, a file that loses detail.  Every step rolls its own dice.

Picture number i depends on (seed, split, i) and on nothing else: not on --count, not on the number of
processes, and its scene not on --size.  So a set can grow without changing, and splits cannot overlap.
The dice for the scene and for the sensor are separate, because the number of noise samples does
depend on the size.
"""

import argparse
import colorsys
import io
import json
import math
import multiprocessing
import pathlib

import numpy as np
import skia
from PIL import Image, ImageFilter

from pictograms import LABELS, TAU, Pictogram, poly, ray

SPLITS = {"train": 0, "val": 1, "test": 2, "show": 3}
SIZE = 64                 # what the model sees
HALF = 100                # pictograms live in -HALF..HALF


class Dice:
    def __init__(self, rng, difficulty):
        self.rng = rng
        self.d = difficulty     # 1 is what we train and test on; less is a kinder photographer

    def u(self, low, high):
        return float(self.rng.uniform(low, high))

    def n(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def odds(self, p):
        return bool(self.rng.random() < p)

    def trouble(self, p):
        """Like odds, for things that make the picture harder."""
        return bool(self.rng.random() < p * self.d)

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def seed(self):
        return float(self.rng.integers(1, 10000))


# Colours are (r, g, b) in 0..1.

def parse(text):
    return tuple(int(text[i:i + 2], 16) / 255 for i in (1, 3, 5))


def argb(rgb, alpha=1.0):
    r, g, b = (round(255 * min(1, max(0, c))) for c in rgb)
    return skia.Color(r, g, b, round(255 * alpha))


def hsv(h, s, v):
    return colorsys.hsv_to_rgb(h % 1, min(1, max(0, s)), min(1, max(0, v)))


def vary(rgb, dice, hue=.025, rest=.12):
    h, s, v = colorsys.rgb_to_hsv(*rgb)
    return hsv(h + dice.u(-hue, hue), s * (1 + dice.u(-rest, rest)), v * (1 + dice.u(-rest, rest)))


def mix(a, b, t):
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def light(rgb):
    return .30 * rgb[0] + .59 * rgb[1] + .11 * rgb[2]


def contrast(a, b):
    """0 for the same colour, 1 for black on white.  Lightness counts most, as it does for the eye."""
    hue = math.dist(a, b) / math.sqrt(3)
    return .7 * abs(light(a) - light(b)) + .3 * hue


def any_colour(dice):
    return hsv(dice.u(0, 1), dice.u(0, 1) ** .8, dice.u(.08, 1))


def readable_on(ground, dice, least=.36):
    """A colour that stands out from `ground`; black or white when luck does not provide one."""
    for _ in range(8):
        rgb = any_colour(dice)
        if contrast(rgb, ground) >= least:
            return rgb
    return (.07, .07, .09) if light(ground) > .5 else (.97, .97, .95)


# Backdrops.  Each fills the canvas, S pixels square, around one base colour.

def paint(rgb, alpha=1.0, **more):
    return skia.Paint(AntiAlias=True, Color=argb(rgb, alpha), **more)


def pen(rgb, width, alpha=1.0, **more):
    return paint(rgb, alpha, Style=skia.Paint.kStroke_Style, StrokeWidth=width,
                 StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join, **more)


def soft(sigma):
    return skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, max(sigma, .1))


def slope(dice, S, colours):
    a, m = dice.u(0, TAU), S / 2
    ends = [skia.Point(*ray(a + TAU / 2, m * 1.2, m, m)), skia.Point(*ray(a, m * 1.2, m, m))]
    return skia.GradientShader.MakeLinear(ends, colours)


def grain(canvas, dice, S, fx, fy, octaves, alpha, blend=skia.BlendMode.kOverlay):
    shader = skia.PerlinNoiseShader.MakeFractalNoise(fx / S, fy / S, octaves, dice.seed())
    # The noise comes in every colour and half transparent.  Most surfaces are uneven in lightness only,
    # so: one channel, stretched around its mean, opaque.  Now and then the colours stay, like confetti.
    grey = [1.1, 0, 0, 0, -.05] * 3 + [0, 0, 0, 0, 1]
    only = None if dice.odds(.15) else skia.ColorFilters.Matrix(grey)
    canvas.drawPaint(skia.Paint(Shader=shader, ColorFilter=only, Alphaf=alpha, BlendMode=blend))


def plain(canvas, dice, S, base):
    canvas.clear(argb(base))


def gradient(canvas, dice, S, base):
    other = mix(base, any_colour(dice), dice.u(.2, .7))
    if dice.odds(.6):
        shader = slope(dice, S, [argb(base), argb(other)])
    else:
        at = skia.Point(dice.u(0, S), dice.u(0, S))
        shader = skia.GradientShader.MakeRadial(at, S * dice.u(.6, 1.2), [argb(base), argb(other)])
    canvas.drawPaint(skia.Paint(Shader=shader, Dither=True))


def texture(canvas, dice, S, base):
    gradient(canvas, dice, S, base)
    f = dice.u(2, 22)
    grain(canvas, dice, S, f, f * dice.u(.6, 1.6), dice.n(2, 5), dice.u(.5, 1))


def wood(canvas, dice, S, base):
    brown = mix(hsv(dice.u(.04, .11), dice.u(.3, .7), dice.u(.3, .85)), base, .25)
    canvas.clear(argb(brown))
    f = dice.u(1, 3), dice.u(25, 60)
    if dice.odds(.5):
        f = f[::-1]
    grain(canvas, dice, S, *f, 4, 1)
    if dice.odds(.6):
        step = S * dice.u(.25, .5)
        for i in range(5):
            at = i * step + dice.u(0, step / 6)
            line = (0, at, S, at) if f[0] < f[1] else (at, 0, at, S)
            canvas.drawLine(*line, pen(mix(brown, (0, 0, 0), .6), S * .012, .7))


def paper(canvas, dice, S, base):
    sheet = mix(base, (1, .98, .93), dice.u(.7, .95))
    canvas.clear(argb(sheet))
    grain(canvas, dice, S, 12, 12, 3, .35)
    step, ink = S * dice.u(.07, .16), hsv(dice.u(.5, .65), dice.u(.1, .6), dice.u(.5, .8))
    across, down = dice.odds(.7), dice.odds(.5)
    canvas.save()
    canvas.rotate(dice.u(-20, 20), S / 2, S / 2)
    for i in range(-6, 24):
        at = i * step
        if across:
            canvas.drawLine(-S, at, 2 * S, at, pen(ink, S * .008, .5))
        if down:
            canvas.drawLine(at, -S, at, 2 * S, pen(ink, S * .008, .5))
    canvas.restore()


def pattern(canvas, dice, S, base):
    other = mix(base, any_colour(dice), dice.u(.15, .45))
    canvas.clear(argb(base))
    canvas.save()
    canvas.rotate(dice.u(-45, 45), S / 2, S / 2)
    step, kind = S * dice.u(.09, .24), dice.n(0, 3)
    cells = range(-8, int(S / step) + 9)
    for i in cells:
        if kind == 0:
            canvas.drawRect(skia.Rect.MakeXYWH(i * step, -S, step * .5, 3 * S), paint(other))
            continue
        for j in cells:
            x, y = i * step, j * step
            if kind == 1 and (i + j) % 2:
                canvas.drawRect(skia.Rect.MakeXYWH(x, y, step, step), paint(other))
            elif kind == 2:
                canvas.drawCircle(x + step / 2 * (j % 2), y, step * .24, paint(other))
            elif kind == 3:      # bricks or tiles
                tone = mix(base, other, dice.u(0, 1))
                canvas.drawRect(skia.Rect.MakeXYWH(2 * x + step * (j % 2), y, step * 1.9, step * .9), paint(tone))
    canvas.restore()
    if dice.odds(.4):
        grain(canvas, dice, S, 10, 10, 3, .6)


def lights(canvas, dice, S, base):
    dark = mix(base, (0, 0, 0), dice.u(.1, .7))
    canvas.clear(argb(dark))
    for _ in range(dice.n(6, 18)):
        glow = mix(base, hsv(dice.u(0, 1), dice.u(.2, .8), 1), dice.u(.3, .7))
        r = S * dice.u(.03, .16)
        canvas.drawCircle(dice.u(0, S), dice.u(0, S), r, paint(glow, dice.u(.1, .5), MaskFilter=soft(r * dice.u(.05, .5))))


def clutter(canvas, dice, S, base):
    gradient(canvas, dice, S, base)
    for _ in range(dice.n(6, 22)):
        tone = mix(base, any_colour(dice), dice.u(.15, .5))
        x, y, r, kind = dice.u(0, S), dice.u(0, S), S * dice.u(.04, .26), dice.n(0, 3)
        blur = soft(S * dice.u(0, .02)) if dice.odds(.6) else None
        if kind == 0:
            canvas.drawLine(x, y, *ray(dice.u(0, TAU), 3 * r, x, y), pen(tone, S * dice.u(.01, .05), MaskFilter=blur))
        elif kind == 1:
            canvas.drawCircle(x, y, r, pen(tone, S * dice.u(.01, .04), MaskFilter=blur))
        else:
            corners = sorted(dice.u(0, TAU) for _ in range(dice.n(3, 5)))
            canvas.drawPath(poly([ray(a, r, x, y) for a in corners]), paint(tone, dice.u(.5, 1), MaskFilter=blur))


def outdoors(canvas, dice, S, base):
    sky = mix(hsv(dice.u(.5, .62), dice.u(.15, .55), dice.u(.55, 1)), base, .3)
    ends = [skia.Point(0, 0), skia.Point(0, S * .7)]
    canvas.drawPaint(skia.Paint(Shader=skia.GradientShader.MakeLinear(ends, [argb(sky), argb(mix(sky, (1, 1, 1), .5))])))
    y = S * dice.u(.45, .8)
    for i in range(dice.n(1, 3)):
        ground = mix(hsv(dice.u(.08, .38), dice.u(.2, .6), dice.u(.25, .7)), base, .25)
        hill = skia.Path()
        hill.moveTo(0, S)
        hill.lineTo(0, y)
        hill.cubicTo(S * .3, y - S * dice.u(-.1, .2), S * .7, y + S * dice.u(-.15, .15), S, y + S * dice.u(-.1, .1))
        hill.lineTo(S, S)
        canvas.drawPath(hill, paint(ground, MaskFilter=soft(S * dice.u(.002, .02))))
        y += S * .14
    if dice.odds(.6):
        grain(canvas, dice, S, 14, 14, 4, .5)


BACKDROPS = (plain, gradient, gradient, texture, texture, wood, paper, pattern, pattern, lights, clutter,
             clutter, outdoors)


# Styles: how the roles of a pictogram turn into ink.

class Look:
    """The dice that decide how one pictogram is drawn, rolled against the ground it will lie on."""

    def __init__(self, dice, pic, ground, kind):
        self.kind = kind
        self.ink = readable_on(ground, dice, .46)
        self.stroke = dice.u(5, 10)
        self.rough = dice.u(.8, 2.2) if dice.odds(.22) else 0
        self.seed = dice.n(1, 9999)
        self.shaded = dice.odds(.5)
        self.shade_angle = dice.u(.6, 2.6)
        self.gap = dice.u(4, 7)
        self.fixed = {}
        if dice.odds(.62):
            self.colours = {role: vary(parse(text), dice) for role, text in pic.colours.items()}
        else:
            main = readable_on(ground, dice, .28)
            second = vary(readable_on(main, dice, .22), dice)
            self.colours = {"main": main, "second": second, "accent": readable_on(main, dice, .25), "mark": main}
        # A mark that cannot be told from the body it lies on would be a mark lost.
        if contrast(self.colours["mark"], self.colours["main"]) < .3:
            self.colours["mark"] = (.98, .98, .96) if light(self.colours["main"]) < .55 else (.08, .08, .1)
        for role in ("second", "accent"):
            if contrast(self.colours[role], self.colours["main"]) < .1 and dice.odds(.6):
                self.colours[role] = mix(self.colours["main"], self.ink, .45)
        weak = min(contrast(self.colours[r], ground) for r in ("main", "second")) < .2
        self.outline = None       # around each part
        self.border = None        # around the whole, as on a sticker
        if kind == "drawn":
            dark = mix(self.colours["main"], (0, 0, 0), dice.u(.6, 1))
            self.outline = dark if contrast(dark, ground) > .2 or dice.odds(.3) else (.97, .97, .95)
            weak = weak and contrast(self.outline, ground) < .25
        if kind in ("flat", "drawn") and (weak or dice.odds(.12)):
            rim = (.98, .98, .97) if light(ground) < .6 else mix(self.colours["main"], (0, 0, 0), .75)
            if contrast(rim, ground) < .25:
                rim = readable_on(ground, dice, .4)
            self.border = rim, dice.u(9, 18)

    def effect(self):
        return skia.DiscretePathEffect.Make(7, self.rough, self.seed) if self.rough else None

    def fill(self, part, area):
        rgb = parse(part.colour) if part.colour else self.colours[part.role]
        brush = paint(rgb, PathEffect=self.effect())
        if self.shaded:
            r = area.getBounds()
            span = max(r.width(), r.height()) / 2
            ends = [skia.Point(*ray(self.shade_angle + TAU / 2, span, r.centerX(), r.centerY())),
                    skia.Point(*ray(self.shade_angle, span, r.centerX(), r.centerY()))]
            brush.setShader(skia.GradientShader.MakeLinear(
                ends, [argb(mix(rgb, (1, 1, 1), .28)), argb(mix(rgb, (0, 0, 0), .3))]))
        return brush


def draw_pictogram(canvas, pic, look):
    areas = [(part, part.area()) for part in pic.parts]
    if look.border:
        rgb, width = look.border
        for part, area in areas:
            canvas.drawPath(area, pen(rgb, 2 * width))
            canvas.drawPath(area, paint(rgb))
    if look.kind in ("flat", "drawn"):
        for part, area in areas:
            if look.outline and part.role != "mark":
                canvas.drawPath(area, pen(look.outline, look.stroke * 1.3, PathEffect=look.effect()))
            canvas.drawPath(area, look.fill(part, area))
        return
    # One ink.  Parts are kept apart by what is erased, so this needs a layer of its own.
    erase = skia.BlendMode.kDstOut
    canvas.saveLayer()
    last = areas[0][0].role
    for part, area in areas:
        if look.kind == "glyph":
            if part.role == "mark":
                canvas.drawPath(area, paint((0, 0, 0), BlendMode=erase))
            else:
                if part.role != last:      # parts of one role belong together, like the tubes of a bicycle
                    last = part.role
                    canvas.drawPath(area, pen((0, 0, 0), 2 * look.gap, BlendMode=erase))
                canvas.drawPath(area, paint(look.ink, PathEffect=look.effect()))
        else:                     # "line"
            thin = part.width is not None and part.width < 2.4 * look.stroke
            bounds = area.getBounds()
            small = max(bounds.width(), bounds.height()) < 4 * look.stroke
            if thin:
                canvas.drawPath(part.path, pen(look.ink, look.stroke, PathEffect=look.effect()))
            elif small and part.role == "mark":
                canvas.drawPath(area, paint(look.ink))
            else:
                canvas.drawPath(area, paint((0, 0, 0), BlendMode=erase))
                canvas.drawPath(area, pen(look.ink, look.stroke, PathEffect=look.effect()))
    canvas.restore()


def plate(dice):
    """A board to put a pictogram on, and how much of the board the pictogram may take."""
    kind = dice.n(0, 3)
    if kind == 0:
        return skia.Path().addCircle(0, 0, 100), dice.u(.56, .64)
    if kind == 1:
        r = skia.Rect(-100, -100, 100, 100)
        return skia.Path().addRoundRect(r, *[dice.u(0, 45)] * 2), dice.u(.66, .8)
    if kind == 2:
        return poly([(0, -104), (104, 0), (0, 104), (-104, 0)], dice.u(4, 16)), dice.u(.46, .54)
    w = dice.u(86, 100)
    return poly([(-w, -100), (w, -100), (w, 20), (w * .5, 80), (0, 100), (-w * .5, 80), (-w, 20)], 12), dice.u(.6, .66)


def placement(dice, pic, S, span, centre):
    """From pictogram units to pixels: scale, mirror, shear, turn, tilt away, move."""
    m = skia.Matrix()
    m.preTranslate(*centre)
    m.preRotate(dice.u(-1, 1) * pic.turn * (1 if pic.turn == 180 else dice.d))
    tilt = .0022 * dice.d      # at 1, an edge may be one and a half times as near as the other
    m.preConcat(skia.Matrix().setAll(1, 0, 0, 0, 1, 0, dice.u(-tilt, tilt), dice.u(-tilt, tilt), 1))
    m.preSkew(dice.u(-.16, .16) * dice.d, dice.u(-.06, .06) * dice.d)
    k = span * S / (2 * HALF)
    flip = -1 if pic.flip and dice.odds(.5) else 1
    m.preScale(k * flip * dice.u(.86, 1.08), k * dice.u(.9, 1.08))
    return m


def occlude(canvas, dice, S, centre, reach):
    """Something lies over the edge of the pictogram, or a bar runs across it."""
    rgb = any_colour(dice)
    if dice.odds(.3):
        a = dice.u(0, TAU)
        off = reach * dice.u(-.7, .7)
        x, y = ray(a + TAU / 4, off, *centre)
        ends = ray(a, 2 * S, x, y) + ray(a + TAU / 2, 2 * S, x, y)
        canvas.drawLine(*ends, pen(rgb, S * dice.u(.015, .05)))
        return
    a = dice.u(0, TAU)
    r = reach * dice.u(.25, .6)
    x, y = ray(a, reach * dice.u(.85, 1.1), *centre)
    corners = sorted(dice.u(0, TAU) for _ in range(dice.n(5, 8)))
    shape = poly([ray(c, r * dice.u(.7, 1), x, y) for c in corners], r * .4) if dice.odds(.6) else \
        skia.Path().addCircle(x, y, r * .7)
    canvas.drawPath(shape, paint((0, 0, 0), .35, MaskFilter=soft(S * .03)))
    canvas.drawPath(shape, paint(rgb))


def shine(canvas, dice, S):
    """Light: a slope over the picture, a shadow's edge, a lamp, a bright spot."""
    multiply, screen = skia.BlendMode.kMultiply, skia.BlendMode.kScreen
    if dice.trouble(.75):
        dim = 1 - dice.u(.05, .65) * dice.d
        shader = slope(dice, S, [argb((1, 1, 1)), argb((dim, dim, dim * dice.u(.95, 1.05)))])
        canvas.drawPaint(skia.Paint(Shader=shader, BlendMode=multiply))
    if dice.trouble(.3):
        dim = 1 - dice.u(.2, .55) * dice.d
        a, off = dice.u(0, TAU), dice.u(-.4, .4) * S
        x, y = ray(a, off, S / 2, S / 2)
        path = poly([ray(a + TAU / 4, 2 * S, x, y), ray(a - TAU / 4, 2 * S, x, y),
                     ray(a - TAU / 8, 3 * S, x, y), ray(a + TAU / 8, 3 * S, x, y)])
        canvas.drawPath(path, paint((dim, dim, dim), BlendMode=multiply, MaskFilter=soft(S * dice.u(.005, .06))))
    if dice.trouble(.25):
        at = skia.Point(dice.u(0, S), dice.u(0, S))
        dim = 1 - dice.u(.3, .8) * dice.d
        colours = [argb((1, 1, 1)), argb((dim, dim, dim))]
        shader = skia.GradientShader.MakeRadial(at, S * dice.u(.7, 1.2), colours)
        canvas.drawPaint(skia.Paint(Shader=shader, BlendMode=multiply))
    if dice.trouble(.2):
        at, r = skia.Point(dice.u(0, S), dice.u(0, S)), S * dice.u(.15, .5)
        glow = dice.u(.2, .6) * dice.d
        shader = skia.GradientShader.MakeRadial(at, r, [argb((1, 1, .95), glow), argb((1, 1, .95), 0)])
        canvas.drawPaint(skia.Paint(Shader=shader, BlendMode=screen))


def scene(number, dice, S):
    """Everything in front of the lens, S pixels square; uint8 [S, S, 3]."""
    surface = skia.Surface(S, S)
    canvas = surface.getCanvas()
    pic = Pictogram(number, dice.rng)

    kind = dice.pick("flat", "flat", "drawn", "drawn", "glyph", "glyph", "line", "neon")
    base = any_colour(dice)
    if kind == "neon":
        base = mix(base, (.02, .02, .05), .8)
    dice.pick(*BACKDROPS)(canvas, dice, S, base)
    if kind == "neon":
        canvas.drawColor(argb((.02, .02, .05), .45))

    span = dice.u(.56 + .1 * (1 - dice.d), .92)
    loose = max(.02, (1.02 - span) / 2) * S * (.5 + .5 * dice.d)
    centre = S / 2 + dice.u(-loose, loose), S / 2 + dice.u(-loose, loose)
    matrix = placement(dice, pic, S, span, centre)

    seen = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[S // 6:-S // 6, S // 6:-S // 6, :3] / 255
    ground = tuple(float(c) for c in seen.mean((0, 1)))
    busy = float((seen @ np.array([.30, .59, .11])).std()) > .11

    # Signs are boards already, and need no other; on a busy ground a thin drawing needs one.
    sign = pic.label in ("stop sign", "warning sign")
    board = None
    if kind != "neon" and not sign and dice.odds(.75 if busy and kind in ("glyph", "line") else .22):
        board, share = plate(dice)
        board_rgb = readable_on(ground, dice, .16)
        ground = board_rgb
    if sign and kind in ("glyph", "line") and dice.odds(.5):
        kind = "flat"
    look = Look(dice, pic, ground, "line" if kind == "neon" else kind)
    if busy and not board and kind in ("flat", "drawn", "glyph", "line") and not look.border and dice.odds(.6):
        look.border = readable_on(look.ink if kind in ("glyph", "line") else look.colours["main"], dice, .4), dice.u(8, 16)
    if kind == "neon":
        look.ink = hsv(dice.u(0, 1), dice.u(.1, .9), 1)

    layer = None
    if dice.odds(.5):
        a, far, sigma = dice.u(0, TAU), S * dice.u(.005, .045), S * dice.u(.002, .03)
        shade = argb((0, 0, 0), dice.u(.25, .7))
        layer = skia.Paint(ImageFilter=skia.ImageFilters.DropShadow(*ray(a, far), sigma, sigma, shade))
    if kind == "neon":
        sigma = S * dice.u(.015, .045)
        layer = skia.Paint(ImageFilter=skia.ImageFilters.DropShadow(0, 0, sigma, sigma, argb(look.ink, .95)))
    canvas.saveLayer(None, layer)
    canvas.concat(matrix)
    if board:
        canvas.drawPath(board, paint(board_rgb))
        if dice.odds(.5):
            canvas.save()
            canvas.scale(.91, .91)
            canvas.drawPath(board, pen(look.ink, dice.u(3, 7)))
            canvas.restore()
        canvas.scale(share, share)
    elif kind in ("flat", "glyph") and dice.odds(.12):      # thickness: the same shape, stacked
        x, y = ray(dice.u(0, TAU), dice.u(1, 3))
        side = mix(look.ink if kind == "glyph" else look.colours["main"], (0, 0, 0), .5)
        for i in range(dice.n(4, 8), 0, -1):
            canvas.save()
            canvas.translate(i * x, i * y)
            for part in pic.parts:
                if part.role != "mark":
                    canvas.drawPath(part.area(), paint(side))
            canvas.restore()
    draw_pictogram(canvas, pic, look)
    canvas.restore()

    if dice.trouble(.25):
        occlude(canvas, dice, S, centre, span * S / 2)
    shine(canvas, dice, S)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3]


# Lens, sensor, file.

def shrink(pixels, size, dice):
    """Different cameras and programs resize differently; the model should not care."""
    how = dice.pick(Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    return Image.fromarray(pixels).resize((size, size), how)


def lens(pixels, dice):
    S = pixels.shape[0]
    if dice.trouble(.45):
        sigma = S * dice.u(.002, .021) * dice.d
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))
    if dice.trouble(.2):
        a, far = dice.u(0, TAU), S * dice.u(.01, .06) * dice.d
        steps = [ray(a, far * (i / 6 - .5)) for i in range(7)]
        total = sum(np.roll(pixels.astype(np.float32), (round(y), round(x)), (0, 1)) for x, y in steps)
        pixels = (total / 7 + .5).astype(np.uint8)
    return pixels


def sensor(image, dice):
    x = np.asarray(image).astype(np.float32) / 255
    size, d = x.shape[0], dice.d
    cast = np.array([dice.u(-.16, .16), dice.u(-.07, .07), dice.u(-.16, .16)], np.float32) * d
    x = x * (1 + cast)
    if dice.trouble(.15):          # grey weather, or nearly black and white
        x += (x.mean(2, keepdims=True) - x) * dice.u(.3, 1)
    # Cameras expose for the bright parts, mostly well.
    bright = float(np.quantile(x @ np.array([.30, .59, .11], np.float32), .97))
    target = dice.u(.25, .5) if dice.trouble(.08) else dice.u(.6, 1)
    x *= min(max(target / max(bright, .02), .8), 6)
    x = np.clip(x, 0, 1) ** (2 ** (dice.u(-.6, .4) * d))
    x = (x - .5) * (1 + dice.u(-.35, .25) * d) + .5 + dice.u(-.1, .1) * d
    if dice.trouble(.7):
        sigma = dice.u(0, .06) * d * (1.6 if dice.odds(.1) else 1)
        noise = dice.rng.standard_normal((size, size, 3), np.float32)
        if dice.odds(.3):          # coarse grain, as from a sensor that was enlarged
            half = dice.rng.standard_normal((size // 2, size // 2, 3), np.float32)
            noise = half.repeat(2, 0).repeat(2, 1)
        if dice.odds(.4):
            noise[:] = noise[..., :1]
        x += sigma * noise * np.sqrt(np.clip(x, .1, 1)) * 1.2
    return Image.fromarray((np.clip(x, 0, 1) * 255 + .5).astype(np.uint8))


def compress(image, dice):
    if not dice.trouble(.5):
        return image
    file = io.BytesIO()
    image.save(file, "JPEG", quality=round(95 - dice.u(0, 65) * dice.d))
    return Image.open(file).convert("RGB")


def label_of(seed, split, index):
    """Every class equally often, in an order that the seed decides."""
    order = np.random.default_rng([seed, SPLITS[split], 0]).permutation(len(LABELS))
    return int(order[index % len(LABELS)])


def render(seed, split, index, size=SIZE, difficulty=1.0):
    """Picture number `index` and its class; uint8 [size, size, 3]."""
    number = label_of(seed, split, index)
    key = [seed, SPLITS[split], 1 + index]
    front = Dice(np.random.default_rng(key + [0]), difficulty)
    behind = Dice(np.random.default_rng(key + [1]), difficulty)
    pixels = lens(scene(number, front, 2 * size), behind)
    image = compress(sensor(shrink(pixels, size, behind), behind), behind)
    return np.asarray(image), number


def job(args):
    return render(*args)


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--split", choices=SPLITS, default="train", help="streams that never share a picture")
    ask.add_argument("--count", type=int, default=1000)
    ask.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    ask.add_argument("--size", type=int, default=SIZE)
    ask.add_argument("--difficulty", type=float, default=1.0, help="0 is a clean picture, 1 the usual trouble")
    ask.add_argument("--png", action="store_true", help="files and index.json instead of one .npz")
    ask.add_argument("--bits", type=int, default=8, choices=range(4, 9),
                     help="with --png, bits kept per channel: noise is most of a file, and its last bits show least")
    ask.add_argument("--jobs", type=int, default=1)
    ask = ask.parse_args()

    ask.out.mkdir(parents=True, exist_ok=True)
    todo = [(ask.seed, ask.split, i, ask.size, ask.difficulty) for i in range(ask.count)]
    if ask.jobs > 1:
        with multiprocessing.Pool(ask.jobs) as pool:
            done = list(pool.imap(job, todo, chunksize=64))
    else:
        done = [job(one) for one in todo]

    if not ask.png:
        np.savez(ask.out / f"{ask.split}-{ask.seed}.npz", images=np.stack([image for image, _ in done]),
                 labels=np.array([number for _, number in done], np.int64))
        return
    index = []
    for i, (image, number) in enumerate(done):
        name = f"{i + 1:02d}-{LABELS[number].replace(' ', '-')}.png"
        drop = 8 - ask.bits
        image = (image >> drop << drop) | (image >> ask.bits)      # white stays white
        Image.fromarray(image).save(ask.out / name, optimize=True)
        index.append({"file": name, "label": LABELS[number]})
    about = {"seed": ask.seed, "split": ask.split, "size": ask.size, "difficulty": ask.difficulty, "pictures": index}
    (ask.out / "index.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
