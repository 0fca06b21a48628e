/* SPDX-License-Identifier: MIT */
/*
 * flow_vector.c - flows of whole vectors: planar, radial, Householder, Sylvester.
 *
 *   planar       y = x + u tanh(w x + b),  det J = 1 + (w u) sech^2
 *   radial       y = x + beta (x - x0) / (alpha + r),  r = |x - x0|,
 *                det J = s^(D-1) (r (r + 2 alpha) + room alpha) / (alpha + r)^2,
 *                room = alpha + beta,  s = (room + r) / (alpha + r)
 *   Householder  y = x - 2 u (u x) / (u u), several times
 *   Sylvester    y = x + Q R tanh(S Q^T x + b), det J = prod 1 + R_ii S_ii sech^2
 *
 * All have inverses: with a = w x, planar asks for the root of a + (w u) tanh(a + b) =
 * w y, which is one number; r solves a quadratic equation; and in the basis of Q,
 * Sylvester is as many such roots, from the last element to the first. Parameters are
 * moved to where the map is one to one: w u > -1, beta > -alpha, |R_ii S_ii| < 1; how far
 * from there they are, 1 + w u and so on, is the `room`, kept as it is: it may be below
 * what 1 has digits for.
 *
 * Sources: Rezende and Mohamed, Variational inference with normalizing flows, 2015
 * (appendix A); Tomczak and Welling, Householder flow, 2016; van den Berg et al.,
 * Sylvester normalizing flows, 2018.
 */
#include "flow.h"

#include "../dist/density.h"

#include <kiln/matrix.h>

#include <math.h>

/* ---- The root of a + (room - 1) tanh(a + b) = c, room > 0 --------------------------- */

/* That map's slope 1 + (room - 1) sech^2 from the tanh: a sum of what is above 0, so that
 * next to 0, where room is nearly 0, it keeps its digits. */
static double slope_of(double room, double t)
{
    return t * t + room * (1 - t * t);
}

/* Newton's method from inside a bracket that shrinks: a lies within |room - 1| of c. */
static double root(double c, double room, double b)
{
    double low = c - fabs(room - 1), high = c + fabs(room - 1), a = c;
    for (int i = 0; i < 200 && low < high; i++) {
        const double t = tanh(a + b), f = a - t + room * t - c;
        double next;
        if (f > 0)
            high = a;
        else
            low = a;
        next = a - f / slope_of(room, t);
        if (!(next > low && next < high))
            next = (low + high) / 2;
        if (f == 0 || next == a)
            break;
        a = next;
    }
    return a;
}

static void root_value(const ppl__span *s, void *out)
{
    const double *c = s->in[0], *room = s->in[1], *b = s->in[2];
    double *a = out;
    for (size_t i = 0; i < s->n; i++)
        a[i] = root(c[i], room[i], b[i]);
}

static void root_slope(const ppl__span *s, int input, void *slope)
{
    const double *room = s->in[1], *b = s->in[2], *a = s->y;
    double *d = slope;
    for (size_t i = 0; i < s->n; i++) {
        const double t = tanh(a[i] + b[i]);
        d[i] = (input == 0 ? 1 : input == 1 ? -t : (1 - room[i]) * (1 - t * t)) /
               slope_of(room[i], t);
    }
}

static const ppl__formula root_formula = PPL__IN_DOUBLE(3, root_value, root_slope);
PPL__FORMULA_OP(root_op, "flow root", root_formula)

static ppl_tensor *tanh_root(ppl_tensor *c, ppl_tensor *room, ppl_tensor *b)
{
    return ppl_apply(&root_op, (ppl_tensor *[]){ c, room, b }, 3, NULL, 0);
}

/* log slope_of(room, t). */
static ppl_tensor *log_slope(ppl_tensor *room, ppl_tensor *t)
{
    ppl_tensor *square = ppl_mul(t, t);
    return ppl_log(ppl_lerp(square, ppl_scalar(ppl_tensor_ctx(t), 1), room));
}

/* |t| [..,1], where that is 0 `none` instead, without a gradient. */
static ppl_tensor *length(ppl_tensor *t, double none)
{
    ppl_ctx *c = ppl_tensor_ctx(t);
    ppl_tensor *square = ppl__flow_dot(t, t), *zero = ppl_equal(square, ppl_scalar(c, 0));
    return ppl_where(zero, ppl_scalar(c, none),
                     ppl_sqrt(ppl_where(zero, ppl_scalar(c, 1), square)));
}

