/* SPDX-License-Identifier: MIT */
/*
 * constraint_text.c - finding the values that violate a constraint, and what is said of
 * them: which, what they are, what they must be.
 */
#include "constraint.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double ppl__number_at(const ppl_tensor *t, size_t i)
{
    if (t->dtype == PPL_F32)
        return ((const float *)t->data)[i];
    return t->dtype == PPL_F64 ? ((const double *)t->data)[i]
                               : (double)((const int64_t *)t->data)[i];
}

int ppl__number_text(const ppl_tensor *t, size_t i, char *buffer, size_t size)
{
    double x = ppl__number_at(t, i);
    if (isnan(x))
        return snprintf(buffer, size, "nan");
    for (int digits = 6;; digits = digits == 6 ? 9 : 17) {
        int length = snprintf(buffer, size, "%.*g", digits, x);
        double back = strtod(buffer, NULL);
        if (digits == 17 || (t->dtype == PPL_F32 ? (float)back == (float)x : back == x))
            return length;
    }
}

const char *ppl__index_text(const ppl_shape *shape, size_t i, int axes, size_t event,
                            char buffer[PPL_SHAPE_TEXT])
{
    ppl_shape index = { axes, { 0 } };
    i /= event;
    for (int a = axes; a-- > 0; i /= (size_t)shape->dim[a])
        index.dim[a] = (int64_t)(i % (size_t)shape->dim[a]);
    return axes > 0 ? ppl_shape_text(&index, buffer) : "";
}

/* ---- What a value must be ---------------------------------------------------------- */

/* The bound that stands at `at`, or NULL; *length is that of its placeholder. */
static const double *placeholder(const ppl_constraint *k, const char *at, size_t *length)
{
    *length = 7;
    if (strncmp(at, "{lower}", 7) == 0)
        return &k->lower;
    return strncmp(at, "{upper}", 7) == 0 ? &k->upper : NULL;
}

const char *ppl_constraint_text(const ppl_constraint *k, char buffer[PPL_CONSTRAINT_TEXT])
{
    const char *at = k->parts         ? ppl__parts_text(k->parts)
                     : k->type->must ? k->type->must
                                     : k->type->name;
    size_t used = 0, length;
    int bounds = 0;
    buffer[0] = '\0';
    while (*at && used + 32 < PPL_CONSTRAINT_TEXT) {
        const double *bound = placeholder(k, at, &length);
        if (bound) {
            used += (size_t)snprintf(buffer + used, PPL_CONSTRAINT_TEXT - used, "%.15g",
                                     *bound);
            at += length;
            bounds++;
        } else {
            buffer[used++] = *at++;
            buffer[used] = '\0';
        }
    }
    if (bounds == 2 && !(k->lower <= k->upper))
        snprintf(buffer + used, PPL_CONSTRAINT_TEXT - used, ", and nothing is");
    return buffer;
}

/* ---- Violations -------------------------------------------------------------------- */

size_t ppl__event_size(const ppl_constraint *k, const ppl_tensor *t)
{
    size_t event = 1;
    for (int a = 1; a <= ppl_constraint_event_dim(k) && a <= t->shape.rank; a++)
        event *= (size_t)t->shape.dim[t->shape.rank - a];
    return event;
}

/* 1 if an infinite number is refused for that alone, and what it must be does not say so. */
static int only_infinite(const ppl_constraint *k, double x, const char *must)
{
    const ppl_shape scalar = PPL_SCALAR;
    return isinf(x) && !strstr(must, "finite") && !strstr(must, "integer") &&
           k->type->check(k, &(double){ x > 0 ? DBL_MAX : -DBL_MAX }, &scalar);
}

/* The first element of the event at element i that no value has: not a number, infinite, or
 * beyond the bounds, if there are any; `event` if there is none. */
static size_t first_odd(const ppl_constraint *k, const ppl_tensor *t, size_t i, size_t event)
{
    const int bounds = k->lower < k->upper;
    size_t n = 0;
    for (; n < event; n++) {
        const double x = ppl__number_at(t, i + n);
        if (!(x < INFINITY) || (bounds && (x < k->lower || x > k->upper)))
            break;
    }
    return n;
}

/* "(1, 2, 3, 4, ...)", and ", nan at [7]" where that is what is wrong and is not among
 * those shown. */
static void event_text(const ppl_constraint *k, const ppl_tensor *t, size_t i, char *is,
                       size_t size)
{
    const size_t event = ppl__event_size(k, t), shown = event < 4 ? event : 4;
    const int own = ppl_constraint_event_dim(k);
    char index[PPL_SHAPE_TEXT], number[64];
    ppl_shape shape = { own, { 0 } };
    int length = 0;
    for (size_t n = 0; n < shown; n++) {
        length += snprintf(is + length, size - (size_t)length, n ? ", " : "(");
        length += ppl__number_text(t, i + n, is + length, size - (size_t)length);
    }
    length += snprintf(is + length, size - (size_t)length, shown < event ? ", ...)" : ")");
    size_t odd = first_odd(k, t, i, event);
    if (odd < shown || odd == event)
        return;
    for (int a = 0; a < own; a++)
        shape.dim[a] = t->shape.dim[t->shape.rank - own + a];
    ppl__number_text(t, i + odd, number, sizeof number);
    snprintf(is + length, size - (size_t)length, ", %s at %s", number,
             ppl__index_text(&shape, odd, own, 1, index));
}

const char *ppl__violation_text(const ppl_constraint *k, const ppl_tensor *t, size_t i,
                                char buffer[PPL__VIOLATION_TEXT])
{
    char index[PPL_SHAPE_TEXT], must[PPL_CONSTRAINT_TEXT], is[224];
    const int own = ppl_constraint_event_dim(k);
    if (own == 0)
        ppl__number_text(t, i, is, sizeof is);
    else
        event_text(k, t, i, is, sizeof is);
    ppl_constraint_text(k, must);
    snprintf(buffer, PPL__VIOLATION_TEXT, "%s is %s; it must be %s%s",
             ppl__index_text(&t->shape, i, t->shape.rank - own, ppl__event_size(k, t), index),
             is, must, own == 0 && only_infinite(k, ppl__number_at(t, i), must)
                       ? " and finite" : "");
    return buffer;
}
