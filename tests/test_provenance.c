/* SPDX-License-Identifier: MIT */
/* Which latents a value depends on: through every operation, view and layer, through
 * masks and indices, through supplied values, and through C code that reads a draw. On it
 * rests the decision whether an analytic KL may stand (test_elbo.c).
 */
#include "inference.h"

#include <kiln/nn.h>

#include <stdio.h>

/* ---- Through operations ------------------------------------------------------------ */

#define ones(...) ppl_full(c, PPL_SHAPE(__VA_ARGS__), 1)

typedef ppl_tensor *unary(ppl_tensor *t);
typedef ppl_tensor *binary(ppl_tensor *a, ppl_tensor *b);

/* OP(name, expression in t [2,3]) is a unary row, and so on. */
#define OP(name, expression)                                                               \
    static ppl_tensor *name(ppl_tensor *t)                                                 \
    {                                                                                      \
        return expression;                                                                 \
    }
#define UNARY_MAP(X)                                                                       \
    X(affine_, ppl_affine(t, 2, 1))                                                        \
    X(neg_, ppl_neg(t))                                                                    \
    X(exp_, ppl_exp(t))                                                                    \
    X(log_, ppl_log(t))                                                                    \
    X(log1p_, ppl_log1p(t))                                                                \
    X(expm1_, ppl_expm1(t))                                                                \
    X(sqrt_, ppl_sqrt(t))                                                                  \
    X(sin_, ppl_sin(t))                                                                    \
    X(cos_, ppl_cos(t))                                                                    \
    X(atan_, ppl_atan(t))                                                                  \
    X(tanh_, ppl_tanh(t))                                                                  \
    X(sigmoid_, ppl_sigmoid(t))                                                            \
    X(softplus_, ppl_softplus(t))                                                          \
    X(relu_, ppl_relu(t))                                                                  \
    X(abs_, ppl_abs(t))                                                                    \
    X(lgamma_, ppl_lgamma(t))                                                              \
    X(digamma_, ppl_digamma(t))                                                            \
    X(trigamma_, ppl_trigamma(t))                                                          \
    X(erf_, ppl_erf(t))                                                                    \
    X(erfc_, ppl_erfc(t))                                                                  \
    X(erfinv_, ppl_erfinv(t))                                                              \
    X(ndtr_, ppl_ndtr(t))                                                                  \
    X(ndtri_, ppl_ndtri(t))                                                                \
    X(log_ndtr_, ppl_log_ndtr(t))                                                          \
    X(log_bessel_i0_, ppl_log_bessel_i0(t))                                                \
    X(log_bessel_i1_, ppl_log_bessel_i1(t))                                                \
    X(bessel_ratio_, ppl_bessel_ratio(t))                                                  \
    X(clamp_, ppl_clamp(t, 0.1, 0.2))                                                      \
    X(where_mask, ppl_where(ppl_less(t, number(1)), number(1), number(2)))                 \
    X(not_, ppl_to_float(ppl_not(ppl_equal(t, number(1)))))                                \
    X(and_, ppl_to_float(ppl_and(bits(1, 0, 1), ppl_less(number(1), t))))                  \
    X(sum_, ppl_sum(t, PPL_ALL))                                                           \
    X(mean_, ppl_mean(t, 0))                                                               \
    X(max_, ppl_max(t, -1))                                                                \
    X(logsumexp_, ppl_logsumexp(t, 1))                                                     \
    X(softmax_, ppl_softmax(t, 1))                                                         \
    X(log_softmax_, ppl_log_softmax(t, 0))                                                 \
    X(sum_last_, ppl_sum_last(t, 2))                                                       \
    X(reshape_, ppl_reshape(t, PPL_SHAPE(3, -1)))                                          \
    X(slice_, ppl_slice(t, 0, 1, 2))                                                       \
    X(inner_slice_, ppl_slice(t, 1, 1, 2))                                                 \
    X(head_, ppl_head(t, 1))                                                               \
    X(row_, ppl_row(t, 1))                                                                 \
    X(view_of_view_, ppl_reshape(ppl_row(t, 1), PPL_SHAPE(3, 1)))                          \
    X(transpose_, ppl_transpose(t, 0, 1))                                                  \
    X(expand_, ppl_expand(t, PPL_SHAPE(4, 2, 3)))                                          \
    X(index_select_, ppl_index_select(t, 1, ppl_from_integers(c, PPL_SHAPE(2),             \
                                                              (int64_t[]){ 2, 0 })))       \
    X(gather_last_, ppl_gather_last(t, ppl_from_integers(c, PPL_SHAPE(2),                  \
                                                         (int64_t[]){ 2, 0 })))            \
    X(detach_, ppl_detach(t))                                                              \
    X(layer_, ppl_nn_linear(c, "layer", t, 4, PPL_TANH))                                   \
    X(mlp_, ppl_nn_mlp(c, "mlp", t, (int64_t[]){ 3, 5, 2 }, 3, PPL_RELU))                  \
    X(rnn_cell_, ppl_nn_rnn_cell(c, "cell", t, reals(0, 0), PPL_TANH))                     \
    X(rnn_state_, ppl_nn_rnn_cell(c, "other", ones(2, 1), t, PPL_TANH))                    \
    X(gru_cell_, ppl_nn_gru_cell(c, "gru", t, reals(0, 0)))                                \
    X(rnn_, ppl_nn_rnn(c, "rnn", t, &ragged, &recurrent))                                  \
    X(gru_, ppl_nn_gru(c, "whole", t, &ragged, &recurrent))                                \
    X(mean_of_normal, ppl_dist_mean(ppl_normal(t, number(1))))                             \
    X(entropy_of_gamma, ppl_entropy(ppl_gamma(t, number(1))))                              \
    X(log_prob_of_value, ppl_log_prob(ppl_normal(number(0), number(1)), t))                \
    X(log_prob_of_param, ppl_log_prob(ppl_exponential(t), ones(2, 3)))                     \
    X(kl_of_q, ppl_kl(ppl_normal(t, number(1)), ppl_normal(number(0), number(1))))         \
    X(kl_of_p, ppl_kl(ppl_normal(ppl_full(c, PPL_SHAPE(2, 3), 0), number(1)),              \
                      ppl_normal(t, number(1))))

