/* SPDX-License-Identifier: MIT */
/*
 * tail_moments.c - moments from tails (tail_moments.h). About the median c, with F and S the
 * tails P(X <= x) and P(X > x),
 *
 *   E[X - c]       integral of S above c - integral of F below c
 *   E[(X - c)^2]   integral of 2 |x - c| S above and F below
 *
 * where nothing cancels, nothing is added twice, and tails hold far out and next to an edge
 * where a density has none of its digits; they end at 0, so that moving ends need no terms
 * of their own in the gradient. Integers k take sums: of S (k >= c) and F (k < c), and of
 * (2 |k - c| + 1) S and (2 |k - c| - 1) F.
 *
 * Numbers: x = c +- s sinh t, s what the quartiles are apart, by panels in t of Gauss and
 * Legendre's rule (quadrature.h). Integers: panels of 8 h, of which each h-th is asked for
 * and a polynomial through these 9 summed. A panel is halved until its halves agree with
 * it: at kinks, as of a Laplace, down to where they do not matter. What lies beyond the
 * greatest numbers is that of a power law, whose exponent a = x p(x) / S(x): there is a
 * moment of order k where a > k. Integers end where 1e-25 is left (in float 1e-11).
 */
#include "tail_moments.h"

#include "pointwise.h"
#include "quadrature.h"

#include <float.h>

enum { STRIDES = 8, ROUNDS = 50, MOST_OPEN = 256 };

/* Part of one side of one element: from and to in t, or in integers. */
typedef struct panel {
    int64_t element, slot;                  /* which of the element's panels it is */
    int side;
    double from, to, whole[2];              /* its share in either moment */
} panel;

typedef struct panels {
    panel *list;
    int64_t count;
} panels;

/* One element: median, distance of quartiles, what lies in between and how far the sides
 * go, of side 0 upwards and of side 1 downwards; the same in t or in integers. */
typedef struct place {
    double center, spread, end[2], reach[2];
    int endless[2];                         /* end is where it was left */
    double extra, total[2];                 /* infinite, NaN or 0; the moments so far */
    int64_t panels;
} place;

typedef struct quadrature {
    const ppl__searched *law;
    ppl_ctx *ctx;
    int order, nodes;
    int64_t n;                              /* elements */
    place *at;
} quadrature;

/* ---- Where --------------------------------------------------------------------------- */

/* Reads t, broadcast, into n numbers; `missing` where there is none. */
static int read_all(const quadrature *q, ppl_tensor *t, double missing, double *out)
{
    for (int64_t i = 0; !t && i < q->n; i++)
        out[i] = missing;
    return !t || ppl_read(ppl__at_batch(t, q->law->d->shape, 0), out, q->n) == q->n;
}

static double *numbers(ppl_ctx *c, int64_t n)
{
    return ppl_alloc(c, (size_t)(n > 0 ? n : 1) * sizeof(double));
}

/* The ends of the support, by bounds or by what the family's values are. */
static int read_ends(quadrature *q, double *high, double *low)
{
    const ppl_dist *d = q->law->d;
    const ppl_constraint *k = d->family->support;
    ppl_tensor *lower = NULL, *upper = NULL;
    if (d->family->bounds)
        d->family->bounds(d, &lower, &upper);
    const int done = read_all(q, upper, INFINITY, high) && read_all(q, lower, -INFINITY, low);
    for (int64_t i = 0; done && k && i < q->n; i++) {
        high[i] = fmin(high[i], k->upper);
        low[i] = fmax(low[i], k->lower);
    }
    return done;
}

static double greatest(const quadrature *q)
{
    return ppl_ctx_dtype(q->ctx) == PPL_F32 ? 0x1p120 : 0x1p1000;
}

