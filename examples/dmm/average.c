/* SPDX-License-Identifier: MIT */
/* The mean of the weights over epochs; see average.h. All weights of the DMM are
 * unconstrained, so a mean of theirs is a weight too. */
#include "average.h"

#include <string.h>

static const char prefix[] = "average.";

/* What is done with a weight and its mean; both have room for info->count numbers. */
typedef ppl_status visitor(ppl_ctx *c, const ppl_param_info *info, ppl_name mean,
                           double *weight, double *other, int count);

static ppl_status each_weight(ppl_ctx *c, visitor *visit, int count)
{
    ppl_status status = PPL_OK;

    /* Visiting may add means, behind the weights. */
    for (int i = 0, all = ppl_param_count(c); i < all && status == PPL_OK; i++) {
        const ppl_param_info info = *ppl_param_at(c, i);
        const size_t size = 2 * (size_t)info.count * sizeof(double);
        double *room;

        if (strncmp(info.name, prefix, strlen(prefix)) == 0)
            continue;
        if ((room = ppl_persistent_alloc(c, size)) == NULL)
            return ppl_error(c);
        status = ppl_param_read(c, info.name, room, info.count);
        if (status == PPL_OK)
            status = visit(c, &info, ppl_intern_join(c, prefix, info.name), room,
                           room + info.count, count);
        ppl_persistent_free(c, room, size);
    }
    return status;
}

static ppl_status add(ppl_ctx *c, const ppl_param_info *info, ppl_name mean, double *weight,
                      double *other, int count)
{
    (void)other;
    if (count == 1)
        return ppl_param_write(c, mean, info->shape, weight);
    return ppl_param_average(c, mean, 1.0 / count, weight, info->count);
}

static ppl_status swap(ppl_ctx *c, const ppl_param_info *info, ppl_name mean, double *weight,
                       double *other, int count)
{
    ppl_status status = ppl_param_read(c, mean, other, info->count);

    (void)count;
    if (status == PPL_OK)
        status = ppl_param_write(c, mean, info->shape, weight);
    return status != PPL_OK ? status : ppl_param_write(c, info->name, info->shape, other);
}

ppl_status average_add(ppl_ctx *c, int count)
{
    return each_weight(c, add, count);
}

ppl_status average_swap(ppl_ctx *c)
{
    return each_weight(c, swap, 0);
}
