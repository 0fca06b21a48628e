/* SPDX-License-Identifier: MIT */
/* The library against examples/mini.c, which shares no code with it: every loss and
 * gradient that `mini golden` prints, from the same noise. Skipped if mini is not built.
 */
#include "inference.h"

#include <stdio.h>
#include <unistd.h>

/* The pair of mini.c, section 6: a chain of two, read once, and its guide. */
typedef struct pair {
    const char *name;
    double p_scale, q_scale;    /* of the latents in model and guide */
    int backward;               /* the guide's order */
} pair;

static const pair pairs[] = { { "plain", 1, 1, 0 },
                              { "scaled", 0.37, 0.37, 0 },
                              { "mismatched", 0.37, 1, 0 },
                              { "backward", 1, 1, 1 } };

static const double noise[] = { 0, 0.3, -1.1 };

static ppl_tensor *noise_of(const ppl_msg *m)
{
    return number(noise[m->index]);
}

static void model(ppl_ctx *ctx, const void *arg)
{
    static const double sd[] = { 1, 0.5, 0.3 };
    ppl_tensor *z = number(0);
    ppl_scope s = ppl_push(ctx, ppl_scale(ctx, ((const pair *)arg)->p_scale));

    for (int k = 1; k <= 2; k++)
        z = ppl_sample_at(ctx, "z", k,
                          ppl_normal(ppl_affine(z, 0.9, 0), number(sd[k - 1])));
    ppl_pop(ctx, s);
    ppl_observe_at(ctx, "x", 0, ppl_normal(z, number(sd[2])), number(0.7));
}

static ppl_tensor *parameter(const char *name, int k, double start_at)
{
    char indexed[32];

    snprintf(indexed, sizeof indexed, "%s[%d]", name, k);
    return ppl_param(c, indexed, PPL_SCALAR, ppl_init_constant(start_at), PPL_REAL);
}

static void guide(ppl_ctx *ctx, const void *arg)
{
    static const double m[] = { 0, 0.1, 0.2 }, log_s[] = { 0, -0.3, -0.7 };
    const pair *d = arg;
    ppl_tensor *z = NULL;
    ppl_scope s = ppl_push(ctx, ppl_scale(ctx, d->q_scale));

    ppl_push(ctx, with_noise(noise_of));
    for (int j = 1; j <= 2; j++) {
        int k = d->backward ? 3 - j : j;
        ppl_tensor *loc = parameter("m", k, m[k]);

        if (j > 1)
            loc = ppl_add(loc, ppl_mul(parameter("a", k, 0.5), z));
        z = ppl_sample_at(ctx, "z", k,
                          ppl_normal(loc, ppl_exp(parameter("log_s", k, log_s[k]))));
    }
    ppl_pop(ctx, s);
}

static const char *mini(void)
{
    static char path[4096];
    const char *dir = getenv("top_builddir"), *suffix = getenv("EXEEXT");

    snprintf(path, sizeof path, "%s/examples/mini%s", dir != NULL ? dir : ".",
             suffix != NULL ? suffix : "");
    return access(path, X_OK) == 0 ? path : NULL;
}

static const pair *pair_of(const char *name)
{
    for (int i = 0; i < COUNT_OF(pairs); i++)
        if (strcmp(pairs[i].name, name) == 0)
            return &pairs[i];
    ck_abort_msg("mini has a pair %s", name);
    return NULL;
}

START_TEST(golden)
{
    const double tolerance = _i == 0 ? 1e-5 : 1e-9;
    char command[4200], how[32], which[32], what[32];
    int losses = 0, gradients = 0;
    double expected;

    snprintf(command, sizeof command, "'%s' golden", mini());
    FILE *in = popen(command, "r");
    ck_assert_ptr_nonnull(in);
    begin(_i);
    ppl_elbo *elbo[] = { elbo_of(0), elbo_of(1) };
    while (fscanf(in, "%31[^/]/%31[^/]/%31s %lf ", how, which, what, &expected) == 4) {
        const int analytic = strcmp(how, "mean_field") == 0;
        double got;

        if (strcmp(what, "loss") == 0)
            got = estimate(elbo[analytic], model, guide, pair_of(which), 1);
        else
            got = gradient_of(what);
        ck_assert_msg(is_near(got, expected, tolerance),
                      "%s %s %s: %.15g, mini has %.15g", how, which, what, got, expected);
        *(strcmp(what, "loss") == 0 ? &losses : &gradients) += 1;
    }
    ck_assert_int_eq(pclose(in), 0);
    ck_assert_int_eq(losses, 2 * COUNT_OF(pairs));
    ck_assert_int_eq(gradients, 5 * losses);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { golden, NULL };

    return mini() != NULL ? run_tests("mini", tests) : 77;
}