/* The end of a side, where it has one, else where it is left; and how far that is. */
static void reach(const quadrature *q, place *p, int side)
{
    const double sign = side ? -1 : 1, limit = greatest(q);
    const double far = fmin(p->spread * (limit < 0x1p130 ? 0x1p100 : 0x1p500), limit);
    p->endless[side] = !q->law->whole && !(fabs(p->end[side]) < limit);
    if (p->endless[side])
        p->end[side] = p->center + sign * far;
    const double away = sign * (p->end[side] - p->center);
    p->reach[side] = q->law->whole ? away : asinh(away / p->spread);
}

static int locate(quadrature *q)
{
    static const double part[] = { 0.25, 0.5, 0.75 };
    ppl_dist *d = (ppl_dist *)(uintptr_t)q->law->d;
    const double rest = ppl_ctx_dtype(q->ctx) == PPL_F32 ? 1e-11 : 1e-25;
    double *x[7];
    for (int k = 0; k < 7; k++)
        if (!(x[k] = numbers(q->ctx, q->n)))
            return 0;
    for (int k = 0; k < 3; k++)
        if (!read_all(q, ppl_icdf(d, ppl_scalar(q->ctx, part[k])), NAN, x[k]))
            return 0;
    if (!read_ends(q, x[3], x[4]))
        return 0;
    ppl_tensor *little = q->law->whole ? ppl_scalar(q->ctx, rest) : NULL;
    if (little && (!read_all(q, ppl_inverse_survival(d, little), NAN, x[5]) ||
                   !read_all(q, ppl_icdf(d, little), NAN, x[6])))
        return 0;
    for (int64_t i = 0; i < q->n; i++) {
        place *p = &q->at[i];
        *p = (place){ .center = x[1][i], .spread = x[2][i] - x[0][i],
                      .end = { little ? fmin(x[5][i], x[3][i]) : x[3][i],
                               little ? fmax(x[6][i], x[4][i]) : x[4][i] } };
        if (little || !(p->spread > 0))
            p->spread = little ? 1 : fmax(fabs(p->center) * DBL_EPSILON, DBL_MIN);
        for (int side = 0; side < 2; side++)
            reach(q, p, side);
    }
    return ppl_ok(q->ctx);
}

/* ---- Nodes --------------------------------------------------------------------------- */

/* Of the sum over k = 0 .. 8h - 1 of a polynomial of degree 8, the weight of its value at
 * k = i h: Lagrange's polynomials in v = k / 4h - 1, each power summed by Euler and
 * Maclaurin's formula, which is exact. */
static double power_sum(int power, double unit)
{
    static const double bernoulli[] = { 1 / 12.0, -1 / 720.0, 1 / 30240.0, -1 / 1209600.0 };
    double sum = 2 * unit / (power + 1), falling = power;
    if (power % 2)
        return -1;
    for (int r = 0; 2 * r + 1 <= power; r++) {
        sum += 2 * bernoulli[r] * falling * pow(unit, -1 - 2 * r);
        falling *= (power - 2 * r - 1.0) * (power - 2 * r - 2.0);
    }
    return sum;
}

static double stride_weight(int i, double h)
{
    double c[STRIDES + 1] = { 1 }, sum = 0;
    int degree = 0;
    if (h == 1)
        return i < STRIDES;
    for (int j = 0; j <= STRIDES; j++) {
        const double root = j / 4.0 - 1;
        if (j == i)
            continue;
        for (int k = ++degree; k >= 0; k--)
            c[k] = ((k > 0 ? c[k - 1] : 0) - root * c[k]) / ((i - j) / 4.0);
    }
    for (int k = 0; k <= degree; k++)
        sum += c[k] * power_sum(k, 4 * h);
    return sum;
}

typedef struct node {
    double x, weight[2];                    /* in either moment, of units of spread */
} node;

