/* SPDX-License-Identifier: Apache-2.0 */
/* fixed16.c: a number with i bits before the point is raw / 2^(15 - i). */
#include "graph/fixed16.h"

enum { ONE = INT16_MAX, ONE_2 = 1 << 13 };       /* 1 with no bits, and with 2 bits before the point */

static int16_t saturate(int32_t x) { return x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : (int16_t)x; }

/* The product has as many bits before the point as both together. */
static int16_t mul(int16_t a, int16_t b)
{
    int32_t ab = (int32_t)a * b;
    if (a == INT16_MIN && b == INT16_MIN)
        return INT16_MAX;
    return (int16_t)((ab + (ab >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}

/* Sums of which it is known that they fit, or wrap like the machine. */
static int16_t add(int16_t a, int16_t b) { return (int16_t)(uint16_t)((uint16_t)a + (uint16_t)b); }
static int16_t sub(int16_t a, int16_t b) { return (int16_t)(uint16_t)((uint16_t)a - (uint16_t)b); }

static int16_t shift_down(int16_t x, int bits)   /* halves away from zero */
{
    int mask = (1 << bits) - 1, rest = x & mask;
    return (int16_t)((x >> bits) + (rest > (mask >> 1) + (x < 0)));
}

static int16_t shift_up(int16_t x, int bits) { return saturate((int32_t)x * (1 << bits)); }

/* A constant given with 31 bits. */
static int16_t constant(int32_t v) { return (int16_t)((v + (1 << 15)) >> 16); }

/* exp(x) for x from -1/4 to 0, no bits before the point: the series around -1/8. */
static int16_t exp_small(int16_t a)
{
    int16_t top = constant(1895147668), third = constant(715827883);        /* exp(-1/8), 1/3 */
    int16_t x = add(a, 1 << 12), x2 = mul(x, x), x3 = mul(x2, x), x4 = mul(x2, x2);
    int16_t rest = shift_down(add(mul(add(shift_down(x4, 2), x3), third), x2), 1);
    return saturate(top + mul(top, add(x, rest)));
}

/* exp(x) for x up to 0 with `bits` bits before the point: the quarters of x become factors. */
static int16_t exp_negative(int16_t x, int bits)
{
    static const int32_t factors[] = {           /* exp of -1/4, -1/2, -1, -2, -4, -8 */
        1672461947, 1302514674, 790015084, 290630308, 39332535, 720401,
    };
    int fraction = 15 - bits;
    int16_t quarter = (int16_t)(1 << (fraction - 2));
    int16_t part = sub(x & (quarter - 1), quarter), rest = sub(part, x);
    int16_t y = exp_small(shift_up(part, bits));
    for (int e = -2; e < bits; e++)
        if (rest >> (fraction + e) & 1)
            y = mul(y, constant(factors[e + 2]));
    return x == 0 ? ONE : y;
}

/* 2 / (1 + a) for a from 0 to 1, with 2 bits before the point: Newton's steps from a line. */
static int16_t two_over_one_plus(int16_t a)
{
    int32_t sum = (int32_t)a + ONE;
    int16_t half = (int16_t)((sum + 1) / 2);
    int16_t x = add(constant(1515870810), mul(half, constant(-1010580540)));      /* 48/17, -32/17 */
    for (int i = 0; i < 3; i++)
        x = add(x, shift_up(mul(x, sub(ONE_2, mul(half, x))), 2));
    return x;
}

static int16_t magnitude(int16_t x) { return x > 0 ? x : sub(0, x); }

int16_t hn_sigmoid_16(int16_t x)
{
    if (x == 0)
        return 1 << 14;
    int16_t y = shift_up(two_over_one_plus(exp_negative(sub(0, magnitude(x)), 3)), 1);
    return x > 0 ? y : sub(ONE, y);
}

int16_t hn_tanh_16(int16_t x)
{
    if (x == 0)
        return 0;
    /* 2 x is x with a bit more before the point. */
    int16_t y = shift_up(sub(two_over_one_plus(exp_negative(sub(0, magnitude(x)), 4)), ONE_2), 2);
    return x > 0 ? y : sub(0, y);
}