/* Three parameters, or parts of a network's output for the context, of these sizes. */
static int three(ppl__flow *f, const char *const suffix[3], const int64_t size[3],
                 const ppl_init init[3], ppl_tensor *out[3])
{
    int64_t at = 0;
    ppl_tensor *all = NULL;
    if (f->opts.context) {
        ppl_tensor *context = f->opts.context;
        f->opts.context = NULL;             /* it is the network's input, alone */
        if (!ppl__flow_dense(f, "nn", ppl_dim(context, -1), size[0] + size[1] + size[2]))
            return 0;
        all = ppl__flow_run(f, context);
        f->opts.context = context;
    }
    for (int i = 0; i < 3; i++, at += size[i - 1]) {
        out[i] = all ? ppl__flow_slice(all, at, at + size[i])
                     : ppl__flow_param(f, suffix[i], PPL_SHAPE(size[i]), init[i]);
        if (!out[i])
            return 0;
    }
    return 1;
}

/* ---- Planar ------------------------------------------------------------------------ */

typedef struct planar {
    ppl_tensor *b, *u, *w, *room;           /* u moved; 1 + w u */
} planar;

static ppl_tensor *planar_forward(const ppl_transform *self, ppl_tensor *x,
                                  ppl_tensor **log_abs_det)
{
    const planar *p = ppl__flow_of(self)->own;
    if (!ppl__flow_fits(self, x))
        return NULL;
    ppl_tensor *t = ppl_tanh(ppl_add(ppl__flow_dot(p->w, x), p->b));
    if (log_abs_det)
        *log_abs_det = ppl__flow_drop(log_slope(p->room, t));
    return ppl_add(x, ppl_mul(p->u, t));
}

static ppl_tensor *planar_inverse(const ppl_transform *self, ppl_tensor *y,
                                  ppl_tensor **log_abs_det)
{
    const planar *p = ppl__flow_of(self)->own;
    if (!ppl__flow_fits(self, y))
        return NULL;
    ppl_tensor *a = tanh_root(ppl__flow_dot(p->w, y), p->room, p->b);
    ppl_tensor *t = ppl_tanh(ppl_add(a, p->b));
    if (log_abs_det)
        *log_abs_det = ppl__flow_drop(log_slope(p->room, t));
    return ppl_sub(y, ppl_mul(p->u, t));
}

static const ppl_transform_type planar_type = {
    .name = "planar", .forward = planar_forward, .inverse = planar_inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

ppl_transform *ppl_flow_planar(ppl_ctx *c, const char *name, int64_t dim,
                               const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 10 * dim, 10 * dim }, size[] = { 1, dim, dim };
    ppl__flow *f = ppl__flow_begin(c, "planar", name, dim, opts, hidden, 2);
    planar *p = f ? ppl_alloc(c, sizeof *p) : NULL;
    ppl_tensor *raw[3];
    if (!p || !three(f, (const char *const[]){ ".bias", ".u", ".w" }, size,
                     (ppl_init[]){ PPL_ZEROS, ppl__flow_uniform(dim),
                                   ppl__flow_uniform(dim) }, raw))
        return NULL;
    p->b = raw[0];
    p->w = raw[2];
    /* w u becomes softplus(w u) - 1: u moves along w, or stays where w is 0. */
    ppl_tensor *dot = ppl__flow_dot(raw[1], p->w), *square = ppl__flow_dot(p->w, p->w);
    ppl_tensor *one = ppl_scalar(c, 1), *none = ppl_equal(square, ppl_scalar(c, 0));
    p->room = ppl_where(none, one, ppl_softplus(dot));
    ppl_tensor *way = ppl_sub(ppl_affine(p->room, 1, -1), dot);
    p->u = ppl_add(raw[1], ppl_mul(ppl_div(way, ppl_where(none, one, square)), p->w));
    f->own = p;
    return p->u ? ppl__flow_make(f, &planar_type) : NULL;
}

/* ---- Radial ------------------------------------------------------------------------ */

typedef struct radial {
    ppl_tensor *centre, *alpha, *room;
} radial;