static node node_of(const quadrature *q, const panel *p, int i)
{
    const place *at = &q->at[p->element];
    const double sign = p->side ? -1 : 1;
    double off, weight, twice;
    if (q->law->whole) {
        const double h = (p->to - p->from) / STRIDES, j = p->from + i * h;
        off = j + p->side;
        weight = stride_weight(i, h);
        twice = 2 * j + 1;
    } else {
        const double t = ppl__node(i, p->from, p->to);
        off = sinh(t);
        weight = cosh(t) * ppl__weight(i, p->from, p->to);
        twice = 2 * off;
    }
    const double x = at->center + sign * off * at->spread;
    return (node){ sign > 0 ? fmin(x, at->end[0]) : fmax(x, at->end[1] - q->law->whole),
                   { sign * weight, twice * weight } };
}

/* ---- Panels -------------------------------------------------------------------------- */

/* Numbers each element's panels; returns how many an element has at most. */
static int64_t count_slots(quadrature *q, panels *of)
{
    int64_t most = 0;
    for (int64_t i = 0; i < q->n; i++)
        q->at[i].panels = 0;
    for (int64_t i = 0; i < of->count; i++) {
        place *at = &q->at[of->list[i].element];
        of->list[i].slot = at->panels++;
        most = at->panels > most ? at->panels : most;
    }
    return most;
}

static ppl_shape stacked(const quadrature *q, int64_t rows)
{
    ppl_shape shape = { .rank = 1 + q->law->d->shape.rank, .dim = { rows } };
    memcpy(shape.dim + 1, q->law->d->shape.dim, (size_t)(shape.rank - 1) * sizeof *shape.dim);
    return shape;
}

/* The nodes of all panels, [rows,batch], the median where an element has fewer; weights of
 * either moment if wanted. */
static ppl_tensor *nodes_of(const quadrature *q, const panels *of, int64_t rows,
                            double *weight[2])
{
    double *x = numbers(q->ctx, rows * q->n);
    for (int64_t i = 0; x && i < rows * q->n; i++)
        x[i] = q->at[i % q->n].center;
    for (int64_t k = 0; x && k < of->count; k++)
        for (int i = 0; i < q->nodes; i++) {
            const panel *p = &of->list[k];
            const int64_t where = (p->slot * q->nodes + i) * q->n + p->element;
            const node at = node_of(q, p, i);
            x[where] = at.x;
            for (int m = 0; m < 2 && weight; m++)
                weight[m][where] = at.weight[m];
        }
    return x ? ppl_from_doubles(q->ctx, stacked(q, rows), x) : NULL;
}

/* A constant made of each element's place. */
static ppl_tensor *constants(const quadrature *q, double (*of)(const place *p))
{
    double *x = numbers(q->ctx, q->n);
    for (int64_t i = 0; x && i < q->n; i++)
        x[i] = of(&q->at[i]);
    return x ? ppl_from_doubles(q->ctx, q->law->d->shape, x) : NULL;
}

static double center_of(const place *p)
{
    return p->center;
}

/* log F below the median, log S above. */
static ppl_tensor *log_tails_of(const quadrature *q, ppl_tensor *x)
{
    const ppl__tails at = q->law->tails(q->law, x);
    ppl_tensor *lower = ppl_less(x, constants(q, center_of));
    return ppl_where(lower, at.log_cdf, at.log_survival);
}

/* The share of each panel. */
static int evaluate(quadrature *q, panels *of)
{
    const ppl_epoch epoch = ppl_epoch_begin(q->ctx);
    const int64_t rows = count_slots(q, of) * q->nodes, all = rows * q->n;
    double *tail = numbers(q->ctx, all);
    ppl_tensor *t = tail ? log_tails_of(q, nodes_of(q, of, rows, NULL)) : NULL;
    const int done = tail && ppl_read(t, tail, all) == all;
    for (int64_t k = 0; done && k < of->count; k++) {
        panel *p = &of->list[k];
        p->whole[0] = p->whole[1] = 0;
        for (int i = 0; i < q->nodes; i++) {
            const node at = node_of(q, p, i);
            const double y = exp(tail[(p->slot * q->nodes + i) * q->n + p->element]);
            for (int m = 0; m < q->order && y != 0; m++)
                p->whole[m] += at.weight[m] * y;
        }
    }
    ppl_epoch_end(q->ctx, epoch);
    return done;
}

