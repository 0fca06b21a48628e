/* SPDX-License-Identifier: MIT */
/*
 * tail_moments.c - moments from tails, and entropies (tail_moments.h). About the median c,
 * with F and S the tails P(X <= x) and P(X > x),
 *
 *   E[X - c]       integral of S above c - integral of F below c
 *   E[(X - c)^2]   integral of 2 |x - c| S above and F below
 *   entropy        integral of -p log p above and below
 *
 * where nothing cancels, nothing is added twice, and tails hold far out and next to an edge
 * where a density has none of its digits; they end at 0, so that moving ends need no terms
 * of their own in the gradient. Of an entropy it is that of the integral of -log p over F: at
 * fixed F, the points x move as quantiles do (search.h), ends among them; or, where no end and
 * no jump moves, it is that of -p log p at fixed x. Integers k take
 * sums: of S (k >= c) and F (k < c), of (2 |k - c| + 1) S and (2 |k - c| - 1) F, and of
 * -p log p.
 *
 * Numbers: x = c +- s sinh t, s what the quartiles are apart, by panels in t of Gauss and
 * Legendre's rule (quadrature.h). Integers: panels of 8 h, of which each h-th is asked for
 * and a polynomial through these 9 summed. A panel is halved until its halves agree with
 * it: at kinks, as of a Laplace, down to where they do not matter. What lies beyond the
 * greatest numbers is that of a power law, whose exponent a = x p(x) / S(x): there is a
 * moment of order k where a > k. Integers end where 1e-25 is left (in float 1e-11). For an
 * entropy an end at a distance D is infinitely far in t, as a density may be infinite there: r
 * = s sinh t leads to D r / (D + r) from c, and D / (1 + r / D) from the end.
 */
#include "tail_moments.h"

#include "pointwise.h"
#include "quadrature.h"
#include "strides.h"

#include <float.h>

enum { ROUNDS = 50, MOST_OPEN = 256 };

/* Part of one side of one element: from and to in t, or in integers. */
typedef struct panel {
    int64_t element, slot;                  /* which of the element's panels it is */
    int side;
    double from, to, whole[2];              /* its share in either moment */
    double mass;                            /* of an entropy: by the tails at both ends */
} panel;

typedef struct panels {
    panel *list;
    int64_t count;
} panels;

/* One element: median, distance of quartiles, what lies in between and how far the sides
 * go, of side 0 upwards and of side 1 downwards; the same in t or in integers. */
typedef struct place {
    double center, spread, end[2], reach[2], room[2];   /* room: D / s, infinite: see t */
    int endless[2];                         /* end is where it was left */
    double extra, total[2];                 /* infinite, NaN or 0; the moments so far */
    int64_t panels;
} place;

typedef struct quadrature {
    const ppl__searched *law;
    ppl_ctx *ctx;
    int order, nodes;                       /* order 0: the entropy, and all mass */
    int still;                              /* its gradient is at fixed x */
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

static double epsilon_of(const quadrature *q)
{
    return ppl_ctx_dtype(q->ctx) == PPL_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
}

static double greatest(const quadrature *q)
{
    return ppl_ctx_dtype(q->ctx) == PPL_F32 ? 0x1p120 : 0x1p1000;
}

/* The end of a side, where it has one, else where it is left; and how far that is. */
static void reach(const quadrature *q, place *p, int side)
{
    const double sign = side ? -1 : 1, limit = greatest(q);
    const double units = q->order == 0 ? limit : limit < 0x1p130 ? 0x1p100 : 0x1p500;
    p->endless[side] = !q->law->whole && !(fabs(p->end[side]) < limit);
    if (p->endless[side])
        p->end[side] = p->center + sign * fmin(p->spread * units, limit);
    const double away = sign * (p->end[side] - p->center), room = away / p->spread;
    p->room[side] = INFINITY;
    p->reach[side] = q->law->whole ? away + (q->order == 0 && !side) : asinh(room);
    if (q->order == 0 && !q->law->whole && !p->endless[side]) {
        const double rounded = fabs(p->end[side]) * sqrt(epsilon_of(q));
        const double near = fmin(fmax(rounded, 1 / limit), away * 0x1p-20);
        p->room[side] = room;
        p->reach[side] = fmin(asinh(room * (away / near - 1)), 700);
    }
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
                               little ? fmax(x[6][i], x[4][i]) : x[4][i] },
                      .extra = isfinite(x[1][i]) ? 0 : (double)NAN };
        if (little || !(p->spread > 0))
            p->spread = little ? 1 : fmax(fabs(p->center) * DBL_EPSILON, DBL_MIN);
        for (int side = 0; side < 2 && p->extra == 0; side++)
            reach(q, p, side);
    }
    return ppl_ok(q->ctx);
}