static const ppl_ragged ragged = { 2, (const int[]){ 1, 1 } };
static const ppl_rnn_opts recurrent = { .hidden = 2, .activation = PPL_TANH };

UNARY_MAP(OP)

static const struct {
    const char *name;
    unary *op;
} unaries[] = {
#define UNARY_ROW(name, expression) { #name, name },
    UNARY_MAP(UNARY_ROW)
};

static ppl_tensor *where_sides(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_where(bits(1, 0, 1), a, b);
}

static ppl_tensor *lerp_weight(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_lerp(number(0), a, b);
}

static ppl_tensor *product(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_matmul(a, ppl_transpose(b, 0, 1));
}

static ppl_tensor *linear(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_linear(a, b, NULL, PPL_RELU);
}

static ppl_tensor *bias(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_linear(ones(1, 3), a, ppl_row(ppl_transpose(b, 0, 1), 0), PPL_IDENTITY);
}

static ppl_tensor *concat(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_concat((ppl_tensor *[]){ a, b }, 2, 1);
}

static ppl_tensor *stack(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_stack((ppl_tensor *[]){ a, b }, 2, 0);
}

static const struct {
    const char *name;
    binary *op;
} binaries[] = { { "add", ppl_add },         { "sub", ppl_sub },
                 { "mul", ppl_mul },         { "div", ppl_div },
                 { "pow", ppl_pow },         { "less", ppl_less },
                 { "equal", ppl_equal },     { "where", where_sides },
                 { "lerp", lerp_weight },    { "matmul", product },
                 { "linear", linear },       { "bias", bias },
                 { "concat", concat },       { "stack", stack } };