/* Whether the halves agree with what they are of, or are but integers all of which were
 * asked for. */
static int settled(const quadrature *q, const panel *of, const panel *half)
{
    const place *at = &q->at[of->element];
    const double epsilon = ppl_ctx_dtype(q->ctx) == PPL_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    int close = 1;
    for (int m = 0; m < q->order; m++)
        close &= !(fabs(of->whole[m] - half[0].whole[m] - half[1].whole[m]) >
                   64 * epsilon * at->total[m]);
    return close || at->panels > MOST_OPEN;
}

/* Those of double lengths, from the median to the end of either side. */
static int roots(quadrature *q, panels *of)
{
    const double first = q->law->whole ? STRIDES : 1;
    for (int filling = 0; filling < 2; filling++) {
        if (filling && !(of->list = ppl_alloc(q->ctx, ((size_t)of->count + 1) * sizeof(panel))))
            return 0;
        of->count = 0;
        for (int64_t i = 0; i < 2 * q->n; i++) {
            const double end = q->at[i / 2].reach[i % 2];
            for (double from = 0, to = first; from < end; from = to, to *= 2) {
                if (filling)
                    of->list[of->count] = (panel){
                        .element = i / 2, .side = (int)(i % 2), .from = from,
                        .to = q->law->whole ? to : fmin(to, end) };
                of->count++;
            }
        }
    }
    return evaluate(q, of);
}

static int split(quadrature *q, const panels *open, panels *halves)
{
    halves->count = 2 * open->count;
    halves->list = ppl_alloc(q->ctx, ((size_t)halves->count + 1) * sizeof(panel));
    for (int64_t k = 0; halves->list && k < halves->count; k++) {
        panel *p = &halves->list[k];
        const panel *of = &open->list[k / 2];
        *p = *of;
        *(k % 2 ? &p->from : &p->to) = of->from + (of->to - of->from) / 2;
    }
    return halves->list && evaluate(q, halves);
}

static void add_to_total(quadrature *q, const panel *p, double sign)
{
    for (int m = 0; m < 2; m++)
        q->at[p->element].total[m] += sign * fabs(p->whole[m]);
}

/* Appends n panels, but those that do not count; room was made. */
static void append(const quadrature *q, panels *to, const panel *from, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        const double *total = q->at[from[k].element].total;
        if (!(fabs(from[k].whole[0]) <= 1e-20 * total[0] &&
              from[k].whole[1] <= 1e-20 * total[1]))
            to->list[to->count++] = from[k];
    }
}

static int make_room(const quadrature *q, panels *of, int64_t more)
{
    panel *list = ppl_alloc(q->ctx, (size_t)(of->count + more + 1) * sizeof *list);
    if (list && of->count > 0)
        memcpy(list, of->list, (size_t)of->count * sizeof *list);
    of->list = list;
    return list != NULL;
}

/* One round: the open panels that have halves are halved; those of pairs that agree are done,
 * the others stay open. */
static int refine_once(quadrature *q, panels *open, panels *done)
{
    panels left = { open->list, 0 }, halves;
    if (!make_room(q, done, 2 * open->count))
        return 0;
    for (int64_t k = 0; k < open->count; k++)
        if (q->law->whole && open->list[k].to - open->list[k].from <= STRIDES)
            append(q, done, &open->list[k], 1);
        else
            left.list[left.count++] = open->list[k];
    if (!split(q, &left, &halves))
        return 0;
    for (int64_t k = 0; k < halves.count; k++) {
        if (k % 2 == 0)
            add_to_total(q, &left.list[k / 2], -1);
        add_to_total(q, &halves.list[k], 1);
    }
    open->count = 0;
    for (int64_t k = 0; k < left.count; k++) {
        panel *pair = &halves.list[2 * k];
        if (settled(q, &left.list[k], pair))
            append(q, done, pair, 2);
        else
            for (int i = 0; i < 2; i++)
                halves.list[open->count++] = pair[i];
    }
    open->list = halves.list;
    return 1;
}

