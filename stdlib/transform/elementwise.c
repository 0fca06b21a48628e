/* SPDX-License-Identifier: MIT */
/*
 * elementwise.c - transforms of single numbers that are no map of a constraint: affine,
 * tanh, power, abs.
 */
#include "transform.h"

#include <math.h>

/* Tensor i of the transform broadcast with x. */
static int wide_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    (void)inverse;
    for (int i = 0; i < self->tensors; i++)
        if (!ppl__transform_widen(shape, self->tensor[i]))
            return 0;
    return 1;
}

/* t at y's shape, if it is asked for. */
static void give(ppl_tensor **log_abs_det, ppl_tensor *t, const ppl_tensor *y)
{
    if (log_abs_det)
        *log_abs_det = y ? ppl_expand(t, ppl_tensor_shape(y)) : NULL;
}

static ppl_tensor *negative(const ppl_transform *self, int i)
{
    return ppl_less(self->tensor[i], ppl_scalar(self->ctx, 0));
}

/* ---- Affine: tensors loc, scale ---------------------------------------------------- */

static ppl_tensor *affine_forward(const ppl_transform *self, ppl_tensor *x,
                                  ppl_tensor **log_abs_det)
{
    ppl_tensor *y = ppl_add(self->tensor[0], ppl_mul(self->tensor[1], x));
    if (log_abs_det)
        give(log_abs_det, ppl_log(ppl_abs(self->tensor[1])), y);
    return y;
}

static ppl_tensor *affine_inverse(const ppl_transform *self, ppl_tensor *y,
                                  ppl_tensor **log_abs_det)
{
    ppl_tensor *x = ppl_div(ppl_sub(y, self->tensor[0]), self->tensor[1]);
    if (log_abs_det)
        give(log_abs_det, ppl_log(ppl_abs(self->tensor[1])), x);
    return x;
}

static ppl_tensor *affine_decreasing(const ppl_transform *self)
{
    return negative(self, 1);
}

static const ppl_transform_type affine = {
    .name = "affine", .flags = PPL_ELEMENTWISE | PPL_LINEAR, .forward = affine_forward,
    .inverse = affine_inverse, .shape = wide_shape, .decreasing = affine_decreasing
};

ppl_transform *ppl_transform_affine(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *const tensors[] = { loc, scale };
    return ppl_transform_make(&(ppl_transform){
        .ctx = ppl_tensor_ctx(loc), .type = &affine, .domain = PPL_REAL,
        .codomain = PPL_REAL, .tensor = tensors, .tensors = 2 });
}

/* ---- Tanh: slope sech^2 x ---------------------------------------------------------- */

static ppl_tensor *log_sech_squared(ppl_tensor *x)
{
    ppl_tensor *half = ppl_sub(ppl_affine(x, -1, log(2)),
                               ppl_softplus(ppl_affine(x, -2, 0)));
    return ppl_affine(half, 2, 0);
}

static ppl_tensor *tanh_forward(const ppl_transform *self, ppl_tensor *x,
                                ppl_tensor **log_abs_det)
{
    (void)self;
    if (log_abs_det)
        *log_abs_det = log_sech_squared(x);
    return ppl_tanh(x);
}

/* artanh y = (log(1 + y) - log(1 - y)) / 2. */
static ppl_tensor *tanh_inverse(const ppl_transform *self, ppl_tensor *y,
                                ppl_tensor **log_abs_det)
{
    ppl_tensor *up = ppl_log1p(y), *down = ppl_log1p(ppl_neg(y));
    (void)self;
    if (log_abs_det)
        *log_abs_det = ppl_add(up, down);           /* log(1 - y^2) */
    return ppl_affine(ppl_sub(up, down), 0.5, 0);
}

static const ppl_transform_type tanh_type = {
    .name = "tanh", .flags = PPL_ELEMENTWISE, .forward = tanh_forward,
    .inverse = tanh_inverse
};

ppl_transform *ppl_transform_tanh(ppl_ctx *c)
{
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &tanh_type, .domain = PPL_REAL,
        .codomain = ppl_interval(-1, 1) });
}

/* ---- Power: tensor exponent -------------------------------------------------------- */

/* log |e x^(e-1)|, from log x. */
static ppl_tensor *power_log_abs_det(const ppl_transform *self, ppl_tensor *log_x)
{
    ppl_tensor *e = self->tensor[0];
    return ppl_add(ppl_log(ppl_abs(e)), ppl_mul(ppl_affine(e, 1, -1), log_x));
}

static ppl_tensor *power_forward(const ppl_transform *self, ppl_tensor *x,
                                 ppl_tensor **log_abs_det)
{
    if (log_abs_det)
        *log_abs_det = power_log_abs_det(self, ppl_log(x));
    return ppl_pow(x, self->tensor[0]);
}

static ppl_tensor *power_inverse(const ppl_transform *self, ppl_tensor *y,
                                 ppl_tensor **log_abs_det)
{
    ppl_tensor *one = ppl_scalar(self->ctx, 1);
    if (log_abs_det)
        *log_abs_det = power_log_abs_det(self, ppl_div(ppl_log(y), self->tensor[0]));
    return ppl_pow(y, ppl_div(one, self->tensor[0]));
}

static ppl_tensor *power_decreasing(const ppl_transform *self)
{
    return negative(self, 0);
}

static const ppl_transform_type power = {
    .name = "power", .flags = PPL_ELEMENTWISE, .forward = power_forward,
    .inverse = power_inverse, .shape = wide_shape, .decreasing = power_decreasing
};

ppl_transform *ppl_transform_power(ppl_tensor *exponent)
{
    return ppl_transform_make(&(ppl_transform){
        .ctx = ppl_tensor_ctx(exponent), .type = &power, .domain = PPL_POSITIVE,
        .codomain = PPL_POSITIVE, .tensor = &exponent, .tensors = 1 });
}

/* ---- Abs --------------------------------------------------------------------------- */

static ppl_tensor *abs_forward(const ppl_transform *self, ppl_tensor *x,
                               ppl_tensor **log_abs_det)
{
    (void)self, (void)log_abs_det;
    return ppl_abs(x);
}

static ppl_tensor *abs_inverse(const ppl_transform *self, ppl_tensor *y,
                               ppl_tensor **log_abs_det)
{
    (void)self, (void)log_abs_det;
    return y;
}

static const ppl_transform_type abs_type = {
    .name = "abs", .flags = PPL_NOT_INJECTIVE, .forward = abs_forward,
    .inverse = abs_inverse
};

ppl_transform *ppl_transform_abs(ppl_ctx *c)
{
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &abs_type, .domain = PPL_REAL, .codomain = PPL_NONNEGATIVE });
}