/* The set is these ids and no others. */
static void set_is(const char *what, const ppl_sites *set, const int *ids, int count)
{
    int at = ppl_sites_next(set, 0);

    for (int i = 0; i < count; i++, at = ppl_sites_next(set, at + 1)) {
        ck_assert_msg(at == ids[i], "%s: member %d is %d, not %d", what, i, at, ids[i]);
        ck_assert(ppl_sites_has(set, ids[i]));
    }
    ck_assert_msg(at == -1, "%s: also %d", what, at);
}

static int id_of(const ppl_tensor *t)
{
    int id = ppl_sites_next(ppl_tensor_sites(t), 0);

    ck_assert_int_ge(id, 0);
    return id;
}

static ppl_tensor *latent(int64_t index)
{
    ppl_tensor *t = ppl_sample_at(c, "z", index,
                                  ppl_gamma(ppl_full(c, PPL_SHAPE(2, 3), 2), number(2)));

    ck_assert_msg(t != NULL, "%s", ppl_error_text(c));
    return t;
}

static void operations(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *a = latent(0), *b, *constant = ppl_full(ctx, PPL_SHAPE(2, 3), 0.5);
    int id[2];

    (void)arg;
    for (int i = 1; i < 150; i++)
        latent(i);
    b = latent(150);
    id[0] = id_of(a);
    id[1] = id_of(b);
    ck_assert_int_gt(id[1] - id[0], 64);
    for (int i = 0; i < COUNT_OF(unaries); i++) {
        ppl_tensor *t = unaries[i].op(a);

        ck_assert_msg(t != NULL, "%s: %s", unaries[i].name, ppl_error_text(ctx));
        set_is(unaries[i].name, ppl_tensor_sites(t), id, 1);
        set_is(unaries[i].name, ppl_tensor_sites(unaries[i].op(constant)), NULL, 0);
    }
    for (int i = 0; i < COUNT_OF(binaries); i++) {
        binary *op = binaries[i].op;
        ppl_tensor *t = op(a, b);

        ck_assert_msg(t != NULL, "%s: %s", binaries[i].name, ppl_error_text(ctx));
        set_is(binaries[i].name, ppl_tensor_sites(t), id, 2);
        set_is(binaries[i].name, ppl_tensor_sites(op(b, a)), id, 2);
        set_is(binaries[i].name, ppl_tensor_sites(op(constant, a)), id, 1);
        set_is(binaries[i].name, ppl_tensor_sites(op(b, constant)), id + 1, 1);
        set_is(binaries[i].name, ppl_tensor_sites(op(a, a)), id, 1);
        set_is(binaries[i].name, ppl_tensor_sites(op(constant, constant)), NULL, 0);
    }
}

START_TEST(every_operation_hands_it_on)
{
    for (int gradient = 0; gradient < 2; gradient++) {
        begin(_i);
        ppl_set_grad_enabled(c, gradient);
        OK(ppl_run(c, operations, NULL, NULL));
        end();
    }
}
END_TEST

/* An index that was drawn. */
static void indices(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *table = ones(2, 3), *k = ppl_sample(ctx, "k", ppl_categorical(table));
    int id = id_of(k);

    (void)arg;
    set_is("gather_last", ppl_tensor_sites(ppl_gather_last(table, k)), &id, 1);
    set_is("index_select", ppl_tensor_sites(ppl_index_select(table, 1, k)), &id, 1);
    set_is("to_float", ppl_tensor_sites(ppl_to_float(k)), &id, 1);
}

START_TEST(drawn_indices)
{
    begin(_i);
    OK(ppl_run(c, indices, NULL, NULL));
    end();
}
END_TEST

/* ---- Sets -------------------------------------------------------------------------- */

