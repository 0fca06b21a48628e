/* SPDX-License-Identifier: MIT */
/*
 * mini.c: the whole idea of kiln, on scalars. Build it with cc -O2 mini.c -lm -o mini.
 *
 * Read it from top to bottom. Numbers remember how they were computed (1); distributions
 * turn noise into such numbers (2); programs ask for them by name, in messages that climb
 * a stack of handlers (3); four handlers (4) are enough for variational inference (5).
 * The examples (6) show which KLs may be taken analytically, and what the others do.
 * `mini golden` prints losses and gradients for the tests of the library to compare with.
 */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { NAMES = 64, NODES = 4096, DRAWS = 100000 };  /* 64, so that a set is an integer */

/* ---- 1. Numbers that remember: a reverse-mode tape --------------------------------- */
/* An operation: which nodes went into it, and its derivative by each. 0 is no node. */
typedef struct { int parent[2]; double partial[2], adjoint; } node;
typedef struct { node nodes[NODES]; int length; } tape;

/* `from` is the number's provenance: bit i is set if it depends on latent number i. Every
 * operation hands it on, so a number can be asked which samples went into it. (Reading
 * .value into a double forgets them: there the library taints whatever follows.) */
typedef struct { double value; uint64_t from; int node; tape *tape; } scalar;
static scalar constant(double value) { return (scalar){ .value = value }; }

/* Every operation ends here. What is computed from constants alone stays off the tape. */
static scalar record(double value, scalar a, double da, scalar b, double db)
{
    tape *t = a.tape ? a.tape : b.tape;
    assert(!t || t->length < NODES);
    if (t)
        t->nodes[t->length] = (node){ { a.node, b.node }, { da, db }, 0 };
    return (scalar){ value, a.from | b.from, t ? t->length++ : 0, t };
}

static scalar add(scalar a, scalar b) { return record(a.value + b.value, a, 1, b, 1); }
static scalar sub(scalar a, scalar b) { return record(a.value - b.value, a, 1, b, -1); }
static scalar e_to(scalar a) { return record(exp(a.value), a, exp(a.value), a, 0); }
static scalar mul(scalar a, scalar b)
{
    return record(a.value * b.value, a, b.value, b, a.value);
}

/* Parents come before children on the tape: the chain rule is one loop from the end. */
static void backward(node *nodes, int root)
{
    nodes[root].adjoint = 1;
    for (node *n = nodes + root; n > nodes; n--)
        for (int k = 0; k < 2; k++)
            nodes[n->parent[k]].adjoint += n->partial[k] * n->adjoint;
}

/* ---- 2. A distribution ------------------------------------------------------------- */
/* The scale is kept as a logarithm: any number will do, and four operations suffice. */
typedef struct { scalar loc, log_scale; } normal;

static scalar log_prob(normal d, scalar x)
{
    scalar e = mul(sub(x, d.loc), e_to(sub(constant(0), d.log_scale)));
    scalar energy = add(d.log_scale, mul(constant(0.5), mul(e, e)));
    return sub(constant(-0.5 * log(2 * acos(-1))), energy);
}

/* KL(q || p) = E_q[log q - log p]: the log-ratio at the mean of q, and (r^2 - 1) / 2 for
 * its spread, where r is the ratio of the scales. */
static scalar kl(normal q, normal p)
{
    scalar r = e_to(sub(q.log_scale, p.log_scale));
    scalar spread = mul(constant(0.5), sub(mul(r, r), constant(1)));
    return add(sub(log_prob(q, q.loc), log_prob(p, q.loc)), spread);
}

/* ---- 3. Effects: a program asks, handlers answer ----------------------------------- */
typedef struct {
    enum { SAMPLE, PARAM } kind;
    const char *name;
    int index, number;        /* of NAME[index]; its place in context.names */
    normal dist;              /* of a SAMPLE */
    scalar value;             /* the answer, once has_value; of a PARAM first its start */
    bool has_value, observed, analytic;
    double scale;             /* weight of the log-probability */
} message;

/* A handler may act on a message on its way out, before it has a value (process), and on
 * its way back (postprocess). The last line is what the four below work with. */
typedef struct handler {
    void (*process)(struct handler *, message *);
    void (*postprocess)(struct handler *, message *);
    struct handler *outer;
    message *trace; const char *name; const double *data; double by;
} handler;

