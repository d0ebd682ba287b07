/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <float.h>
#include <math.h>

static const float odd[] = {
    0.0f, -0.0f, 1, -1, 0.5f, -6, 6, 1e-40f, -1e-40f, FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN,
    88.7f, 88.8f, -87.4f, -103.9f, -104.1f, 200, -200, 1e20f, -1e20f, 0x1p-126f, 0x1p-149f,
};
enum { ODD = sizeof odd / sizeof *odd };

/* ---- Two operands ---------------------------------------------------------------------------- */

typedef void binary(float *, const float *, size_t, const float *, size_t, size_t);

/* Bits of NaN may differ (which operand's payload survives is the machine's choice). */
static void check_bits(const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK((isnan(got[i]) && isnan(want[i])) || hn_same_bits(got + i, want + i, sizeof *got));
}

static void each_operand(binary *f, binary *plain, float (*one)(float, float))
{
    for (size_t n = 0; n <= 70; n++)
        for (size_t form = 0; form < 4; form++) {
            size_t sa = form & 1, sb = form >> 1;
            float *a = hn_noise(sa ? n : 1, -4, 4), *b = hn_noise(sb ? n : 1, -4, 4);
            float *out = hn_guarded(n * sizeof *out), *want = hn_guarded(n * sizeof *out);
            f(out, a, sa, b, sb, n);
            for (size_t i = 0; i < n; i++)
                want[i] = one(a[i * sa], b[i * sb]);
            check_bits(out, want, n);
            plain(out, a, sa, b, sb, n);
            check_bits(out, want, n);
            if (sa) {                                    /* in place, on either side */
                f(a, a, sa, b, sb, n);
                check_bits(a, want, n);
            } else if (sb) {
                f(b, a, sa, b, sb, n);
                check_bits(b, want, n);
            }
        }
    float *a = hn_floats(ODD * ODD), *b = hn_floats(ODD * ODD), *out = hn_floats(ODD * ODD), *want = hn_floats(ODD * ODD);
    for (size_t i = 0; i < ODD * ODD; i++) {
        a[i] = odd[i / ODD];
        b[i] = odd[i % ODD];
        want[i] = one(a[i], b[i]);
    }
    f(out, a, 1, b, 1, ODD * ODD);
    check_bits(out, want, ODD * ODD);
}

static float add(float a, float b) { return a + b; }
static float sub(float a, float b) { return a - b; }
static float mul(float a, float b) { return a * b; }
static float quotient(float a, float b) { return a / b; }
static float least(float a, float b) { return isnan(a) || a < b ? a : b; }
static float greatest(float a, float b) { return isnan(a) || a > b ? a : b; }

KERNEL_TEST(add_f32) { each_operand(k->add_f32, plain->add_f32, add); }
KERNEL_TEST(sub_f32) { each_operand(k->sub_f32, plain->sub_f32, sub); }
KERNEL_TEST(mul_f32) { each_operand(k->mul_f32, plain->mul_f32, mul); }
KERNEL_TEST(div_f32) { each_operand(k->div_f32, plain->div_f32, quotient); }
KERNEL_TEST(min_f32) { each_operand(k->min_f32, plain->min_f32, least); }
KERNEL_TEST(max_f32) { each_operand(k->max_f32, plain->max_f32, greatest); }

KERNEL_TEST(lerp_f32)
{
    for (size_t n = 0; n <= 70; n++) {
        float *a = hn_noise(n, -2, 2), *b = hn_noise(n, -2, 2), *out = hn_guarded(n * sizeof *out);
        float t = (float)n / 70;
        k->lerp_f32(out, a, b, t, n);
        for (size_t i = 0; i < n; i++) {
            float step = (b[i] - a[i]) * t;
            CHECK(out[i] == a[i] + step);
        }
        k->lerp_f32(a, a, b, t, n);
        CHECK(hn_same_bits(a, out, n * sizeof *a));
    }
}

/* ---- One operand ------------------------------------------------------------------------------- */

typedef struct unary { const hn_kernels *k; hn_act act; void (*f)(float *, const float *, size_t); } unary;

static void apply(const unary *u, float *out, const float *in, size_t n)
{
    if (u->f)
        u->f(out, in, n);
    else
        u->k->act_f32(out, in, n, u->act);
}

/* Every length, in place or not, gives an element the bits it has alone. */
static void each_length(const unary *u)
{
    for (size_t n = 0; n <= 70; n++) {
        float *in = hn_noise(n, -9, 9), *out = hn_guarded(n * sizeof *out);
        apply(u, out, in, n);
        for (size_t i = 0; i < n; i++) {
            float alone;
            apply(u, &alone, in + i, 1);
            CHECK(hn_same_bits(&alone, out + i, sizeof alone));
        }
        apply(u, in, in, n);
        CHECK(hn_same_bits(in, out, n * sizeof *in));
    }
}

/* Largest error over a sweep of [-limit, limit], every exponent below that, and the odd ones.
 * error(got, true value, x) says what counts. */