static void sets(ppl_ctx *ctx, const void *arg)
{
    const ppl_sites *one[300], *some = NULL, *all = NULL;
    int ids[300], every_third[100];

    (void)arg;
    for (int i = 0; i < 300; i++) {
        ppl_tensor *t = ppl_sample_at(ctx, "s", i, ppl_normal(number(0), number(1)));

        one[i] = ppl_tensor_sites(t);
        ids[i] = id_of(t);
    }
    for (int i = 299; i >= 0; i--) {
        if (i % 3 == 0) {
            some = ppl_sites_union(ctx, some, one[i]);
            every_third[i / 3] = ids[i];
        }
        all = ppl_sites_union(ctx, one[i], all);
    }
    set_is("every third", some, every_third, 100);
    set_is("all", all, ids, 300);
    ck_assert_ptr_eq(ppl_sites_union(ctx, all, some), all);
    ck_assert_ptr_eq(ppl_sites_union(ctx, some, all), all);
    ck_assert_ptr_eq(ppl_sites_union(ctx, some, NULL), some);
    ck_assert_ptr_null(ppl_sites_union(ctx, NULL, NULL));
    ck_assert(!ppl_sites_has(some, ids[1]));
    ck_assert(!ppl_sites_has(NULL, 0));
    ck_assert(!ppl_sites_has(all, -1));
    ck_assert_int_eq(ppl_sites_next(NULL, 0), -1);
    ck_assert_int_eq(ppl_sites_next(some, ids[298]), -1);
}

START_TEST(sets_of_sites)
{
    begin(_i);
    OK(ppl_run(c, sets, NULL, NULL));
    end();
}
END_TEST

/* ---- What a density depends on ----------------------------------------------------- */

/* The sites named by `text` ("a b c" in order of visit) are the parents of `site`. */
static void parents_are(const ppl_trace *t, const char *site, const char *text)
{
    const ppl_msg *m = ppl_trace_find(t, site, -1);
    char found[100] = "";

    ck_assert_msg(m != NULL, "no site %s", site);
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *other = ppl_trace_at(t, i);

        if (other->kind == PPL_SITE_SAMPLE && ppl_sites_has(m->parents, other->site)) {
            strcat(found, found[0] != '\0' ? " " : "");
            strcat(found, other->name);
        }
    }
    ck_assert_msg(strcmp(found, text) == 0, "%s depends on \"%s\", not \"%s\"", site,
                  found, text);
}

static ppl_tensor *normal_at(const char *name, ppl_tensor *loc)
{
    return ppl_sample(c, name, ppl_normal(loc, number(1)));
}

static void densities(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *a = normal_at("a", number(0)), *b = normal_at("b", number(0)), *d;
    ppl_scope s;

    (void)arg;
    /* Not what a parent depends on in turn. */
    d = normal_at("child", ppl_add(a, number(1)));
    normal_at("grandchild", d);
    ppl_sample(ctx, "scaled", ppl_normal(a, ppl_exp(b)));
    ppl_observe(ctx, "datum", ppl_normal(a, number(1)), number(2));
    ppl_observe(ctx, "computed", ppl_normal(number(0), number(1)), ppl_add(a, d));
    ppl_factor(ctx, "factor", ppl_mul(b, d));
    ppl_sample(ctx, "masked", ppl_masked(ppl_normal(number(0), number(1)),
                                         ppl_less(b, number(0))));
    s = ppl_push(ctx, ppl_mask(ctx, ppl_less(a, number(0))));
    normal_at("under", d);
    ppl_pop(ctx, s);
    s = ppl_push(ctx, ppl_plate(ctx, "plate", 3, NULL));
    normal_at("copies", b);
    ppl_pop(ctx, s);
}