typedef struct {
    handler *innermost;
    message names[NAMES];                 /* the first of each; holds a PARAM's value */
    message guide[NAMES], model[NAMES];   /* the traces of the last step, by number */
    double mean[NAMES], square[NAMES];    /* moments of the gradient, for Adam */
    tape tape;                            /* number i's leaf is node i + 1 */
    const double *noise;                  /* if given: by index, instead of random */
    uint64_t step;
    int count;
} context;
static void push(context *c, handler *h) { h->outer = c->innermost; c->innermost = h; }
static void pop(context *c) { c->innermost = c->innermost->outer; }

/* Noise is a function of the site and the step, not of how many draws came before: one
 * more site changes no other. It is a constant, so gradients flow into loc and scale. */
static scalar draw(const context *c, const message *m)
{
    double uniform[2];
    for (uint64_t k = 0; k < 2; k++) {
        uint64_t h = (c->step * NAMES + (uint64_t)m->index) * 2 + k;
        for (const char *s = m->name; *s; s++)
            h = (h ^ (h >> 32) ^ (unsigned char)*s) * 0xd6e8feb86659fd93u;
        h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
        uniform[k] = ((double)(h >> 11) + 0.5) * 0x1p-53;
    }
    double noise = c->noise ? c->noise[m->index]
                 : sqrt(-2 * log(uniform[0])) * cos(2 * acos(-1) * uniform[1]);
    return add(m->dist.loc, mul(e_to(m->dist.log_scale), constant(noise)));
}

/* The whole runtime: the innermost handler first on the way out, the outermost first on
 * the way back, and at the far end whatever has no value yet is looked up or drawn. */
static void apply(context *c, handler *h, message *m)
{
    if (h) {
        if (h->process)
            h->process(h, m);
        apply(c, h->outer, m);
        if (h->postprocess)
            h->postprocess(h, m);
    } else if (m->kind == PARAM && !m->has_value) {
        double now = c->names[m->number].value.value;
        m->value = (scalar){ now, 0, m->number + 1, &c->tape };
    } else if (!m->has_value) {
        m->value = draw(c, m);
        m->value.from |= UINT64_C(1) << m->number;      /* a latent depends on itself */
    }
}

static scalar perform(context *c, message m)
{
    while (m.number < c->count && (c->names[m.number].index != m.index
                                   || strcmp(c->names[m.number].name, m.name) != 0))
        m.number++;
    assert(m.number < NAMES);
    if (m.number == c->count)
        c->names[c->count++] = m;
    apply(c, c->innermost, &m);
    return m.value;
}

static scalar param(context *c, const char *name, int i, double start)
{
    return perform(c, (message){ PARAM, name, i, .value = constant(start) });
}
static scalar sample(context *c, const char *name, int i, normal dist)
{
    return perform(c, (message){ SAMPLE, name, i, .dist = dist, .scale = 1 });
}

/* ---- 4. Handlers ------------------------------------------------------------------- */
/* trace: write down what happened. It works on the way back, for only then are value and
 * scale final; all of inference is arithmetic on what it wrote. */
static void trace(handler *h, message *m)
{
    assert(!h->trace[m->number].name && "each visit of a run needs an index of its own");
    if (m->kind == SAMPLE)
        h->trace[m->number] = *m;
}

/* replay: a program takes its latents from an earlier trace. So the guide's samples get
 * into the model, with their gradients and with their provenance. */
static void replay(handler *h, message *m)
{
    if (!m->observed && h->trace[m->number].name) {
        m->value = h->trace[m->number].value;
        m->has_value = true;
    }
}

/* condition: the sites of one name become observations. A model can thus stay generative:
 * without this handler it predicts, under it it is fitted. */
static void condition(handler *h, message *m)
{
    if (strcmp(m->name, h->name) == 0) {
        m->value = constant(h->data[m->index]);
        m->has_value = m->observed = true;
    }
}

/* And an observation written in the model is a sample conditioned on the spot. */
static void observe(context *c, const char *name, int i, normal dist, const double *data)
{
    push(c, &(handler){ .process = condition, .name = name, .data = data });
    sample(c, name, i, dist);
    pop(c);
}

/* scale: weigh a stretch of program, to anneal the KL or to make up for subsampling. */
static void scale(handler *h, message *m) { m->scale *= h->by; }

/* ---- 5. Variational inference ------------------------------------------------------ */
/* For a latent, TRACE takes log p - log q at the sample; MEAN_FIELD takes -KL(q || p)
 * where the expectation is the same; NAIVE takes it everywhere, which is wrong. */
typedef enum { TRACE, MEAN_FIELD, NAIVE } estimator;
static const char *const label[] = { "trace", "mean_field", "naive" };
typedef void program(context *, const void *arg);
typedef struct { program *model, *guide; const void *arg; estimator how; } problem;

