/* SPDX-License-Identifier: MIT */
/*
 * ragged.c - batches of sequences of unequal length, packed in order of time.
 */
#include "recurrent.h"

#include "../shape_text.h"

/* The first step that breaks the rule of ppl_ragged; -1 if none does. */
static int first_broken(const ppl_ragged *r)
{
    if (!r || !r->active || r->steps < 1)
        return 0;
    for (int t = 0; t < r->steps; t++)
        if (r->active[t] < 1 || (t > 0 && r->active[t] > r->active[t - 1]))
            return t;
    return -1;
}

int64_t ppl_ragged_rows(const ppl_ragged *r)
{
    int64_t rows = 0;
    if (first_broken(r) >= 0)
        return 0;
    for (int t = 0; t < r->steps; t++)
        rows += r->active[t];
    return rows;
}

int ppl__ragged_check(ppl_ctx *c, const char *what, const char *name,
                      const ppl_tensor *packed, const ppl_ragged *r)
{
    const int broken = first_broken(r);
    const int64_t rows = ppl_ragged_rows(r);
    if (broken >= 0 && (!r || !r->active || r->steps < 1))
        ppl_fail(c, PPL_EINVAL, "%s %s: no ragged steps; give at least one, with active",
                 what, name);
    else if (broken >= 0)
        ppl_fail(c, PPL_EINVAL,
                 "%s %s: active[%d] is %d%s; every step has at least 1 sequence and no "
                 "more than the step before (longest first)",
                 what, name, broken, r->active[broken],
                 r->active[broken] < 1 ? "" : ", more than the step before");
    else if (ppl_rank(packed) < 1 || ppl_dim(packed, 0) != rows)
        ppl_fail(c, packed ? PPL_ESHAPE : PPL_EINVAL,
                 "%s %s: packed is %s, but the %d ragged steps have %lld rows; axis 0 "
                 "must be the sum of active",
                 what, name, SHAPE_OF(packed), r->steps, (long long)rows);
    else
        return 1;
    return 0;
}

ppl_tensor *ppl_ragged_step(ppl_tensor *packed, const ppl_ragged *r, int t)
{
    ppl_ctx *c = ppl_tensor_ctx(packed);
    int64_t row = 0;
    if (!c || !ppl__ragged_check(c, "ragged", "step", packed, r))
        return NULL;
    if (t < 0 || t >= r->steps) {
        ppl_fail(c, PPL_EINVAL, "ragged step: step %d of %d; steps count from 0", t,
                 r->steps);
        return NULL;
    }
    for (int k = 0; k < t; k++)
        row += r->active[k];
    return ppl_slice(packed, 0, row, row + r->active[t]);
}