START_TEST(parents_of_a_density)
{
    begin(_i);
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_trace *t = trace_of(c, densities, NULL, NULL);
    for (int replayed = 0; replayed < 2; replayed++) {
        parents_are(t, "a", "");
        parents_are(t, "child", "a");
        parents_are(t, "grandchild", "child");
        parents_are(t, "scaled", "a b");
        parents_are(t, "datum", "a");
        parents_are(t, "computed", "a child");
        parents_are(t, "factor", "b child");
        parents_are(t, "masked", "b");
        parents_are(t, "under", "a child");
        parents_are(t, "copies", "b");
        t = trace_of(c, densities, NULL, handlers(ppl_replay(c, t)));
    }
    ppl_epoch_end(c, mark);
    end();
}
END_TEST

/* ---- Values from elsewhere --------------------------------------------------------- */

/* Latents whose values are a parameter, and computed from another's: each is itself. */
static ppl_tensor *half_of_a;

static void supply_process(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind == PPL_SITE_SAMPLE && strcmp(m->name, "supplied") == 0) {
        m->value = half_of_a;
        m->flags |= PPL_DONE;
    }
}

static void supplied(ppl_ctx *ctx, const void *arg)
{
    static const ppl_handler_ops ops = { .name = "supply", .process = supply_process };
    ppl_handler *h = ppl_alloc(ctx, sizeof *h);
    ppl_tensor *p = ppl_param(ctx, "p", PPL_SCALAR, PPL_ONES, PPL_REAL), *a, *b;
    ppl_scope s;

    (void)arg;
    h->ops = &ops;
    a = ppl_sample(ctx, "a", ppl_delta(p, NULL, 0));
    b = ppl_sample(ctx, "b", ppl_delta(p, NULL, 0));
    ck_assert_int_ne(id_of(a), id_of(b));
    ck_assert_ptr_null(ppl_tensor_sites(p));
    half_of_a = ppl_affine(a, 0.5, 0);
    s = ppl_push(ctx, h);
    normal_at("child", normal_at("supplied", b));
    ppl_pop(ctx, s);
    ck_assert_int_eq(id_of(half_of_a), id_of(a));
    normal_at("of both", ppl_add(a, b));
    normal_at("of the half", half_of_a);
}

START_TEST(supplied_values_are_their_site)
{
    begin(_i);
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_trace *t = trace_of(c, supplied, NULL, NULL);
    parents_are(t, "a", "");
    parents_are(t, "supplied", "b");
    parents_are(t, "child", "supplied");
    parents_are(t, "of both", "a b");
    parents_are(t, "of the half", "a");
    ppl_epoch_end(c, mark);
    end();
}
END_TEST

/* ---- Reading taints ---------------------------------------------------------------- */

static void read_item(ppl_tensor *t, ppl_tensor *other)
{
    (void)other;
    ppl_item(t);
}

static void read_total(ppl_tensor *t, ppl_tensor *other)
{
    (void)other;
    ppl_total(t);
}

static void read_data(ppl_tensor *t, ppl_tensor *other)
{
    (void)other;
    ppl_data(t);
}

static void read_numbers(ppl_tensor *t, ppl_tensor *other)
{
    double x;

    (void)other;
    ppl_read(t, &x, 1);
}

/* What was read stays read, whatever happens in between. */
static void read_around_an_epoch(ppl_tensor *t, ppl_tensor *other)
{
    (void)other;
    ppl_item(t);
    ppl_epoch_end(c, ppl_epoch_begin(c));
}

static void read_in_an_epoch(ppl_tensor *t, ppl_tensor *other)
{
    ppl_epoch mark = ppl_epoch_begin(c);

    ppl_item(ppl_add(t, other));
    ppl_epoch_end(c, mark);
}

