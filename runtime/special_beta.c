/* SPDX-License-Identifier: MIT */
/*
 * special_beta.c - the incomplete beta function, its inverse and its derivatives in the
 * shapes.
 *
 * I_x(a, b) = x^a (1-x)^b / (a B(a, b)) / (1 + d_1 / (1 + d_2 / (1 + ..))), the continued
 * fraction of DLMF 8.17.22, where x is below about the mean; else 1 - I_(1-x)(b, a). Its
 * even part is taken, which keeps its digits where a is large and 1 - x small. It takes
 * about sqrt(max(a, b)) terms; for large a and b the lesser tail is integrated instead,
 * over s = logit x - logit t. Derivatives in a and b go through the fraction, or the
 * integral, along with the value.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "special.h"

/* A value with its derivatives by a and by b. */
typedef struct dual {
    real v, a, b;
} dual;

static dual dual_sum(dual x, dual y)
{
    return (dual){ x.v + y.v, x.a + y.a, x.b + y.b };
}

static dual dual_product(dual x, dual y)
{
    return (dual){ x.v * y.v, x.a * y.v + x.v * y.a, x.b * y.v + x.v * y.b };
}

static dual dual_ratio(dual x, dual y)
{
    const real q = x.v / y.v;
    return (dual){ q, (x.a - q * y.a) / y.v, (x.b - q * y.b) / y.v };
}

/* log(x^a (1-x)^b / B(a, b)), y = 1 - x. With n = a + b it is the divergence of x from
 * a / n, -n KL, and what Stirling's formula leaves. */
static real log_front(real a, real b, real x, real y)
{
    const real n = a + b, away = b * x - a * y;         /* n (x - a / n) */
    return -a * ppl__log_gap(away / a, n * x / a) -
           b * ppl__log_gap(-away / b, n * y / b) +
           0.5L * (logl(a) + logl(b / n) - PPL__LOG_TWO_PI) + ppl__stirling_error(n) -
           ppl__stirling_error(a) - ppl__stirling_error(b);
}

/* The partial quotient n of the even part of the fraction, B + A / (next): with
 * p = a + 2n A = -d_(2n-1) d_2n and B = 1 + d_2n + d_(2n+1), whose 1 and d_(2n+1) may all
 * but cancel; together they are ((a + n) (1 + c + n (1 + y)) + n (p + 1)) / (p (p + 1)),
 * c = a y - b x (Didonato, Morris, Algorithm 708, 1992). */
static void quotient(real n, dual a, dual b, real x, real y, dual *A, dual *B)
{
    const dual c = { a.v * y - b.v * x, y, -x };
    const dual p = { a.v + 2 * n, 1, 0 }, p1 = { p.v + 1, 1, 0 }, m1 = { p.v - 1, 1, 0 };
    const dual m2 = { a.v + 2 * (n - 1), 1, 0 }, an = { a.v + n, 1, 0 };
    const dual before = { a.v + (n - 1), 1, 0 }, one = { 1, 0, 0 };
    const dual rest = { 1 + c.v + n * (1 + y), c.a, c.b };
    const dual all = { a.v + b.v + n - 1, 1, 1 };
    const dual even = dual_ratio((dual){ n * (b.v - n) * x, 0, n * x },
                                 dual_product(m1, p));
    const dual odd = dual_product(n == 1 ? one : dual_ratio(before, m2),
                                  dual_ratio(all, m1));

    *A = dual_product((dual){ x * odd.v, x * odd.a, x * odd.b }, even);
    *B = dual_sum(dual_product(an, rest), (dual){ n * p1.v, n, 0 });
    *B = dual_sum(dual_ratio(*B, dual_product(p, p1)), even);
}

/* The logarithm of the fraction with its derivatives, by Lentz's method; x + y = 1. */
static dual fraction(real a_value, real b_value, real x, real y)
{
    const real tiny = 1e-300L;
    const dual a = { a_value, 1, 0 }, b = { b_value, 0, 1 };
    const dual first = { 1 + a.v * y - b.v * x, y, -x };
    dual c = dual_ratio(first, (dual){ a.v + 1, 1, 0 }), d = { 0, 0, 0 };
    dual log_h = { -logl(c.v), -c.a / c.v, -c.b / c.v };

    for (int n = 1; n < 100000; n++) {
        dual A, B;
        quotient((real)n, a, b, x, y, &A, &B);
        d = dual_sum(B, dual_product(A, d));
        d.v = d.v == 0 ? tiny : d.v;
        d = dual_ratio((dual){ 1, 0, 0 }, d);
        c = dual_sum(B, dual_ratio(A, c));
        c.v = c.v == 0 ? tiny : c.v;
        const dual by = dual_product(c, d);
        const dual add = { log1pl(by.v - 1), by.a / by.v, by.b / by.v };
        log_h.v -= add.v;
        log_h.a -= add.a;
        log_h.b -= add.b;
        if (n > 2 && fabsl(add.v) < 1e-19L && fabsl(add.a) <= 1e-18L * fabsl(log_h.a) &&
            fabsl(add.b) <= 1e-18L * fabsl(log_h.b))
            break;
    }
    return log_h;
}