/* The factor s from r [..,1]; log |det J|. */
static ppl_tensor *stretch(const ppl__flow *f, ppl_tensor *r, ppl_tensor **log_abs_det)
{
    const radial *p = f->own;
    ppl_tensor *far = ppl_add(p->alpha, r), *s = ppl_div(ppl_add(p->room, r), far);
    if (log_abs_det) {
        ppl_tensor *along = ppl_add(ppl_mul(r, ppl_add(far, p->alpha)),
                                    ppl_mul(p->room, p->alpha));
        *log_abs_det = ppl__flow_drop(
            ppl_add(ppl_affine(ppl_log(s), (double)(f->dim - 1), 0),
                    ppl_sub(ppl_log(along), ppl_affine(ppl_log(far), 2, 0))));
    }
    return s;
}

static ppl_tensor *radial_forward(const ppl_transform *self, ppl_tensor *x,
                                  ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    const radial *p = f->own;
    if (!ppl__flow_fits(self, x))
        return NULL;
    ppl_tensor *away = ppl_sub(x, p->centre);
    return ppl_add(p->centre, ppl_mul(away, stretch(f, length(away, 0), log_abs_det)));
}

/* R = |y - x0| = r s: r^2 + b r - alpha R = 0, b = room - R. Of the two forms of the root
 * above 0, the one that adds. */
static ppl_tensor *radial_inverse(const ppl_transform *self, ppl_tensor *y,
                                  ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    const radial *p = f->own;
    if (!ppl__flow_fits(self, y))
        return NULL;
    ppl_tensor *away = ppl_sub(y, p->centre), *far = length(away, 0);
    ppl_tensor *b = ppl_sub(p->room, far), *product = ppl_mul(p->alpha, far);
    ppl_tensor *root = ppl_sqrt(ppl_add(ppl_mul(b, b), ppl_affine(product, 4, 0)));
    ppl_tensor *inside = ppl_less(ppl_scalar(f->ctx, 0), b);
    ppl_tensor *half = ppl_affine(ppl_add(root, ppl_where(inside, b, ppl_neg(b))), 0.5, 0);
    ppl_tensor *r = ppl_where(inside, ppl_div(product, half), half);
    return ppl_add(p->centre, ppl_div(away, stretch(f, r, log_abs_det)));
}

static const ppl_transform_type radial_type = {
    .name = "radial", .forward = radial_forward, .inverse = radial_inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

ppl_transform *ppl_flow_radial(ppl_ctx *c, const char *name, int64_t dim,
                               const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 10 * dim, 10 * dim }, size[] = { dim, 1, 1 };
    const ppl_init init = ppl__flow_uniform(dim > 0 ? dim : 1);
    ppl__flow *f = ppl__flow_begin(c, "radial", name, dim, opts, hidden, 2);
    radial *p = f ? ppl_alloc(c, sizeof *p) : NULL;
    ppl_tensor *raw[3];
    if (!p || !three(f, (const char *const[]){ ".x0", ".alpha_prime", ".beta_prime" },
                     size, (ppl_init[]){ init, init, init }, raw))
        return NULL;
    p->centre = raw[0];
    p->alpha = ppl_softplus(raw[1]);
    p->room = ppl_softplus(raw[2]);         /* beta is that less alpha */
    f->own = p;
    return p->room ? ppl__flow_make(f, &radial_type) : NULL;
}

/* ---- Householder ------------------------------------------------------------------- */

/* t reflected by the unit vectors u [..,count,D], in turn or in the opposite order. */
static ppl_tensor *reflect(const ppl__flow *f, ppl_tensor *u, ppl_tensor *t, int back)
{
    for (int i = 0; i < f->opts.count; i++) {
        const int k = back ? f->opts.count - 1 - i : i;
        ppl_tensor *one = ppl_slice(u, -2, k, k + 1);
        ppl_shape shape = ppl_tensor_shape(one);
        if (!one)
            return NULL;
        shape.dim[shape.rank - 2] = f->dim;
        shape.dim[--shape.rank] = 0;
        one = ppl_reshape(one, shape);
        t = ppl_sub(t, ppl_affine(ppl_mul(ppl__flow_dot(one, t), one), 2, 0));
    }
    return t;
}