static double sweep(const unary *u, float limit, double (*truth)(const unary *, double),
                    double (*error)(float, double, float))
{
    enum { N = 4096 };
    float *in = hn_floats(N), *out = hn_floats(N);
    double most = 0;
    for (int pass = 0; pass < 102; pass++) {
        for (size_t i = 0; i < N; i++) {
            size_t step = (size_t)pass * N + i;
            uint32_t bits = (uint32_t)(step % (N * 50)) * 20971u;        /* all exponents, both signs */
            if (pass < 50)
                in[i] = limit * ((float)step * (2.0f / (50 * N)) - 1);
            else if (pass < 100)
                memcpy(&in[i], &bits, sizeof bits);
            else
                in[i] = odd[i % ODD];
        }
        apply(u, out, in, N);
        for (size_t i = 0; i < N; i++) {
            double want = truth(u, (double)in[i]);
            double e = isnan(want) || isnan(out[i]) ? (isnan(want) && isnan(out[i]) ? 0 : INFINITY)
                     : error(out[i], want, in[i]);
            if (e > 1e3)
                print_message("%s: f(%g) is %g, not %g\n", u->k->isa, (double)in[i], (double)out[i], want);
            most = e > most ? e : most;
        }
    }
    return most;
}

/* Units in the last place of the true value. */
static double ulps(float got, double want, float x)
{
    (void)x;
    if (isinf(got) || fabs(want) > (double)FLT_MAX)
        return (double)got == (double)(float)want ? 0 : INFINITY;
    int e;
    frexp(want, &e);
    return fabs((double)got - want) / ldexp(1, e - 24 > -149 ? e - 24 : -149);
}
static double absolute(float got, double want, float x) { (void)x; return (double)got == want ? 0 : fabs((double)got - want); }
static double per_x(float got, double want, float x)
{
    return (double)got == (double)(float)want ? 0 : fabs((double)got - want) / fmax(1, fabs((double)x));
}

static double true_exp(const unary *u, double x) { (void)u; return exp(x); }
static double true_erf(const unary *u, double x) { (void)u; return erf(x); }
static double true_sqrt(const unary *u, double x) { (void)u; return sqrt(x); }
static double true_act(const unary *u, double x) { return hn_act_apply(u->act, x); }

KERNEL_TEST(exp_f32)
{
    unary u = { .k = k, .f = k->exp_f32 };
    each_length(&u);
    double e = sweep(&u, 110, true_exp, ulps);
    print_message("%s: exp within %.2f ulp\n", k->isa, e);
    CHECK(e <= 2);
}

KERNEL_TEST(erf_f32)
{
    unary u = { .k = k, .f = k->erf_f32 };
    each_length(&u);
    double e = sweep(&u, 5, true_erf, absolute);
    print_message("%s: erf within %.2g\n", k->isa, e);
    CHECK(e <= 2e-7);
}

KERNEL_TEST(sqrt_f32)
{
    unary u = { .k = k, .f = k->sqrt_f32 };
    float x[2] = { 2, 1e-40f }, y[2];
    u.f(y, x, 2);
    CHECK(y[0] == sqrtf(2) && y[1] == sqrtf(1e-40f));
    CHECK(sweep(&u, 100, true_sqrt, ulps) <= 0.5);
}

KERNEL_TEST(act_f32)
{
    static const struct { hn_act act; double bound; double (*error)(float, double, float); } list[] = {
        { { HN_ACT_NONE, 0, 0 }, 0, absolute },           { { HN_ACT_CLIP, -1, 6 }, 0, absolute },
        { { HN_ACT_CLIP, 0, INFINITY }, 0, absolute },    { { HN_ACT_LEAKY, 0.01f, 0 }, 0.5, ulps },
        { { HN_ACT_SIGMOID, 0, 0 }, 2e-7, absolute },     { { HN_ACT_TANH, 0, 0 }, 2e-7, absolute },
        { { HN_ACT_SILU, 0, 0 }, 4e-7, per_x },           { { HN_ACT_HARDSIGMOID, 0.2f, 0.5f }, 2e-7, absolute },
        { { HN_ACT_HARDSWISH, 0, 0 }, 4e-7, per_x },      { { HN_ACT_GELU, 0, 0 }, 4e-7, per_x },
        { { HN_ACT_GELU_TANH, 0, 0 }, 4e-7, per_x },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        unary u = { .k = k, .act = list[i].act };
        each_length(&u);
        double e = sweep(&u, 12, true_act, list[i].error);
        print_message("%s: %s within %.2g\n", k->isa, hn_act_name(u.act.kind), e);
        CHECK(e <= list[i].bound);
    }
}

static void check_tanh_small(const hn_kernels *k, const hn_kernels *plain)
{
    unary u = { .k = k, .act = { HN_ACT_TANH, 0, 0 } };
    (void)plain;
    CHECK(sweep(&u, 2, true_act, ulps) <= 4);            /* relative, down to denormals */
}
TEST(tanh_keeps_small_digits) { hn_test_each_isa(check_tanh_small); }

static void check_plain_acts(const hn_kernels *k, const hn_kernels *plain)
{
    static const hn_act acts[] = {
        { HN_ACT_CLIP, -1, 1 }, { HN_ACT_LEAKY, 0.3f, 0 }, { HN_ACT_HARDSIGMOID, 0.2f, 0.5f }, { HN_ACT_HARDSWISH, 0, 0 },
    };
    float *in = hn_noise(1000, -8, 8), *one = hn_floats(1000), *two = hn_floats(1000);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        k->act_f32(one, in, 1000, acts[i]);
        plain->act_f32(two, in, 1000, acts[i]);
        CHECK(hn_same_bits(one, two, 1000 * sizeof *one));
    }
}
TEST(piecewise_activations_have_the_same_bits_everywhere) { hn_test_each_isa(check_plain_acts); }