static int refine(quadrature *q, panels *done)
{
    panels open;
    int sound = roots(q, &open);
    for (int64_t k = 0; sound && k < open.count; k++)
        add_to_total(q, &open.list[k], 1);
    for (int round = 0; sound && open.count > 0 && round < ROUNDS; round++)
        sound = refine_once(q, &open, done);
    sound = sound && make_room(q, done, open.count);
    if (sound)
        append(q, done, open.list, open.count);
    return sound;
}

/* ---- Far out ------------------------------------------------------------------------- */

/* The exponent of a power law, infinite where the tail is lighter than any that matters (and
 * its logarithm's rounding is too much), and what the law leaves beyond. Inputs: log tail,
 * log p, log |x - c| / s, log s or NaN where the side has an end; the attr: order. */
static double exponent(double log_tail, double log_p, double log_off, double log_unit)
{
    return !isnan(log_unit) && log_tail > -4000 ? exp(log_off + log_unit + log_p - log_tail)
                                                : (double)INFINITY;
}

static double beyond(int order, double log_tail, double log_p, double log_off,
                     double log_unit)
{
    const double a = exponent(log_tail, log_p, log_off, log_unit);
    return a > order && a < (double)INFINITY
               ? order * exp(log_tail + order * log_off) / (a - order) : 0;
}

static double beyond_slope(int input, int order, double log_tail, double log_p,
                           double log_off, double log_unit)
{
    const double a = exponent(log_tail, log_p, log_off, log_unit);
    const double y = beyond(order, log_tail, log_p, log_off, log_unit);
    return y == 0 || input > 1 ? 0 : y * ((input == 0) + (input == 0 ? a : -a) / (a - order));
}

PPL__POINTWISE(beyond, 4, "moments far out", beyond(*(const int *)s->attr, PPL__IN_4(0)),
               beyond_slope(input, *(const int *)s->attr, PPL__IN_4(0)))
PPL__POINTWISE_VALUE(exponent, 4, "moments far out", exponent(PPL__IN_4(0)))

static ppl_tensor *far_out(const quadrature *q, int side, const ppl_op *op, int order)
{
    double *number[3];
    ppl_tensor *t[3];
    for (int k = 0; k < 3; k++)
        if (!(number[k] = numbers(q->ctx, q->n)))
            return NULL;
    for (int64_t i = 0; i < q->n; i++) {
        const place *p = &q->at[i];
        number[0][i] = p->end[side];
        number[1][i] = log(fabs(p->end[side] - p->center) / p->spread);
        number[2][i] = p->endless[side] ? log(p->spread) : (double)NAN;
    }
    for (int k = 0; k < 3; k++)
        t[k] = ppl_from_doubles(q->ctx, q->law->d->shape, number[k]);
    const ppl__tails tails = q->law->tails(q->law, t[0]);
    ppl_tensor *in[] = { side ? tails.log_cdf : tails.log_survival,
                         q->law->log_prob(q->law, t[0]), t[1], t[2] };
    return ppl_apply(op, in, 4, &order, sizeof order);
}