/* ---- Nodes --------------------------------------------------------------------------- */

typedef struct node {
    double x, weight[2];                    /* in either moment, of units of spread; dx */
} node;

/* Integer k = c + j, or c - 1 - j below. */
static node integer_node(const quadrature *q, const panel *p, int i)
{
    const place *at = &q->at[p->element];
    const double h = (p->to - p->from) / PPL__STRIDES, j = p->from + i * h;
    const double x = at->center + (p->side ? -1 - j : j), weight = ppl__stride_weight(i, h);
    return (node){ p->side ? fmax(x, at->end[1] - 1) : fmin(x, at->end[0] + (q->order == 0)),
                   { weight, (2 * j + 1) * weight } };
}

/* At t: x, and |x - c| and dx/dt in units of spread. */
typedef struct point {
    double x, off, slope;
} point;

static point point_at(const place *p, int side, double t)
{
    const double sign = side ? -1 : 1, end = p->end[side];
    const double r = sinh(t) / p->room[side], off = sinh(t) / (1 + r);
    const double x = r < 1 ? p->center + sign * off * p->spread
                           : end - sign * p->room[side] / (1 + r) * p->spread;
    return (point){ side ? fmax(x, end) : fmin(x, end), off, cosh(t) / (1 + r) / (1 + r) };
}