/* What is integrated beside the density: 1, or the derivative of its logarithm by a or b,
 * log t or log(1 - t) less its mean. */
typedef enum weight { WEIGHT_1, WEIGHT_A, WEIGHT_B } weight;

typedef struct side {
    real a, b, x, y, rate, offset;
    weight weight;
} side;

/* exp(z) - 1 - z */
static real exp_curve(real z)
{
    if (fabsl(z) > 0.1L)
        return expm1l(z) - z;
    real term = z * z / 2, sum = 0;
    for (int k = 3; k < 18; k++) {
        sum += term;
        term *= z / (real)k;
    }
    return sum;
}

/* t = x e^-s / (x e^-s + y): log t - log x = -s - g and log(1-t) - log y = -g, with g =
 * log1p(x expm1(-s)) = log1p(y expm1(s)) - s, of which the one with the lesser of x and y
 * keeps its digits. The exponent -a s - n g is -rate s and what curves. */
static real side_term(const void *p, real s)
{
    const side *w = p;
    const int low = w->x < w->y;
    const real least = low ? w->x : w->y, z = low ? -s : s, move = least * expm1l(z);
    const real curves = ppl__log_gap(move, 1 + move) - least * exp_curve(z);
    const real density = expl((w->a + w->b) * curves - w->rate * s);
    if (w->weight == WEIGHT_1)
        return density;
    const real g = log1pl(move) - (low ? 0 : s);
    return density * (w->offset - g - (w->weight == WEIGHT_A ? s : 0));
}

static int is_large(real a, real b)
{
    return a > 2000 && b > 2000;
}

/* log a - digamma(a) for a large a (DLMF 5.11.2). */
static real log_less_digamma(real a)
{
    const real inverse = 1 / a, square = inverse * inverse;
    return 0.5L * inverse + square * (1 / 12.0L - square * (1 / 120.0L - square / 252));
}

/* The integral of t^(a-1) (1-t)^(b-1) times a weight from 0 to x, over x^a y^b; a and b
 * are large. */
static real lower_integral(real a, real b, real x, real y, weight of)
{
    const real n = a + b, rate = a * y - b * x;         /* n (a / n - x) */
    real offset = 0;
    if (of == WEIGHT_A)         /* log x - digamma(a) + digamma(n) */
        offset = log1pl(-rate / a) + log_less_digamma(a) - log_less_digamma(n);
    else if (of == WEIGHT_B)
        offset = log1pl(rate / b) + log_less_digamma(b) - log_less_digamma(n);
    const side w = { a, b, x, y, rate, offset, of };
    return ppl__tail_integral(side_term, &w, 1 / (fmaxl(rate, 0) + sqrtl(a * (b / n))));
}

/* I_x(a, b) for x below the mean, or about there. */
static real lower_tail(real a, real b, real x, real y)
{
    const real front = log_front(a, b, x, y);
    if (is_large(a, b))
        return expl(front) * lower_integral(a, b, x, y, WEIGHT_1);
    return expl(front + fraction(a, b, x, y).v) / a;
}

/* 1 - I_x(a, b), and its derivatives, for a small a, where I is nearly 1: with the power
 * series of (1 - t)^(b-1), I = exp(L) (1 + a S), L = log(x^a / (a B(a, b))) and S = sum
 * over n > 0 of (1-b)_n x^n / (n! (a + n)) (DLMF 8.17.7). */
static dual complement(real a, real b, real x)
{
    const dual power = { a * logl(x) + ppl__log_gamma_rise(b, a) - ppl__log_gamma_1p(a),
                         logl(x) + ppl__digamma_rise(b, a) +
                             (ppl__digamma(b) - ppl__digamma(a + 1)),
                         ppl__digamma_rise(b, a) };
    dual term = { 1, 0, 0 }, sum = { 0, 0, 0 };
    for (int k = 1; k < 1000; k++) {
        const real n = (real)k;
        term = dual_product(term, (dual){ (n - b) * x / n, 0, -x / n });
        const dual add = dual_ratio(term, (dual){ a + n, 1, 0 });
        sum = dual_sum(sum, add);
        if (fabsl(add.v) <= 1e-21L * fabsl(sum.v) &&
            fabsl(add.b) <= 1e-21L * fabsl(sum.b))
            break;
    }
    const dual more = dual_product((dual){ a, 1, 0 }, sum);
    const real value = expl(power.v), rest = 1 + more.v;
    return (dual){ -expm1l(power.v) - value * more.v,
                   -value * (power.a * rest + more.a),
                   -value * (power.b * rest + more.b) };
}

/* x is below the mean, or about there: may I_x(a, b) be nearly 1? */
static int is_nearly_all(real a, real value)
{
    return a < 1 && value > 0.75L;
}