static void read_and_ask_a_parameter(ppl_tensor *t, ppl_tensor *other)
{
    double x;

    (void)other;
    ppl_param(c, "p", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
    ppl_item(t);
    OK(ppl_param_read(c, "p", &x, 1));
}

static void (*const readers[])(ppl_tensor *t, ppl_tensor *other) = {
    read_item, read_total, read_data, read_numbers, read_around_an_epoch,
    read_in_an_epoch, read_and_ask_a_parameter
};

static void reading(ppl_ctx *ctx, const void *arg)
{
    const int *which = arg;
    ppl_tensor *a = normal_at("a", number(0)), *b;
    ppl_tensor *other = normal_at("before", number(0));

    if (*which >= 0)
        readers[*which](a, other);
    b = normal_at("after", number(0));
    ppl_observe(ctx, "datum", ppl_normal(number(0), number(1)), number(1));
    if (*which >= 0)
        ppl_item(b);
    normal_at("last", number(0));
}

START_TEST(reading_taints_what_follows)
{
    for (int k = 0; k < COUNT_OF(readers); k++) {
        const int none = -1, both = readers[k] == read_in_an_epoch;

        begin(_i);
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_trace *t = trace_of(c, reading, &k, NULL);
        parents_are(t, "a", "");
        parents_are(t, "before", "");
        parents_are(t, "after", both ? "a before" : "a");
        parents_are(t, "datum", both ? "a before" : "a");
        parents_are(t, "last", both ? "a before after" : "a after");
        t = trace_of(c, reading, &none, NULL);
        parents_are(t, "after", "");
        parents_are(t, "last", "");
        ppl_epoch_end(c, mark);
        end();
    }
}
END_TEST

/* ---- And so the ELBO falls back ---------------------------------------------------- */

/* The guide draws a from b; the model branches on a, then draws b. */
static void from_b(ppl_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    normal_at("other", number(0));
    normal_at("a", normal_at("b", number(0.5)));
}

static void branch_on_a(ppl_ctx *ctx, const void *arg)
{
    const int *which = arg;
    ppl_tensor *a = normal_at("a", number(0)), *other = normal_at("other", number(0));

    (void)ctx;
    if (*which >= 0)
        readers[*which](a, other);
    normal_at("b", number(0));
}

static void detach_a(ppl_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    normal_at("other", number(0));
    normal_at("b", ppl_detach(normal_at("a", number(0))));
}

/* Everything but b itself depends on b: as it does in the guide. */
static void children_of_b(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *b = normal_at("b", number(0));

    (void)arg;
    normal_at("other", b);
    ppl_observe(ctx, "x", ppl_normal(b, number(1)), number(1));
    ppl_sample(ctx, "a", ppl_normal(b, number(2)));
}

static ppl_estimator estimator_of(ppl_elbo *elbo, ppl_model model, const void *arg)
{
    estimate(elbo, model, from_b, arg, 0);
    return ppl_ledger_find(elbo, "b", -1)->estimator;
}

START_TEST(the_elbo_falls_back)
{
    static const char why[] = "p depends on a, which the guide draws from this site";
    const int none = -1;

    begin(_i);
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    ck_assert_int_eq(estimator_of(elbo, branch_on_a, &none), PPL_ANALYTIC_KL);
    ck_assert_int_eq(estimator_of(elbo, children_of_b, NULL), PPL_ANALYTIC_KL);
    ck_assert_int_eq(ppl_ledger_find(elbo, "a", -1)->estimator, PPL_ANALYTIC_KL);
    ck_assert_int_eq(estimator_of(elbo, detach_a, NULL), PPL_SAMPLED_RATIO);
    ck_assert_str_eq(ppl_ledger_find(elbo, "b", -1)->reason, why);
    for (int k = 0; k < COUNT_OF(readers); k++) {
        ck_assert_int_eq(estimator_of(elbo, branch_on_a, &k), PPL_SAMPLED_RATIO);
        ck_assert_str_eq(ppl_ledger_find(elbo, "b", -1)->reason, why);
        ck_assert_int_eq(ppl_ledger_find(elbo, "a", -1)->estimator, PPL_ANALYTIC_KL);
    }
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_operation_hands_it_on,
        drawn_indices,
        sets_of_sites,
        parents_of_a_density,
        supplied_values_are_their_site,
        reading_taints_what_follows,
        the_elbo_falls_back,
        NULL
    };

    return run_tests("provenance", tests);
}