static node node_of(const quadrature *q, const panel *p, int i)
{
    const place *at = &q->at[p->element];
    const double sign = p->side ? -1 : 1;
    if (q->law->whole) {
        node whole = integer_node(q, p, i);
        whole.weight[0] *= q->order == 0 ? 1 : sign;
        return whole;
    }
    const point to = point_at(at, p->side, ppl__node(i, p->from, p->to));
    const double weight = to.slope * ppl__weight(i, p->from, p->to);
    return (node){ to.x,
                   { weight * (q->order == 0 ? at->spread : sign), 2 * to.off * weight } };
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
static void place_nodes(const quadrature *q, const panels *of, int64_t rows, double *x,
                        double *weight[2])
{
    for (int64_t i = 0; i < rows * q->n; i++)
        x[i] = q->at[i % q->n].center;
    for (int64_t k = 0; k < of->count; k++)
        for (int i = 0; i < q->nodes; i++) {
            const panel *p = &of->list[k];
            const int64_t where = (p->slot * q->nodes + i) * q->n + p->element;
            const node at = node_of(q, p, i);
            x[where] = at.x;
            for (int m = 0; m < 2 && weight; m++)
                weight[m][where] = at.weight[m];
        }
}

static ppl_tensor *nodes_of(const quadrature *q, const panels *of, int64_t rows)
{
    double *x = numbers(q->ctx, rows * q->n);
    if (!x)
        return NULL;
    place_nodes(q, of, rows, x, NULL);
    return ppl_from_doubles(q->ctx, stacked(q, rows), x);
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

/* log F below the median, log S above; of an entropy the log density. */
static ppl_tensor *logs_of(const quadrature *q, ppl_tensor *x)
{
    if (q->order == 0)
        return q->law->log_prob(q->law, x);
    const ppl__tails at = q->law->tails(q->law, x);
    ppl_tensor *lower = ppl_less(x, constants(q, center_of));
    return ppl_where(lower, at.log_cdf, at.log_survival);
}

/* A density is infinite at no more than a point. */
static void add_share(const quadrature *q, node at, double log_y, double whole[2])
{
    const double y = exp(log_y);
    if (y == 0 || (q->order == 0 && y == (double)INFINITY))
        return;
    whole[0] += at.weight[0] * y * (q->order == 0 ? -log_y : 1);
    whole[1] += q->order == 1 ? 0 : at.weight[q->order / 2] * y;
}

/* Where a panel of an entropy begins or ends: of integers the last one before. */
static double panel_end(const quadrature *q, const panel *p, double t)
{
    const place *at = &q->at[p->element];
    return !q->law->whole ? point_at(at, p->side, t).x : at->center - 1 + (p->side ? -t : t);
}

/* Of each panel F or S at one end less that at the other. */
static int weigh(quadrature *q, panels *of, int64_t slots)
{
    const int64_t all = 2 * slots * q->n;
    double *x = numbers(q->ctx, all), *log_tail[2] = { numbers(q->ctx, all),
                                                       numbers(q->ctx, all) };
    if (!x || !log_tail[0] || !log_tail[1])
        return 0;
    for (int64_t i = 0; i < all; i++)
        x[i] = q->at[i % q->n].center;
    for (int64_t k = 0; k < 2 * of->count; k++) {
        const panel *p = &of->list[k / 2];
        x[(2 * p->slot + k % 2) * q->n + p->element] =
            panel_end(q, p, k % 2 ? p->to : p->from);
    }
    ppl_tensor *ends = ppl_from_doubles(q->ctx, stacked(q, 2 * slots), x);
    const ppl__tails at = q->law->tails(q->law, ends);
    if (ppl_read(at.log_survival, log_tail[0], all) != all ||
        ppl_read(at.log_cdf, log_tail[1], all) != all)
        return 0;
    for (int64_t k = 0; k < of->count; k++) {
        panel *p = &of->list[k];
        const double *t = log_tail[p->side] + 2 * p->slot * q->n + p->element;
        p->mass = exp(t[0]) - exp(t[q->n]);
    }
    return 1;
}

/* The share of each panel. */
static int evaluate(quadrature *q, panels *of)
{
    const ppl_epoch epoch = ppl_epoch_begin(q->ctx);
    const int64_t slots = count_slots(q, of), rows = slots * q->nodes, all = rows * q->n;
    double *log_y = numbers(q->ctx, all);
    ppl_tensor *t = log_y ? logs_of(q, nodes_of(q, of, rows)) : NULL;
    const int done = log_y && ppl_read(t, log_y, all) == all &&
                     (q->order > 0 || weigh(q, of, slots));
    for (int64_t k = 0; done && k < of->count; k++) {
        panel *p = &of->list[k];
        p->whole[0] = p->whole[1] = 0;
        for (int i = 0; i < q->nodes; i++)
            add_share(q, node_of(q, p, i),
                      log_y[(p->slot * q->nodes + i) * q->n + p->element], p->whole);
    }
    ppl_epoch_end(q->ctx, epoch);
    return done;
}

/* How far the halves may be off. */
static double tolerance(const quadrature *q, const panel *of, int m)
{
    const double *total = q->at[of->element].total;
    return epsilon_of(q) * (q->order == 0 ? 4 * (total[0] + total[1]) : 64 * total[m]);
}

/* How much mass a panel may miss: where there may be jumps what rounding makes of it, of x too. */
static double mass_tolerance(const quadrature *q, const panel *of)
{
    const double epsilon = epsilon_of(q), some = sqrt(epsilon) / 16;
    if (!q->still || q->law->whole)
        return some;
    const double from = panel_end(q, of, of->from), to = panel_end(q, of, of->to);
    const double blur = fmax(fabs(from), fabs(to)) / fabs(to - from);
    return fmin(some, epsilon * (256 + 16 * of->mass * blur));
}

/* Whether the halves agree with what they are of, and that misses no mass. */
static int settled(const quadrature *q, const panel *of, const panel *half)
{
    int close = q->order > 0 || !(fabs(of->whole[1] - of->mass) > mass_tolerance(q, of));
    for (int m = 0; m < 2; m++)
        close &= !(fabs(of->whole[m] - half[0].whole[m] - half[1].whole[m]) >
                   tolerance(q, of, m));
    return close || q->at[of->element].panels > MOST_OPEN;
}

/* Those of double lengths, from the median to the end of either side. */
static int roots(quadrature *q, panels *of)
{
    const double first = q->law->whole ? PPL__STRIDES : 1;
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
        if (q->law->whole && open->list[k].to - open->list[k].from <= PPL__STRIDES)
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
                none[m][side] = a[side][i] <= (m + 1) * (1 + 1024 * epsilon_of(q));
        if (p->extra != 0 || (none[0][0] && none[0][1]))
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

/* In double, where in float a weight or a tail may not be a number. The attr. */
typedef struct weights {
    const double *weight;
    int order, still;
} weights;

static double weighted(const weights *w, size_t i, double log_y)
{
    const double y = exp(log_y);
    if (w->order == 0 && (y == 0 || y == (double)INFINITY))
        return 0;
    return w->weight[i] * y * (w->order == 0 ? -log_y : 1);
}

/* Of an entropy the sum's masses weight[i] y stay as they are, unless x does. */
static double weighted_slope(const weights *w, size_t i, double log_y)
{
    const double value = weighted(w, i, log_y), y = exp(log_y);
    if (w->order > 0 || y == 0 || y == (double)INFINITY)
        return value;
    return w->still ? value - w->weight[i] * y : -w->weight[i] * y;
}

PPL__POINTWISE(weighted, 1, "moments by tails", weighted(s->attr, s->start + i, PPL__IN(0)),
               input == 0 ? weighted_slope(s->attr, s->start + i, PPL__IN(0)) : 0)

static ppl_tensor *summed(const quadrature *q, ppl_tensor *log_y, const double *weight)
{
    const weights w = { weight, q->order, q->law->whole || q->still };
    return ppl_sum(ppl_apply(&weighted_op, &log_y, 1, &w, sizeof w), 0);
}

/* What an entropy has left beyond the last x of either side is that of a power law of the
 * distance to c, or to the end, of exponent a: m (1 +- 1 / a - log p) of the mass m. Fills in x
 * and weights. */
static int leave_rest(quadrature *q, double *x, double *weight)
{
    double *logs[3];
    for (int k = 0; k < 3; k++)
        if (!(logs[k] = numbers(q->ctx, 2 * q->n)))
            return 0;
    for (int64_t k = 0; k < 2 * q->n; k++) {
        const place *p = &q->at[k % q->n];
        x[k] = p->extra == 0 ? point_at(p, k >= q->n, p->reach[k >= q->n]).x : p->center;
    }
    ppl_tensor *t = ppl_from_doubles(q->ctx, stacked(q, 2), x);
    const ppl__tails at = q->law->tails(q->law, t);
    if (ppl_read(at.log_survival, logs[0], 2 * q->n) != 2 * q->n ||
        ppl_read(at.log_cdf, logs[1], 2 * q->n) != 2 * q->n ||
        ppl_read(q->law->log_prob(q->law, t), logs[2], 2 * q->n) != 2 * q->n ||
        ppl_read(t, x, 2 * q->n) != 2 * q->n)
        return 0;
    for (int64_t k = 0; k < 2 * q->n; k++) {
        place *p = &q->at[k % q->n];
        const int side = k >= q->n;
        const double off = fabs(x[k] - (p->endless[side] ? p->center : p->end[side]));
        const double log_m = logs[side][k], m = exp(log_m), a = off * exp(logs[2][k] - log_m);
        if (!(m > 0 && a > 1e-3 && a < (double)INFINITY))   /* the tail is its rounding */
            continue;
        p->total[1] += m;
        if (q->still)
            continue;
        weight[k] = exp(log_m - logs[2][k]);
        p->extra += m * (1 + (p->endless[side] ? 1 : -1) / a);
    }
    return 1;
}

/* The same, with its gradient, of x that stay where they are. Inputs: log m, log p, the distance
 * from c, or with sign -1 from the end. */
static double rest_at(double log_m, double log_p, double off)
{
    const double m = exp(log_m), a = fabs(off) * exp(log_p - log_m);
    return m > 0 && a > 1e-3 && a < (double)INFINITY ? m * (1 + copysign(1 / a, off) - log_p) : 0;
}

static double rest_slope(int input, double log_m, double log_p, double off)
{
    const double m = exp(log_m), y = rest_at(log_m, log_p, off);
    const double by_a = copysign(m * exp(log_m - log_p) / off, off);
    return y == 0 || input > 1 ? 0 : input == 0 ? y + by_a : -by_a - m;
}

PPL__POINTWISE(rest, 3, "entropy far out", rest_at(PPL__IN_3(0)),
               rest_slope(input, PPL__IN_3(0)))

static ppl_tensor *with_rest(const quadrature *q, ppl_tensor *sum, const double *x)
{
    double *off = numbers(q->ctx, q->n);
    for (int side = 0; side < 2 && off; side++, x += q->n) {
        for (int64_t i = 0; i < q->n; i++) {
            const place *p = &q->at[i];
            off[i] = p->endless[side] ? fabs(x[i] - p->center) : -fabs(x[i] - p->end[side]);
        }
        ppl_tensor *t = ppl_from_doubles(q->ctx, q->law->d->shape, x);
        const ppl__tails at = q->law->tails(q->law, t);
        ppl_tensor *in[] = { side ? at.log_cdf : at.log_survival, q->law->log_prob(q->law, t),
                             ppl_from_doubles(q->ctx, q->law->d->shape, off) };
        sum = ppl_add(sum, ppl_apply(&rest_op, in, 3, NULL, 0));
    }
    return sum;
}

/* E[X - c] and E[(X - c)^2] as far as q->order, or the entropy. */
static int moments(quadrature *q, ppl_tensor *result[2])
{
    const int was = ppl_set_grad_enabled(q->ctx, 0), moving = q->order == 0 && !q->law->whole;
    panels all = { NULL, 0 };
    q->at = ppl_alloc(q->ctx, ((size_t)q->n + 1) * sizeof *q->at);
    q->nodes = q->law->whole ? PPL__STRIDES + 1 : PPL__NODES;
    int sound = q->at && locate(q) &&
                (q->law->whole || q->order == 0 || part_with_infinite(q)) && refine(q, &all);
    const int64_t rows = sound ? count_slots(q, &all) * q->nodes + 2 * moving : 0;
    double *x = numbers(q->ctx, rows * q->n), *weight[2] = { numbers(q->ctx, rows * q->n),
                                                             numbers(q->ctx, rows * q->n) };
    sound = sound && x && weight[0] && weight[1];
    if (sound)
        place_nodes(q, &all, rows, x, weight);
    if (sound && moving)
        sound = leave_rest(q, x + (rows - 2) * q->n, weight[0] + (rows - 2) * q->n);
    ppl_set_grad_enabled(q->ctx, was);
    if (!sound)
        return 0;
    ppl_tensor *at = ppl_from_doubles(q->ctx, stacked(q, rows), x);
    ppl_tensor *log_y = logs_of(q, moving && was && !q->still ? ppl__moved(q->law, at, at) : at);
    result[0] = summed(q, log_y, weight[0]);
    if (moving && q->still)
        result[0] = with_rest(q, result[0], x + (rows - 2) * q->n);
    for (int m = 0; m < q->order; m++)
        result[m] = completed(q, m ? summed(q, log_y, weight[m]) : result[m], m + 1);
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

static ppl_tensor *entropy_of(quadrature *q)
{
    ppl_tensor *entropy[2];
    if (!moments(q, entropy))
        return NULL;
    for (int64_t i = 0; i < q->n; i++)
        if (!(fabs(q->at[i].total[1] - 1) < sqrt(epsilon_of(q))))
            q->at[i].extra = NAN;
    return ppl_add(entropy[0], constants(q, extra_of));
}

ppl_tensor *ppl__tail_entropy(const ppl__searched *law)
{
    quadrature q = quadrature_of(law, 0);
    return entropy_of(&q);
}

ppl_tensor *ppl__tail_entropy_still(const ppl__searched *law)
{
    quadrature q = quadrature_of(law, 0);
    q.still = 1;
    return entropy_of(&q);
}