/* The KL is the expectation over this site's sample with all that p and q depend on held
 * fixed, so nothing that p depends on may depend on this sample (doc/mean-field.md): one
 * bit, as replayed values carry the guide's provenance. And the scales must agree. */
static bool may_swap(const message *q, const message *p)
{
    uint64_t from = p->dist.loc.from | p->dist.log_scale.from;
    return !(from >> p->number & 1) && !(fabs(p->scale - q->scale) > 0);
}

/* Trace the guide, trace the model replayed against it, sum. An absent site weighs 0. */
static scalar elbo(context *c, const problem *f)
{
    push(c, &(handler){ .postprocess = trace, .trace = c->guide });
    f->guide(c, f->arg);
    pop(c);
    push(c, &(handler){ .process = replay, .trace = c->guide });
    push(c, &(handler){ .postprocess = trace, .trace = c->model });
    f->model(c, f->arg);
    pop(c);
    pop(c);
    scalar sum = constant(0);
    for (message *p = c->model, *q = c->guide; p < c->model + c->count; p++, q++) {
        assert((p->name && !p->observed) == !!q->name && "latent in both or in neither");
        p->analytic = f->how == NAIVE || (f->how == MEAN_FIELD && may_swap(q, p));
        scalar log_p = mul(constant(p->scale), log_prob(p->dist, p->value));
        scalar log_q = mul(constant(q->scale), log_prob(q->dist, q->value));
        sum = add(sum, !q->name || !p->analytic ? sub(log_p, log_q)
                       : mul(constant(-p->scale), kl(q->dist, p->dist)));
    }
    return sum;
}

/* One draw of the ELBO, and its gradient in the leaves of the parameters. */
static double step(context *c, const problem *f)
{
    memset(c->guide, 0, sizeof c->guide);
    memset(c->model, 0, sizeof c->model);
    memset(c->tape.nodes, 0, (NAMES + 1) * sizeof *c->tape.nodes);
    c->tape.length = NAMES + 1;
    c->step++;
    scalar value = elbo(c, f);
    backward(c->tape.nodes, value.node);
    return value.value;
}

/* Adam (Kingma and Ba 2015, algorithm 1), its rate falling linearly to nothing. */
static void fit(context *c, const problem *f, int steps)
{
    for (int n = 1; n <= steps; n++) {
        step(c, f);
        for (int i = 0; i < c->count; i++) {
            double g = c->tape.nodes[i + 1].adjoint;
            c->mean[i] += 0.1 * (g - c->mean[i]);
            c->square[i] += 0.001 * (g * g - c->square[i]);
            double rms = sqrt(c->square[i] / (1 - pow(0.999, n))) + 1e-8;
            double rate = 0.02 * (1 - (double)n / steps) / (1 - pow(0.9, n));
            c->names[i].value.value += rate * c->mean[i] / rms;
        }
    }
}

/* ---- 6. Examples: a chain z[1] -> ... -> z[n] -> x, and a guide in either order --- */
typedef struct {
    int n, readings, backward;                          /* backward: the guide's order */
    double z_0, coefficient, log_sd[10], x[4];          /* the model */
    double m[10], a[10], log_s[10];                     /* where the guide starts */
    double scale[2], evidence;                          /* of z in model and guide */
} chain;

static void model(context *c, const void *arg)
{
    const chain *d = arg;
    scalar z = constant(d->z_0), a = constant(d->coefficient);
    push(c, &(handler){ .process = scale, .by = d->scale[0] });
    for (int k = 1; k <= d->n; k++)
        z = sample(c, "z", k, (normal){ mul(a, z), constant(d->log_sd[k - 1]) });
    pop(c);
    for (int i = 0; i < d->readings; i++)
        observe(c, "x", i, (normal){ z, constant(d->log_sd[d->n]) }, d->x);
}

static void guide(context *c, const void *arg)
{
    const chain *d = arg;
    scalar z = constant(0);
    push(c, &(handler){ .process = scale, .by = d->scale[1] });
    for (int j = 1; j <= d->n; j++) {
        int k = d->backward ? d->n + 1 - j : j;
        scalar loc = param(c, "m", k, d->m[k]);
        if (j > 1)
            loc = add(loc, mul(param(c, "a", k, d->a[k]), z));
        z = sample(c, "z", k, (normal){ loc, param(c, "log_s", k, d->log_s[k]) });
    }
    pop(c);
}

