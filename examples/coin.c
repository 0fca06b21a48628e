/* SPDX-License-Identifier: MIT */
/*
 * coin.c - how fair is a coin? Beta prior, ten tosses, a Beta guide, and the posterior that
 * the guide should find, which is known: Beta(10 + heads, 10 + tails).
 *
 *     cc coin.c $(pkg-config --cflags --libs kiln)
 */
#include <kiln.h>

#include <math.h>
#include <stdio.h>

static const double toss[] = { 1, 1, 1, 1, 1, 1, 0, 1, 1, 0 };
enum { TOSSES = sizeof toss / sizeof toss[0] };

static void model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *fairness =
        ppl_sample(c, "fairness", ppl_beta(ppl_scalar(c, 10), ppl_scalar(c, 10)));

    (void)arg;
    ppl_observe(c, "toss", ppl_bernoulli(fairness),
                ppl_from_doubles(c, PPL_SHAPE(TOSSES), toss));
}

static void guide(ppl_ctx *c, const void *arg)
{
    ppl_tensor *heads =
        ppl_param(c, "heads", PPL_SCALAR, ppl_init_constant(15), PPL_POSITIVE);
    ppl_tensor *tails =
        ppl_param(c, "tails", PPL_SCALAR, ppl_init_constant(15), PPL_POSITIVE);

    (void)arg;
    ppl_sample(c, "fairness", ppl_beta(heads, tails));
}

/* 2000 steps; 0, or 1 with the error printed. */
static int fit(ppl_ctx *c)
{
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    ppl_optim *adam =
        ppl_adam(c, &(ppl_optim_opts){ .lr = 0.02, .beta1 = 0.9, .lr_decay = 0.999 });
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, adam);
    ppl_status status = svi != NULL ? PPL_OK : PPL_EINVAL;

    for (int step = 0; step < 2000 && status == PPL_OK; step++)
        status = ppl_svi_step(svi, NULL, NULL);
    if (status != PPL_OK || ppl_ledger_write(elbo, stdout) != PPL_OK)
        fprintf(stderr, "coin: %s\n", ppl_error_text(c));
    ppl_svi_free(svi);
    return status != PPL_OK;
}

int main(void)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64, .seed = 1 });
    double a, b, heads = 0, exact_a, exact_b;
    int failed;

    if (c == NULL)
        return 1;
    for (int i = 0; i < TOSSES; i++)
        heads += toss[i];
    exact_a = 10 + heads;
    exact_b = 10 + TOSSES - heads;
    failed = fit(c) || ppl_param_read(c, "heads", &a, 1) != PPL_OK ||
             ppl_param_read(c, "tails", &b, 1) != PPL_OK;
    if (!failed) {
        printf("posterior mean %.4f, exact %.4f\n", a / (a + b),
               exact_a / (exact_a + exact_b));
        printf("posterior sd   %.4f, exact %.4f\n",
               sqrt(a * b / (a + b + 1)) / (a + b),
               sqrt(exact_a * exact_b / (exact_a + exact_b + 1)) / (exact_a + exact_b));
    }
    ppl_ctx_free(c);
    return failed;
}
