/* SPDX-License-Identifier: MIT */
/*
 * strides.c - sums by strides (strides.h).
 *
 * Panels of 8 h integers, h = 1, 1, 2, 4, .., from either end to the middle, or from the one
 * end until nothing is added. Of a panel each h-th integer is asked for, and the polynomial
 * through these 9 summed; a panel is halved until its halves agree with it. Where integers
 * are further apart than 1 as numbers, only those there are count, each for its neighbours.
 */
#include "strides.h"

#include <float.h>
#include <math.h>

/* Lagrange's polynomials, each power summed by Euler and Maclaurin's formula, which is exact:
 * by h, 1 / h, 1 / h^3, .. */
double ppl__stride_weight(int i, double h)
{
    static const double by[5][5] = {
        { 3956 / 14175.0, 199 / 840.0, -359 / 21600.0, 29 / 45360.0, -1 / 151200.0 },
        { 23552 / 14175.0, -16 / 21.0, 71 / 675.0, -11 / 2268.0, 1 / 18900.0 },
        { -3712 / 14175.0, 14 / 9.0, -1673 / 5400.0, 37 / 2268.0, -1 / 5400.0 },
        { 41984 / 14175.0, -112 / 45.0, 377 / 675.0, -361 / 11340.0, 1 / 2700.0 },
        { -3632 / 2835.0, 35 / 12.0, -1457 / 2160.0, 179 / 4536.0, -1 / 2160.0 }
    };
    const double *w = by[i < 4 ? i : 8 - i], r = 1 / h, s = r * r;
    if (h == 1)
        return i < PPL__STRIDES;
    return w[0] * h + r * (w[1] + s * (w[2] + s * (w[3] + s * w[4]))) +
           (i == 0 ? 0.5 : i == PPL__STRIDES ? -0.5 : 0);
}

/* Integers start + step j, j = 0, 1, ..; `size` is what was found so far, without sign. */
typedef struct walk {
    double (*f)(const void *more, double k);
    const void *more;
    double start, step, size;
} walk;

enum { DEEPEST = 12 };

static double panel_of(const walk *w, double from, double h)
{
    double sum = 0;
    for (int i = 0; i < PPL__STRIDES + (h > 1); i++)
        sum += ppl__stride_weight(i, h) *
               w->f(w->more, w->start + w->step * (from + i * h));
    return sum * fabs(w->step);
}

static double refined(const walk *w, double from, double h, double whole, int depth)
{
    if (h <= 1)
        return whole;
    const double middle = from + PPL__STRIDES / 2 * h;
    const double low = panel_of(w, from, h / 2), high = panel_of(w, middle, h / 2);
    const double size = fmax(w->size, fabs(low) + fabs(high));
    if (!(fabs(low + high - whole) > 16 * DBL_EPSILON * size) || depth == DEEPEST)
        return low + high;
    return refined(w, from, h / 2, low, depth + 1) +
           refined(w, middle, h / 2, high, depth + 1);
}

/* From `start` on `count` integers upwards or, sign < 0, downwards. */
static double walk_on(walk *w, double start, double sign, double count)
{
    const double unit = fmax(1, nextafter(fabs(start), INFINITY) - fabs(start));
    double sum = 0, at = 0, h = 1;
    w->start = start;
    w->step = sign * unit;
    for (count = ceil(count / unit); at < count;) {
        while (h > 1 && at + PPL__STRIDES * h > count)
            h /= 2;
        if (at + PPL__STRIDES > count) {
            sum += w->f(w->more, start + w->step * at++) * unit;
            continue;
        }
        const double found = refined(w, at, h, panel_of(w, at, h), 0);
        sum += found;
        w->size += fabs(found);
        at += PPL__STRIDES * h;
        if (!(at < 0x1p900) || isnan(sum) ||
            (isinf(count) && h > 1 && fabs(found) <= 1e-20 * w->size))
            break;
        h *= at >= 2 * PPL__STRIDES * h ? 2 : 1;
    }
    return sum;
}

double ppl__stride_sum(double (*f)(const void *more, double k), const void *more, double from,
                       double end)
{
    walk w = { .f = f, .more = more };
    const double lower = isinf(end) ? end : floor((end - from) / 2);
    if (!(from < end))
        return 0;
    const double sum = walk_on(&w, from, 1, lower);
    return isinf(end) ? sum : sum + walk_on(&w, end - 1, -1, end - from - lower);
}