/* Sets aside the elements whose moment is not finite. */
static int part_with_infinite(quadrature *q)
{
    const double epsilon = ppl_ctx_dtype(q->ctx) == PPL_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    double *a[2];
    for (int side = 0; side < 2; side++)
        if (!(a[side] = numbers(q->ctx, q->n)) ||
            !read_all(q, far_out(q, side, &exponent_op, 0), NAN, a[side]))
            return 0;
    for (int64_t i = 0; i < q->n; i++) {
        place *p = &q->at[i];
        int none[2][2];                     /* no moment of order 1 or 2 of a side */
        for (int side = 0; side < 2; side++)
            for (int m = 0; m < 2; m++)
                none[m][side] = a[side][i] <= (m + 1) * (1 + 1024 * epsilon);
        if (!isfinite(p->center) || (none[0][0] && none[0][1]))
            p->extra = NAN;
        else if (none[q->order - 1][0] || none[q->order - 1][1])
            p->extra = q->order == 1 && none[0][1] ? -INFINITY : INFINITY;
        if (p->extra != 0)
            p->reach[0] = p->reach[1] = p->endless[0] = p->endless[1] = 0;
    }
    return 1;
}

/* ---- Moments ------------------------------------------------------------------------- */

static double spread_of(const place *p)
{
    return p->spread;
}

static double extra_of(const place *p)
{
    return p->extra;
}

/* With what lies far out, and what is infinite; from units to numbers. */
static ppl_tensor *completed(const quadrature *q, ppl_tensor *sum, int order)
{
    for (int side = 0; side < 2 && !q->law->whole; side++) {
        ppl_tensor *more = far_out(q, side, &beyond_op, order);
        sum = order == 1 && side ? ppl_sub(sum, more) : ppl_add(sum, more);
    }
    for (int k = 0; k < order; k++)
        sum = ppl_mul(sum, constants(q, spread_of));
    return order == q->order ? ppl_add(sum, constants(q, extra_of)) : sum;
}

/* In double, where in float a weight or a tail may not be a number. The attr: the weights. */
static double weighted(const ppl__span *s, size_t i)
{
    return (*(const double *const *)s->attr)[s->start + i] * exp(PPL__IN(0));
}

PPL__POINTWISE(weighted, 1, "moments by tails", weighted(s, i),
               input == 0 ? weighted(s, i) : 0)

/* E[X - c] and E[(X - c)^2] as far as q->order. */
static int moments(quadrature *q, ppl_tensor *result[2])
{
    const int was = ppl_set_grad_enabled(q->ctx, 0);
    panels all = { NULL, 0 };
    q->at = ppl_alloc(q->ctx, ((size_t)q->n + 1) * sizeof *q->at);
    q->nodes = q->law->whole ? STRIDES + 1 : PPL__NODES;
    int sound = q->at && locate(q) && (q->law->whole || part_with_infinite(q)) &&
                refine(q, &all);
    ppl_set_grad_enabled(q->ctx, was);
    const int64_t rows = sound ? count_slots(q, &all) * q->nodes : 0;
    double *weight[2] = { numbers(q->ctx, rows * q->n), numbers(q->ctx, rows * q->n) };
    if (!sound || !weight[0] || !weight[1])
        return 0;
    ppl_tensor *log_tail = log_tails_of(q, nodes_of(q, &all, rows, weight));
    for (int m = 0; m < q->order; m++) {
        ppl_tensor *part = ppl_apply(&weighted_op, &log_tail, 1, &weight[m], sizeof weight[m]);
        result[m] = completed(q, ppl_sum(part, 0), m + 1);
    }
    return 1;
}

static quadrature quadrature_of(const ppl__searched *law, int order)
{
    return (quadrature){ .law = law, .ctx = law->d->ctx, .order = order,
                         .n = (int64_t)ppl__dist_numel(law->d) };
}

ppl_tensor *ppl__tail_mean(const ppl__searched *law)
{
    quadrature q = quadrature_of(law, 1);
    ppl_tensor *off[2];
    if (!moments(&q, off))
        return NULL;
    return ppl_add(off[0], constants(&q, center_of));
}

ppl_tensor *ppl__tail_variance(const ppl__searched *law)
{
    quadrature q = quadrature_of(law, 2);
    ppl_tensor *off[2];
    if (!moments(&q, off))
        return NULL;
    return ppl_sub(off[1], ppl_mul(off[0], off[0]));
}
