/* SPDX-License-Identifier: MIT */
/*
 * kiln/shards.h - a batch in shards, a thread each, that meet once a step.
 *
 * Threads that share an operation (ppl_ctx_opts.threads) wait for one another in each. Where
 * the rows of a batch have nothing to do with each other but the parameters, a thread can do
 * all of the work for rows of its own: ppl_svi_step_shards (infer.h) in a step, and
 * ppl_run_shards in loops of your own.
 *
 * Each shard has a context: the first the one given, the others replicas that it keeps, of its
 * dtype, validation and allocator and with its parameters as they are at the call. Functions
 * that run in them run at the same time: they may write nothing that they share, and an
 * allocator of yours must be one for several threads. A tensor of another context is refused.
 *
 * What is computed depends on the number of shards, never on that of threads or on timing:
 * shard k > 0 draws under a key of its own, and gradients are added in the order of shards.
 */
#ifndef KILN_SHARDS_H
#define KILN_SHARDS_H

#include <kiln/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PPL_MOST_SHARDS 1024

/* The work of shard `shard` in the context c. One that was the first to ask for a parameter,
 * or to write one, is done again in the context given: what it leaves in `user` is then
 * written twice. */
typedef void (*ppl_shard)(ppl_ctx *c, int shard, void *user);

/* Runs 1 to PPL_MOST_SHARDS shards on the threads of c; returns when all are done. Their
 * gradients are then added to those of c, what any has touched is touched, and the moving
 * averages they asked for (ppl_param_average) are asked for, shard by shard. Of the errors
 * that of the first shard is c's, with the shard's number. A handler around the call, which
 * only one shard would see, is PPL_ENEST. */
PPL_API PPL_MUST_CHECK ppl_status ppl_run_shards(ppl_ctx *c, int shards, ppl_shard run,
                                                 void *user);

#ifdef __cplusplus
}
#endif
#endif