typedef struct tails {
    real p, q;
} tails;

static tails beta_tails(real a, real b, real x, real y)
{
    if (!(a > 0 && b > 0 && x >= 0 && y >= 0))
        return (tails){ NAN, NAN };
    if (x == 0 || y == 0)
        return x == 0 ? (tails){ 0, 1 } : (tails){ 1, 0 };
    const int lower = is_large(a, b) ? b * x < a * y : x * (b + 1) < y * (a + 1);
    const real found = lower ? lower_tail(a, b, x, y) : lower_tail(b, a, y, x);
    real other = 1 - found;
    if (is_nearly_all(lower ? a : b, found))
        other = lower ? complement(a, b, x).v : complement(b, a, y).v;
    return lower ? (tails){ found, other } : (tails){ other, found };
}

double ppl_maths_beta_i(double a, double b, double x)
{
    return (double)beta_tails(a, b, x, 1 - (real)x).p;
}

/* Of x and rest the lesser has all its digits; the other is made of it. */
double ppl_maths_beta_i_split(double a, double b, double x, double rest)
{
    return x < rest ? (double)beta_tails(a, b, x, 1 - (real)x).p
                    : (double)beta_tails(a, b, 1 - (real)rest, rest).p;
}

double ppl_maths_beta_i_inverse(double a, double b, double p)
{
    if (!(a > 0 && b > 0 && a < INFINITY && b < INFINITY && p >= 0 && p <= 1))
        return NAN;
    if (p == 0 || p == 1)
        return p;
    /* Newton's method in logit x, within a bracket that halves where a step leaves it. */
    const real target = p;
    real low = -12000, high = 12000, l = logl((real)a) - logl((real)b);
    for (int k = 0; k < 200; k++) {
        const real e = expl(-fabsl(l)), major = 1 / (1 + e), minor = e / (1 + e);
        const real x = l < 0 ? minor : major, y = l < 0 ? major : minor;
        const tails t = beta_tails(a, b, x, y);
        const int less = p <= 0.5;
        const real error = less ? logl(t.p) - logl(target) : logl(1 - target) - logl(t.q);
        const real slope = expl(log_front(a, b, x, y)) / (less ? t.p : t.q);
        const real next = l - error / slope;
        if (fabsl(next - l) <= 1e-18L * fmaxl(fabsl(l), 1))
            break;
        if (error > 0)
            high = l;
        else
            low = l;
        l = next > low && next < high ? next : (low + high) / 2;
    }
    const real e = expl(-fabsl(l));
    return (double)(l < 0 ? e / (1 + e) : 1 / (1 + e));
}

/* dI/da and dI/db for x below the mean, or about there. */
static void lower_slopes(real a, real b, real x, real y, real slope[2])
{
    const real front = log_front(a, b, x, y);
    if (is_large(a, b)) {
        slope[0] = expl(front) * lower_integral(a, b, x, y, WEIGHT_A);
        slope[1] = expl(front) * lower_integral(a, b, x, y, WEIGHT_B);
        return;
    }
    /* Of x^a y^b / (a B(a, b)). */
    const real rise = b > 0.5L ? ppl__digamma_rise(a + 1, b - 1)
                               : ppl__digamma_rise(a + 1, b) - 1 / (a + b);
    const real by_a = (x < y ? logl(x) : log1pl(-y)) + rise;
    const real by_b = (y < x ? logl(y) : log1pl(-x)) + ppl__digamma_rise(b, a);
    const dual f = fraction(a, b, x, y);
    const real value = expl(front + f.v) / a;
    if (is_nearly_all(a, value)) {
        const dual rest = complement(a, b, x);
        slope[0] = -rest.a;
        slope[1] = -rest.b;
        return;
    }
    slope[0] = value * (by_a + f.a);
    slope[1] = value * (by_b + f.b);
}

static void beta_slopes(double a, double b, real x, real y, double slope[2])
{
    real s[2];
    if (!(a > 0 && b > 0 && a < INFINITY && b < INFINITY && x >= 0 && y >= 0)) {
        slope[0] = slope[1] = NAN;
    } else if (x == 0 || y == 0) {
        slope[0] = slope[1] = 0;
    } else if (x * ((real)b + 1) < y * ((real)a + 1)) {
        lower_slopes(a, b, x, y, s);
        slope[0] = (double)s[0];
        slope[1] = (double)s[1];
    } else {
        lower_slopes(b, a, y, x, s);
        slope[0] = (double)-s[1];
        slope[1] = (double)-s[0];
    }
}

void ppl_maths_beta_i_slopes(double a, double b, double x, double slope[2])
{
    beta_slopes(a, b, x, 1 - (real)x, slope);
}

void ppl_maths_beta_i_split_slopes(double a, double b, double x, double rest,
                                   double slope[2])
{
    if (x < rest)
        beta_slopes(a, b, x, 1 - (real)x, slope);
    else
        beta_slopes(a, b, 1 - (real)rest, rest, slope);
}
