/* SPDX-License-Identifier: MIT */
/*
 * power_rest.c - R of power_rest.h, by quadrature over t = logit y, in which Beta's density is
 * proportional to y^a (1 - y)^b with its mode at log(a/b), and nothing else changes faster than
 * a logistic function does: panels of Gauss and Legendre's rule from the mode outwards, at first
 * of the width of the bell, then wider until its tails are e^-50. R has no closed form; Nalisnick
 * and Smyth's series (Stick-breaking variational autoencoders, 2017) converges as n^-(1 + b).
 */
#include "power_rest.h"

#include "quadrature.h"

/* Sums over nodes: of the density, of it times h = log((1 - y^c) / (1 - y)), dh/dc, log y and
 * log(1 - y), and the products of the last two with h; all but dh/dc less what they are at
 * the mode. */
typedef struct sums {
    double mass, h, by_c, log_y, log_1my, log_y_h, log_1my_h;
} sums;

typedef struct point {
    double log_y, log_1my, h, by_c;
} point;

static point point_of(double t, double c)
{
    const double rest = log1p(exp(-fabs(t)));
    point p = { t > 0 ? -rest : t - rest, t > 0 ? -t - rest : -rest, log(c), 1 / c };
    if (t > 40 + fmax(log(c), 0))           /* next to 1: to rounding what they are there */
        return p;
    p.h = c == 1 ? 0 : ppl__log1mexp(-c * p.log_y) - p.log_1my;
    p.by_c = -p.log_y * ppl__odds_beyond(-c * p.log_y);
    return p;
}

/* The logarithm of the density at p over that at the mode. */
static double fall(double a, double b, const point *p, const point *mode)
{
    return a * (p->log_y - mode->log_y) + b * (p->log_1my - mode->log_1my);
}

static void add_panel(double from, double to, double a, double b, double c,
                      const point *mode, sums *s)
{
    for (int i = 0; i < PPL__NODES; i++) {
        const point p = point_of(ppl__node(i, from, to), c);
        const double weight = fabs(ppl__weight(i, from, to)) * exp(fall(a, b, &p, mode));
        const double h = p.h - mode->h, log_y = p.log_y - mode->log_y,
                     log_1my = p.log_1my - mode->log_1my;
        s->mass += weight;
        s->h += weight * h;
        s->by_c += weight * p.by_c;
        s->log_y += weight * log_y;
        s->log_1my += weight * log_1my;
        s->log_y_h += weight * log_y * h;
        s->log_1my_h += weight * log_1my * h;
    }
}

/* From the mode on, upwards or downwards. */
static void add_side(double sign, double a, double b, double c, const point *mode, sums *s)
{
    const double start = log(a) - log(b);
    double width = fmin(sqrt(1 / a + 1 / b), 1), at = start;

    for (int panels = 0; panels < 4000; panels++) {
        const double end = at + sign * width;
        const point p = point_of(end, c);
        add_panel(at, end, a, b, c, mode, s);
        if (!(fall(a, b, &p, mode) > -50))
            return;
        at = end;
        width = fabs(at) > 700 ? 2 * width : fmin(2 * width, 4);
    }
}

ppl__power_rest ppl__power_rest_of(double a, double b, double c)
{
    const point mode = point_of(log(a) - log(b), c);
    sums s = { 0 };

    add_side(1, a, b, c, &mode, &s);
    add_side(-1, a, b, c, &mode, &s);
    const double h = s.h / s.mass;
    return (ppl__power_rest){ mode.h + h,
                              { s.log_y_h / s.mass - s.log_y / s.mass * h,
                                s.log_1my_h / s.mass - s.log_1my / s.mass * h,
                                s.by_c / s.mass } };
}

static double mean_log_rest(double a, double b, double c)
{
    return ppl_maths_digamma_at(b) - ppl_maths_digamma_at(a + b) +
           ppl__power_rest_of(a, b, c).value;
}

static double mean_log_rest_slope(int input, double a, double b, double c)
{
    const double slope = ppl__power_rest_of(a, b, c).slope[input];

    return input == 2 ? slope
                      : slope - ppl_maths_trigamma_at(a + b) +
                            (input == 1 ? ppl_maths_trigamma_at(b) : 0);
}

PPL__POINTWISE(rest, 3, "mean of log(1 - y^c)", mean_log_rest(PPL__IN_3(0)),
               mean_log_rest_slope(input, PPL__IN_3(0)))

ppl_tensor *ppl__mean_log_rest(ppl_tensor *a, ppl_tensor *b, ppl_tensor *c)
{
    ppl_tensor *in[] = { a, b, c };
    return ppl_apply(&rest_op, in, 3, NULL, 0);
}
