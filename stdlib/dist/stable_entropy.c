/* SPDX-License-Identifier: MIT */
/*
 * stable_entropy.c - the entropy of Nolan's S0 law of scale 1 and its derivatives
 * (stable_contour.h), as the integral of -f log f over x = c + s sinh t. c is 0, or where a <
 * 1/2 what steep laws are gathered about, -b tan(pi a / 2), and s = 1 / f(c) without
 * skew, pi / Gamma(1 + 1/a).
 *
 * Panels of Gauss and Legendre's rule in t (quadrature.h) are halved until their Legendre
 * coefficients end at the root of what is asked, as the error goes by their square. Far out f
 * is a power x^(-1-a), an exponential in t; what is left beyond the last x is that of the
 * power, m (1 + 1/a - log f) of the mass m. In the derivatives -(1 + log f) df the nodes
 * stay where they are. That by b is infinite where |b| = 1, and that by a where a = 2, as there
 * a heavy tail begins whose x have a log f beyond all bounds.
 */
#include "pointwise.h"
#include "quadrature.h"
#include "stable_contour.h"

enum { MASS, ENTROPY, BY_STABILITY, BY_SKEW, SUMS, DEEPEST = 12, WIDEST = 8, MOST_PANELS = 4000 };

typedef struct law {
    double a, b, center, spread;
    int sums;                               /* how many are to be smooth */
} law;

typedef struct sums {
    double of[SUMS];
    int panels;
} sums;

/* Its last two Legendre coefficients tell whether a panel is smooth enough. */
static int is_settled(const double *values)
{
    double last[2] = { 0 };

    for (int i = 0; i < PPL__NODES; i++) {
        const double x = ppl__node(i, -1, 1);
        double before = 1, now = x;
        for (int n = 1; n < PPL__NODES - 1; n++) {
            const double next = ((2 * n + 1) * x * now - n * before) / (n + 1);
            before = now;
            now = next;
        }
        last[0] += ppl__weight(i, -1, 1) * before * values[i];
        last[1] += ppl__weight(i, -1, 1) * now * values[i];
    }
    return (fabs(last[0]) + fabs(last[1])) * PPL__NODES < 1e-10;
}

/* Adds what lies between. */
static void add_panel(const law *l, double low, double high, int depth, sums *total)
{
    double value[SUMS][PPL__NODES], middle = (low + high) / 2;
    int settled = 1;

    for (int i = 0; i < PPL__NODES; i++) {
        const double t = ppl__node(i, low, high);
        ppl__stable_point p;
        ppl__stable_at(l->center + l->spread * sinh(t), l->a, l->b, &p);
        const double mass = exp(p.log_density) * l->spread * cosh(t) * (high - low) / 2;
        value[MASS][i] = mass;
        value[ENTROPY][i] = mass > 0 ? -mass * p.log_density : 0;
        for (int k = 0; k < 2; k++)
            value[BY_STABILITY + k][i] =
                mass > 0 ? -mass * (1 + p.log_density) * p.by_density[1 + k] : 0;
    }
    for (int k = 0; k < l->sums; k++)
        settled &= is_settled(value[k]);
    if (!settled && depth < DEEPEST && total->panels++ < MOST_PANELS) {
        add_panel(l, low, middle, depth + 1, total);
        add_panel(l, middle, high, depth + 1, total);
        return;
    }
    for (int k = 0; k < SUMS; k++)
        for (int i = 0; i < PPL__NODES; i++)
            total->of[k] += ppl__weight(i, -1, 1) * value[k][i];
}

/* Of 0.25 <= a < 2: out is the entropy, its derivatives by a, b. */
static void integrate(double a, double b, double out[3])
{
    const int edge = fabs(b) == 1;
    double cot[2];
    ppl__stable_point p;
    sums total = { .panels = 0 };

    ppl__stable_cot(a - 1, cot);
    law l = { a, b, a < 0.5 ? b * cot[0] / (a - 1) : 0, 1, edge ? BY_SKEW : SUMS };
    if (a < 0.5)
        l.spread = PPL__PI / tgamma(1 + 1 / a);
    const double end = fmin(45 / a - log(l.spread) + 5, 690);
    for (int side = -1; side <= 1; side += 2) {
        for (double t = 0, next; t < end; t = next) {
            next = fmin(t + WIDEST, end);
            add_panel(&l, side < 0 ? -next : t, side < 0 ? -t : next, 0, &total);
        }
        ppl__stable_at(l.center + side * l.spread * sinh(end), a, b, &p);
        const double left = exp(p.log_tail[side > 0]);
        total.of[MASS] += left;
        if (left > 0)
            total.of[ENTROPY] += left * (1 + 1 / a - p.log_density);
    }
    for (int k = 0; k < 3; k++)
        out[k] = fabs(total.of[MASS] - 1) < 1e-9 ? total.of[ENTROPY + k] : (double)NAN;
    if (edge)
        out[2] = b * -INFINITY;
}

void ppl__stable_entropy(double a, double b, double out[3])
{
    out[0] = a == 2 ? 0.5 + PPL__HALF_LOG_TWO_PI + PPL__LOG_TWO / 2 : (double)NAN;
    out[1] = a == 2 ? -INFINITY : (double)NAN;
    out[2] = a == 2 ? 0 : (double)NAN;
    if (a >= 0.25 && a < 2 && fabs(b) <= 1)
        integrate(a, b, out);
}