static ppl_tensor *reflected(const ppl_transform *self, ppl_tensor *t, int back,
                             ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    if (!ppl__flow_fits(self, t))
        return NULL;
    t = reflect(f, (ppl_tensor *)(uintptr_t)f->own, t, back);
    if (log_abs_det)
        *log_abs_det = t ? ppl__transform_zeros(t, 1) : NULL;
    return t;
}

static ppl_tensor *householder_forward(const ppl_transform *self, ppl_tensor *x,
                                       ppl_tensor **log_abs_det)
{
    return reflected(self, x, 0, log_abs_det);
}

static ppl_tensor *householder_inverse(const ppl_transform *self, ppl_tensor *y,
                                       ppl_tensor **log_abs_det)
{
    return reflected(self, y, 1, log_abs_det);
}

static const ppl_transform_type householder_type = {
    .name = "householder", .forward = householder_forward,
    .inverse = householder_inverse, .shape = ppl__flow_shape, .same = ppl__flow_same
};

/* Unit vectors [..,count,D], parameters or a network's output for the context; 0, which
 * reflects nothing, stays 0. */
static ppl_tensor *unit_vectors(ppl__flow *f)
{
    const int64_t n = f->opts.count;
    ppl_tensor *context = f->opts.context, *u;
    if (context) {
        f->opts.context = NULL;
        u = ppl__flow_dense(f, "nn", ppl_dim(context, -1), n * f->dim)
            ? ppl__flow_run(f, context) : NULL;
        f->opts.context = context;
        ppl_shape shape = ppl_tensor_shape(u);
        if (!u || shape.rank == PPL_MAX_RANK)
            return NULL;
        shape.dim[shape.rank - 1] = n;
        shape.dim[shape.rank++] = f->dim;
        u = ppl_reshape(u, shape);
    } else {
        u = ppl__flow_param(f, ".u_unnormed", PPL_SHAPE(n, f->dim),
                            ppl__flow_uniform(f->dim));
    }
    return u ? ppl_div(u, length(u, 1)) : NULL;
}

ppl_transform *ppl_flow_householder(ppl_ctx *c, const char *name, int64_t dim,
                                    const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 10 * dim, 10 * dim };
    ppl__flow *f = ppl__flow_begin(c, "householder", name, dim, opts, hidden, 2);
    if (!f || !(f->own = unit_vectors(f)))
        return NULL;
    return ppl__flow_make(f, &householder_type);
}

/* ---- Sylvester --------------------------------------------------------------------- */

typedef struct sylvester {
    ppl_tensor *u, *r, *s, *b;              /* r, s [D,D] upper triangular */
    ppl_tensor *room;                       /* 1 + R_ii S_ii [D] */
} sylvester;

/* tanh(S z + b), and log |det J|, from z = Q^T x. */
static ppl_tensor *bend(const sylvester *p, ppl_tensor *z, ppl_tensor **log_abs_det)
{
    ppl_tensor *t = ppl_tanh(ppl_linear(z, p->s, p->b, PPL_IDENTITY));
    if (log_abs_det)
        *log_abs_det = ppl_sum(log_slope(p->room, t), -1);
    return t;
}

static ppl_tensor *sylvester_forward(const ppl_transform *self, ppl_tensor *x,
                                     ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    const sylvester *p = f->own;
    if (!ppl__flow_fits(self, x))
        return NULL;
    /* Q = H_1 .. H_n; Q^T z reflects by the first first. */
    ppl_tensor *t = bend(p, reflect(f, p->u, x, 0), log_abs_det);
    return ppl_add(x, reflect(f, p->u, ppl_linear(t, p->r, NULL, PPL_IDENTITY), 1));
}

/* Column i of z from those behind it: with a = S_ii z_i, a + R_ii S_ii tanh(a + c) =
 * S_ii rest, z_i = rest - R_ii tanh(a + c). */
