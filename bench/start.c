/* SPDX-License-Identifier: MIT */
/*
 * start.c - one step of SVI on the README's coin, and out: what bench/run.sh times from exec
 * to the line it prints. The peers' side: peers/start.py.
 */
#include <kiln.h>

#include <stdio.h>

static const double toss[] = { 1, 1, 1, 1, 1, 1, 0, 1, 1, 0 };

static void model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *ten = ppl_scalar(c, 10), *fairness;

    (void)arg;
    fairness = ppl_sample(c, "fairness", ppl_beta(ten, ten));
    ppl_observe(c, "toss", ppl_bernoulli(fairness), ppl_from_doubles(c, PPL_SHAPE(10), toss));
}

static void guide(ppl_ctx *c, const void *arg)
{
    ppl_init fifteen = ppl_init_constant(15);
    ppl_tensor *heads = ppl_param(c, "heads", PPL_SCALAR, fifteen, PPL_POSITIVE);
    ppl_tensor *tails = ppl_param(c, "tails", PPL_SCALAR, fifteen, PPL_POSITIVE);

    (void)arg;
    ppl_sample(c, "fairness", ppl_beta(heads, tails));
}

int main(void)
{
    ppl_ctx *c = ppl_ctx_new(NULL);
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, ppl_adam(c, NULL));
    double loss = 0;

    if (ppl_svi_step(svi, NULL, &loss) != PPL_OK)
        return fprintf(stderr, "bench/start: %s\n", ppl_error_text(c)), 1;
    printf("{\"program\": \"kiln\", \"version\": \"%s\", \"loss\": %.9g}\n", PPL_VERSION, loss);
    fflush(stdout);
    ppl_svi_free(svi);
    ppl_ctx_free(c);
    return 0;
}