/* A random walk whose steps have precisions 1.5 (k + 1) / n, its end read four times. The
 * guide is the exact posterior q(z[n]) q(z[n-1] | z[n]) ... q(z[1] | z[2]). */
static chain walk(int n)
{
    chain d = { n, 4, 1, 0.2, 1, .x = { -0.1, 0.03, 0.2, 0.1 }, .scale = { 1, 1 } };
    double loc = d.z_0, precision = 1.5 / n, next = 3.0 / n;
    for (int k = 0; k <= n; k++)
        d.log_sd[k] = -0.5 * log(1.5 * (k + 1) / n);
    for (int k = 1; k < n; k++, next += 1.5 / n) {
        d.a[k] = next / (precision + next);
        d.m[k] = loc * (1 - d.a[k]);
        d.log_s[k] = -0.5 * log(precision + next);
        precision *= d.a[k];
    }
    for (int i = 0; i < d.readings; i++) {
        double variance = 1 / precision + 1 / next, off = d.x[i] - loc;
        d.evidence -= 0.5 * (log(2 * acos(-1) * variance) + off * off / variance);
        precision += next;
        loc += off * next / precision;
    }
    d.m[n] = loc;
    d.log_s[n] = -0.5 * log(precision);
    return d;
}

/* Per estimator: fits the guide, if steps > 0; prints the mean and deviation of the ELBO,
 * the deviation of its gradient by m[n], and the latents for which no KL was taken. */
static void survey(chain d, int steps)
{
    printf("\nn = %d, log evidence %.10f%s\n", d.n, d.evidence, steps ? ", fitted" : "");
    for (estimator how = TRACE; how <= NAIVE; how++) {
        context c = { .count = 0 };
        problem f = { model, guide, &d, how };
        double sum[2] = { 0, 0 }, square[2] = { 0, 0 };
        fit(&c, &f, steps);
        for (int t = 0; t < DRAWS; t++) {
            double drawn[2] = { step(&c, &f) - d.evidence, c.tape.nodes[1].adjoint };
            for (int k = 0; k < 2; k++) {
                sum[k] += drawn[k] / DRAWS;
                square[k] += drawn[k] * drawn[k] / DRAWS;
            }
        }
        printf("%-10s %13.10f", label[how], d.evidence + sum[0]);
        for (int k = 0; k < 2; k++)
            printf(" %9.4g", sqrt(fabs(square[k] - sum[k] * sum[k])));
        if (steps > 0)
            printf("  a[1] = %.3f;", param(&c, "a", 1, 0).value);
        for (int i = 0; i < c.count; i++)
            if (c.guide[i].name && !c.model[i].analytic)
                printf("  z[%d]", c.guide[i].index);
        printf("\n");
    }
}

static int golden(void)
{
    static const char *const variant[] = { "plain", "scaled", "mismatched", "backward" };
    chain d = { 2, 1, 0, 0, 0.9, { 0, log(0.5), log(0.3) }, { 0.7 }, { 0, 0.1, 0.2 },
                { 0, 0.5, 0.5 }, { 0, -0.3, -0.7 }, { 1, 1 }, 0 };
    for (int k = 0; k < 8; k++) {
        context c = { .noise = (double[]){ 0, 0.3, -1.1 } };     /* of z[1] and z[2] */
        problem f = { model, guide, &d, k % 2 ? MEAN_FIELD : TRACE };
        d.backward = k / 2 == 3;
        d.scale[0] = k / 2 == 1 || k / 2 == 2 ? 0.37 : 1;
        d.scale[1] = k / 2 == 1 ? 0.37 : 1;
        printf("%s/%s/loss %.17g\n", label[f.how], variant[k / 2], -step(&c, &f));
        for (int i = 0; i < c.count; i++)
            if (c.names[i].kind == PARAM)
                printf("%s/%s/%s[%d] %.17g\n", label[f.how], variant[k / 2],
                       c.names[i].name, c.names[i].index, -c.tape.nodes[i + 1].adjoint);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "golden") != 0))
        return fprintf(stderr, "usage: mini [golden]\n"), 2;
    if (argc == 2)
        return golden();
    printf("                    ELBO        sd   sd grad  sampled latents\n");
    for (int n = 1; n <= 8; n += n == 3 ? 5 : 1)
        survey(walk(n), 0);
    chain d = walk(2);
    d.a[1] = d.m[1] = d.m[2] = d.log_s[1] = d.log_s[2] = 0;
    survey(d, 20000);
    return fflush(stdout) == 0 ? 0 : 1;
}