static ppl_tensor *sylvester_inverse(const ppl_transform *self, ppl_tensor *y,
                                     ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    const sylvester *p = f->own;
    if (!ppl__flow_fits(self, y))
        return NULL;
    ppl_tensor *w = reflect(f, p->u, y, 0), *z = NULL, *bent = NULL;
    for (int64_t i = f->dim; i-- > 0;) {
        ppl_tensor *s = ppl_slice(p->s, 0, i, i + 1), *r = ppl_slice(p->r, 0, i, i + 1);
        ppl_tensor *s_own = ppl_reshape(ppl__flow_slice(s, i, i + 1), PPL_SHAPE(1));
        ppl_tensor *r_own = ppl_reshape(ppl__flow_slice(r, i, i + 1), PPL_SHAPE(1));
        ppl_tensor *rest = ppl__flow_slice(w, i, i + 1);
        ppl_tensor *c = ppl_slice(p->b, 0, i, i + 1);
        if (z) {
            c = ppl_linear(z, ppl__flow_slice(s, i + 1, f->dim), c, PPL_IDENTITY);
            rest = ppl_sub(rest, ppl_linear(bent, ppl__flow_slice(r, i + 1, f->dim), NULL,
                                            PPL_IDENTITY));
        }
        ppl_tensor *a = tanh_root(ppl_mul(s_own, rest),
                                  ppl__flow_slice(p->room, i, i + 1), c);
        ppl_tensor *t = ppl_tanh(ppl_add(a, c)), *own;
        own = ppl_sub(rest, ppl_mul(r_own, t));
        z = z ? ppl_concat((ppl_tensor *[]){ own, z }, 2, -1) : own;
        bent = bent ? ppl_concat((ppl_tensor *[]){ t, bent }, 2, -1) : t;
    }
    if (log_abs_det)
        *log_abs_det = ppl_sum(log_slope(p->room, bent), -1);
    return reflect(f, p->u, z, 1);
}

static const ppl_transform_type sylvester_type = {
    .name = "sylvester", .forward = sylvester_forward, .inverse = sylvester_inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

/* The part above the diagonal, and `diagonal` on it. */
static ppl_tensor *upper(ppl_tensor *dense, ppl_tensor *diagonal)
{
    ppl_tensor *above = ppl_matrix_keep(ppl_transpose(dense, 0, 1), PPL_STRICTLY_LOWER);
    return ppl_add(ppl_transpose(above, 0, 1),
                   ppl_matrix_embed(diagonal, PPL_DIAGONAL));
}

/* log 2 cosh t. */
static ppl_tensor *log_cosh(ppl_tensor *t)
{
    return ppl_add(t, ppl_softplus(ppl_affine(t, -2, 0)));
}

/* 1 + tanh r tanh s = cosh(r + s) / (cosh r cosh s). */
static ppl_tensor *room_of(ppl_tensor *r, ppl_tensor *s)
{
    ppl_tensor *both = ppl_sub(log_cosh(ppl_add(r, s)),
                               ppl_add(log_cosh(r), log_cosh(s)));
    return ppl_exp(ppl_affine(both, 1, log(2)));
}

ppl_transform *ppl_flow_sylvester(ppl_ctx *c, const char *name, int64_t dim,
                                  const ppl_flow_opts *opts)
{
    const ppl_init init = ppl_init_uniform(-0.01, 0.01);
    ppl__flow *f = ppl__flow_begin(c, "sylvester", name, dim, opts, NULL, 0);
    sylvester *p = f ? ppl_alloc(c, sizeof *p) : NULL;
    if (!p)
        return NULL;
    if (f->opts.context) {
        ppl_fail(c, PPL_EUNSUPPORTED, "sylvester %s: it takes no context; a conditional "
                 "planar or affine flow does", f->name);
        return NULL;
    }
    p->u = unit_vectors(f);
    ppl_tensor *r_dense = ppl__flow_param(f, ".R_dense", PPL_SHAPE(dim, dim), init);
    ppl_tensor *s_dense = ppl__flow_param(f, ".S_dense", PPL_SHAPE(dim, dim), init);
    ppl_tensor *r = ppl__flow_param(f, ".R_diag", PPL_SHAPE(dim), init);
    ppl_tensor *s = ppl__flow_param(f, ".S_diag", PPL_SHAPE(dim), init);
    p->b = ppl__flow_param(f, ".b", PPL_SHAPE(dim), init);
    p->room = room_of(r, s);
    p->r = upper(r_dense, ppl_tanh(r));
    p->s = upper(s_dense, ppl_tanh(s));
    f->own = p;
    return p->u && p->b && p->r && p->s ? ppl__flow_make(f, &sylvester_type) : NULL;
}
