/* SPDX-License-Identifier: MIT */
/*
 * density.c - running the loops of formulas (density.h), and what samplers share.
 *
 * A node is worked in blocks that stay in the first-level cache: inputs are converted or
 * stretched into the block, the formula's loops run, and the products with the adjoint go
 * to all inputs at once. A gradient in which nothing stands yet is where its slopes are made
 * and multiplied. Integers are converted to double, which holds those below 2^53;
 * a formula with any among its inputs is worked in double. An input of one element fills
 * its block once. The gradient of a stretched input is summed in double over the whole
 * node and rounded once. Nothing is allocated but those sums, where an input of more than
 * one element is stretched. For a program the node is opened once; what its value has made
 * of the inputs, the gradient finds there, and a node of one block whose inputs are whole or
 * single is laid out as the few loops that a run takes (a plain one). A node of one number,
 * which is what a scalar site has, needs no block: its loops run on the inputs where they
 * are.
 */
#include "density.h"

#define LOOPS "density.inc"
#include "loops.h"

typedef void copy_loop(size_t n, const void *from, void *to);
typedef void product_loop(size_t n, const void *g, const void *d, void *y);
typedef double sum_loop(size_t n, const void *g, const void *d);

/* The loops above for one dtype; products by whether d is double where g is float, of one
 * number and for one by whether they are to write. */
typedef struct engine {
    copy_loop *from_float, *from_double, *from_integers, *repeat;
    product_loop *write[2], *add[2], *gather[2], *one[2], *total[2];
    sum_loop *sum[2];
} engine;

#define ENGINE(r)                                                                        \
    {                                                                                    \
        from_float_##r, from_double_##r, from_integers_##r, repeat_##r,                  \
            { write_##r, write_wide_##r }, { add_##r, add_wide_##r },                    \
            { gather_##r, gather_wide_##r }, { add_one_##r, write_one_##r },             \
            { add_total_##r, write_total_##r },                                          \
            { product_sum_##r, product_sum_wide_##r },                                   \
    }
static const engine engines[][2] = {
    { ENGINE(f32), ENGINE(f64) },
#ifdef PPL__LOOPS_X86
    { ENGINE(f32_avx2), ENGINE(f64_avx2) },
    { ENGINE(f32_avx512), ENGINE(f64_avx512) },
#endif
};

/* Index of the widest instruction set there is: 0 is any, 1 AVX2, 2 AVX-512. */
static int widest(void)
{
#ifdef PPL__LOOPS_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 1;
#endif
    return 0;
}

static const ppl__formula *variant(const ppl__formula *f, int isa)
{
    return isa == 2 && f->avx512 ? f->avx512 : isa >= 1 && f->avx2 ? f->avx2 : f;
}

/* ---- Stretched inputs -------------------------------------------------------------- */

/* The way of a stretched input along the output, innermost axis first; neighbouring axes
 * of one kind are one. Along an axis it moves by `step` elements, 0 where stretched. */
typedef struct path {
    int axes;
    size_t dim[PPL_MAX_RANK], step[PPL_MAX_RANK];
} path;

static void make_path(path *p, const ppl_tensor *out, const ppl_tensor *t)
{
    const ppl_shape to = ppl_tensor_shape(out), from = ppl_tensor_shape(t);
    size_t stride = 1;

    p->axes = 0;
    for (int a = 1; a <= to.rank; a++) {
        const size_t dim = (size_t)to.dim[to.rank - a];
        const int kept = a <= from.rank && from.dim[from.rank - a] != 1;
        if (dim == 1)
            continue;
        if (p->axes > 0 && kept == (p->step[p->axes - 1] != 0)) {
            p->dim[p->axes - 1] *= dim;
        } else {
            p->dim[p->axes] = dim;
            p->step[p->axes++] = kept ? stride : 0;
        }
        stride *= kept ? dim : 1;
    }
}

/* A walk from one run along the innermost axis to the next. */
typedef struct walk {
    const path *path;
    size_t at, left;                        /* in the input; of the run */
    size_t index[PPL_MAX_RANK];             /* along the axes further out */
} walk;

static walk walk_from(const path *p, size_t i)
{
    walk w = { .path = p, .left = p->dim[0] - i % p->dim[0] };

    for (int a = 0; a < p->axes; a++) {
        w.index[a] = i % p->dim[a];
        w.at += w.index[a] * p->step[a];
        i /= p->dim[a];
    }
    return w;
}

static void next_run(walk *w)
{
    const path *p = w->path;

    w->at -= (p->dim[0] - w->left) * p->step[0];
    w->left = p->dim[0];
    for (int a = 1; a < p->axes; a++) {
        w->at += p->step[a];
        if (++w->index[a] < p->dim[a])
            return;
        w->at -= p->dim[a] * p->step[a];
        w->index[a] = 0;
    }
}

/* ---- A node ------------------------------------------------------------------------ */

/* Aligned so that no vector lies across two lines of the cache. */
typedef union block {
    _Alignas(64) float f32[PPL__SPAN];
    double f64[PPL__SPAN];
} block;

static int inputs_of(const ppl__formula *f, const ppl_tensor *out)
{
    return f->inputs >= 0 ? f->inputs : ppl_op_inputs(out);
}

/* How an input comes into the block. */
typedef struct feed {
    enum { WHOLE, SINGLE, STRETCHED } kind;
    const char *elements;
    size_t size;                            /* of an element */
    copy_loop *convert;                     /* NULL: as they are */
    void *block;                            /* room for a block, where it needs one */
    path path;
} feed;

/* What a plain node does for an input that is due. */
typedef struct share {
    product_loop *loop;
    const void *slope;
    void *grad;
} share;

typedef struct node {
    int inputs;
    const ppl__formula *f;
    const engine *engine, *working;         /* of the node's dtype; of `worked` */
    ppl_tensor *out;
    ppl_dtype worked;                       /* in which type the loops run */
    size_t n;
    size_t entered;                         /* 1 + the start of the block that is made */
    ppl__span s;
    feed feed[PPL__MAX_INPUTS];
    ppl__kept kept[PPL__MAX_INPUTS];
    void (*value)(const ppl__span *s, void *y);     /* of a plain node (see make_plain), as is
                                       the rest; NULL: it is another */
    void *result;
    void *slope[PPL__MAX_INPUTS];
    const void *adjoint;                    /* NULL: its gradient was never asked for */
    int shares;
    share share[PPL__MAX_INPUTS];
} node;

static size_t size_of(ppl_dtype dtype)
{
    return dtype == PPL_F32 ? sizeof(float) : dtype == PPL_F64 ? sizeof(double)
                                                               : sizeof(int64_t);
}

static void *at(void *elements, ppl_dtype dtype, size_t i)
{
    return (char *)elements + i * size_of(dtype);
}

static void copy_bytes(void *to, const void *from, size_t size)
{
    if (size == sizeof(double))
        memcpy(to, from, sizeof(double));
    else
        memcpy(to, from, size);
}

/* The first block that asks is as long as any, so that what is repeated there is enough for
 * all. */
const void *ppl__map(void (*function)(ppl_dtype dtype, size_t n, const void *x, void *y),
                     ppl_dtype dtype, const ppl__span *s, int k, void *y)
{
    const int single = s->single >> k & 1;
    const size_t n = single ? 1 : s->n, from = single ? 0 : s->start, size = size_of(dtype);
    ppl__kept *e = s->kept[k].x ? &s->kept[k] : NULL;

    if (e && !e->function)
        e->function = function;
    if (e && e->function == function) {
        y = e->y + from * size;
        copy_bytes(e->x + from * size, s->in[k], n * size);
        e->made = e->made > from + n ? e->made : from + n;
    }
    function(dtype, n, s->in[k], y);
    if (single)
        s->repeat[dtype](s->n, y, y);
    return y;
}

/* Copies n elements of an input into a block, or the one again and again. */
static void fill(const node *x, const feed *e, size_t from, size_t n, int same, void *to)
{
    const void *elements = e->elements + from * e->size;

    if (e->convert)
        e->convert(same ? 1 : n, elements, to);
    if (same)
        x->working->repeat(n, e->convert ? to : elements, to);
    else if (!e->convert)
        memcpy(to, elements, n * e->size);
}

/* How input k, which is t, comes. */
static void open_feed(node *x, int k, const ppl_tensor *t)
{
    const ppl_dtype dtype = ppl_tensor_dtype(t);
    const size_t n = (size_t)ppl_numel(t);
    feed *e = &x->feed[k];

    e->elements = ppl_operand(x->out, k);
    e->size = size_of(dtype);
    e->convert = dtype == x->worked ? NULL
                 : dtype == PPL_I64 ? x->working->from_integers : x->working->from_float;
    e->kind = n == x->n ? WHOLE : n == 1 ? SINGLE : STRETCHED;
    if (e->kind == STRETCHED)
        make_path(&e->path, x->out, t);
    x->s.single |= (unsigned)(e->kind == SINGLE) << k;
}

static void open_node(node *x, const ppl__formula *f, ppl_tensor *out)
{
    const int isa = widest();
    const ppl_tensor *input[PPL__MAX_INPUTS];

    x->f = variant(f, isa);
    x->out = out;
    x->inputs = inputs_of(f, out);
    x->n = (size_t)ppl_numel(out);
    x->entered = 0;
    x->value = NULL;
    x->s = (ppl__span){ .dtype = ppl_tensor_dtype(out), .attr = ppl_op_attr(out) };
    x->worked = x->f->value[x->s.dtype] ? x->s.dtype : PPL_F64;
    for (int k = 0; k < x->inputs; k++) {
        input[k] = ppl_op_input(out, k);
        if (ppl_tensor_dtype(input[k]) == PPL_I64)
            x->worked = PPL_F64;
    }
    x->engine = &engines[isa][x->s.dtype];
    x->working = &engines[isa][x->worked];
    x->s.repeat[PPL_F32] = engines[isa][PPL_F32].repeat;
    x->s.repeat[PPL_F64] = engines[isa][PPL_F64].repeat;
    for (int k = 0; k < x->inputs; k++)
        open_feed(x, k, input[k]);
}

static int needs_block(const feed *e)
{
    return e->kind != WHOLE || e->convert != NULL;
}

/* How many elements of the node are in its longest block. */
static size_t span_of(const node *x)
{
    return x->n < PPL__SPAN ? x->n : PPL__SPAN;
}

/* Inputs of one element, which are there for all blocks. */
static void begin(node *x)
{
    x->entered = 0;
    for (int k = 0; k < x->inputs; k++)
        if (x->feed[k].kind == SINGLE)
            fill(x, &x->feed[k], 0, span_of(x), 1, x->feed[k].block);
}

/* What one sweep over the node has on the stack, for each input: its block, and of a single
 * one its number and a block of what a function made of that. */
typedef struct room {
    block in[PPL__MAX_INPUTS], made[PPL__MAX_INPUTS];
    double number[PPL__MAX_INPUTS];
} room;

/* For one sweep. */
static void open_once(node *x, const ppl__formula *f, ppl_tensor *out, room *r)
{
    open_node(x, f, out);
    x->s.kept = x->kept;
    for (int k = 0; k < x->inputs; k++) {
        x->feed[k].block = &r->in[k];
        x->kept[k] = (ppl__kept){ .made = 0 };
        if (x->feed[k].kind == SINGLE) {
            x->kept[k].x = (char *)&r->number[k];
            x->kept[k].y = (char *)&r->made[k];
        }
    }
    begin(x);
}

static void enter_stretched(node *x, const feed *e)
{
    walk w = walk_from(&e->path, x->s.start);

    for (size_t i = 0, run; i < x->s.n; i += run, next_run(&w)) {
        run = w.left < x->s.n - i ? w.left : x->s.n - i;
        fill(x, e, w.at, run, e->path.step[0] == 0, at(e->block, x->worked, i));
    }
}

/* Makes the block at `start`, unless it is the one that is there. */
static void enter(node *x, size_t start)
{
    ppl__span *s = &x->s;

    if (x->entered == start + 1)
        return;
    x->entered = start + 1;
    s->start = start;
    s->n = x->n - start < PPL__SPAN ? x->n - start : PPL__SPAN;
    for (int k = 0; k < x->inputs; k++) {
        const feed *e = &x->feed[k];
        s->in[k] = needs_block(e) ? e->block : e->elements + start * e->size;
        if (e->kind == WHOLE && e->convert)
            e->convert(s->n, e->elements + start * e->size, e->block);
        else if (e->kind == STRETCHED)
            enter_stretched(x, e);
    }
}

/* Of blocks from .. to - 1. */
static void run_forward(node *x, size_t from, size_t to)
{
    const size_t end = to * PPL__SPAN < x->n ? to * PPL__SPAN : x->n;
    const ppl_dtype dtype = ppl_tensor_dtype(x->out);
    char *result = ppl_result(x->out);
    block y;

    for (size_t start = from * PPL__SPAN; start < end; start += PPL__SPAN) {
        void *values = at(result, dtype, start);
        enter(x, start);
        x->f->value[x->worked](&x->s, x->worked == dtype ? values : &y);
        if (x->worked != dtype)
            x->engine->from_double(x->s.n, &y, values);
    }
}

/* ---- A node of one number ---------------------------------------------------------- */

/* Its span, and the formula whose loops take it: NULL if it is another node, or an input
 * would have to be converted. */
static const ppl__formula *open_number(const ppl__formula *f, ppl_tensor *out, ppl__span *s)
{
    const int inputs = inputs_of(f, out);
    const ppl_dtype dtype = ppl_tensor_dtype(out);

    f = variant(f, widest());
    if (ppl_numel(out) != 1 || !f->value[dtype])
        return NULL;
    s->n = 1;                               /* all but in[]: clearing it costs a sweep */
    s->start = 0;
    s->y = NULL;
    s->attr = ppl_op_attr(out);
    s->dtype = dtype;
    s->single = s->due = 0;
    s->kept = NULL;
    for (int k = 0; k < inputs; k++) {
        if (ppl_tensor_dtype(ppl_op_input(out, k)) != dtype)
            return NULL;
        s->in[k] = ppl_operand(out, k);
    }
    return f;
}

static void number_vjp_all(const ppl__formula *f, int inputs, ppl__span *s, ppl_tensor *out,
                           void *const *grads, unsigned fresh)
{
    const void *g = ppl_adjoint(out);
    double d[PPL__MAX_INPUTS];
    void *slope[PPL__MAX_INPUTS];
    unsigned due = 0;

    for (int k = 0; k < inputs; k++) {
        slope[k] = &d[k];
        due |= (unsigned)(grads[k] != NULL) << k;
    }
    s->y = ppl_result(out);
    s->due = due;
    if (f->slopes[s->dtype])
        f->slopes[s->dtype](s, slope);
    for (int k = 0; k < inputs; k++) {
        if (!grads[k])
            continue;
        if (!f->slopes[s->dtype])
            f->slope[s->dtype](s, k, &d[k]);
        engines[0][s->dtype].one[fresh >> k & 1](1, g, &d[k], grads[k]);
    }
}

/* ---- Values ------------------------------------------------------------------------ */

/* What a thread needs to know to work some blocks of a node. */
typedef struct task {
    const ppl__formula *f;
    ppl_tensor *out;
    void *const *grads;
    unsigned fresh;
} task;

enum { LEAST = 3 };                         /* blocks that are worth a thread */

static size_t blocks_of(const ppl_tensor *out)
{
    return ((size_t)ppl_numel(out) + PPL__SPAN - 1) / PPL__SPAN;
}

static void forward_blocks(void *arg, size_t from, size_t to)
{
    const task *t = arg;
    room r;
    node x;

    open_once(&x, t->f, t->out, &r);
    run_forward(&x, from, to);
}

void ppl__formula_forward(const ppl__formula *f, ppl_tensor *out)
{
    ppl__span s;
    const ppl__formula *loops = open_number(f, out, &s);

    if (loops)
        loops->value[s.dtype](&s, ppl_result(out));
    else
        ppl_maths_split(ppl_tensor_ctx(out), blocks_of(out), LEAST, forward_blocks,
                        &(task){ f, out, NULL, 0 });
}

/* ---- For programs ------------------------------------------------------------------ */

enum { MOST_KEPT = 16 * PPL__SPAN };        /* of more elements nothing is kept */

/* Room to keep what is made of inputs that are single or have no gradient; 0 when out of
 * memory. */
static int make_kept(node *x)
{
    ppl_ctx *c = ppl_tensor_ctx(x->out);

    x->s.kept = x->kept;
    for (int k = 0; k < x->inputs; k++) {
        const int single = x->feed[k].kind == SINGLE;
        const size_t numbers = single ? 1 : x->n, made = single ? span_of(x) : x->n;
        x->kept[k] = (ppl__kept){ .made = 0 };
        if (numbers > MOST_KEPT || (!single && ppl_requires_grad(ppl_op_input(x->out, k))))
            continue;
        if (!(x->kept[k].x = ppl_alloc(c, numbers * sizeof(double))) ||
            !(x->kept[k].y = ppl_alloc(c, made * sizeof(double))))
            return 0;
    }
    return 1;
}

/* Lays out a node of one block whose inputs are whole or single, none to be converted: the
 * block is made but for single inputs, and there is room for the slopes. 1 if it is another
 * node, or this is done; 0 when out of memory. */
static int make_plain(node *x)
{
    int plain = x->n > 0 && x->n <= PPL__SPAN && x->worked == x->s.dtype;

    for (int k = 0; k < x->inputs; k++)
        plain = plain && x->feed[k].kind != STRETCHED && !x->feed[k].convert;
    if (!plain)
        return 1;
    x->value = x->f->value[x->worked];
    x->s.n = x->n;
    x->s.y = x->result = ppl_result(x->out);
    x->adjoint = NULL;
    for (int k = 0; k < x->inputs; k++) {
        x->s.in[k] = x->feed[k].kind == WHOLE ? x->feed[k].elements : x->feed[k].block;
        if (!(x->slope[k] = ppl_alloc(ppl_tensor_ctx(x->out), x->n * sizeof(double))))
            return 0;
    }
    begin(x);
    return 1;
}

void *ppl__formula_plan(const ppl__formula *f, ppl_tensor *out)
{
    ppl_ctx *c = ppl_tensor_ctx(out);
    node *x = ppl_alloc(c, sizeof *x);

    if (!x)
        return NULL;
    open_node(x, f, out);
    for (int k = 0; k < x->inputs; k++)
        if (needs_block(&x->feed[k]) &&
            !(x->feed[k].block = ppl_alloc(c, span_of(x) * sizeof(double))))
            return NULL;
    return make_kept(x) && make_plain(x) ? x : NULL;
}

/* A single input that is what it was in the run before stands in its block already. */
static void repeat_singles(const node *x)
{
    const size_t size = size_of(x->s.dtype);

    for (int k = 0; x->s.single >> k; k++) {
        const feed *e = &x->feed[k];
        if (x->s.single >> k & 1 && !ppl__same_bytes(e->elements, e->block, size))
            x->working->repeat(x->n, e->elements, e->block);
    }
}

void ppl__formula_forward_planned(ppl_tensor *out, void *plan)
{
    node *x = plan;

    if (!x->value) {
        begin(x);
        run_forward(x, 0, blocks_of(out));
        return;
    }
    if (x->s.single)
        repeat_singles(x);
    x->value(&x->s, x->result);
}

/* ---- Gradients --------------------------------------------------------------------- */

/* What the inputs' gradients are gathered in: sums[k] for a stretched input. */
typedef struct gathering {
    block d[PPL__MAX_INPUTS];
    void *slope[PPL__MAX_INPUTS];
    double total[PPL__MAX_INPUTS], *sums[PPL__MAX_INPUTS];
    int even;                               /* the adjoint is one number */
} gathering;

static int open_gathering(node *x, gathering *w, void *const *grads)
{
    unsigned due = 0;

    for (int k = 0; k < x->inputs; k++) {
        w->slope[k] = &w->d[k];
        w->total[k] = 0;
        w->sums[k] = &w->total[k];
        due |= (unsigned)(grads[k] != NULL) << k;
        if (grads[k] && x->feed[k].kind == STRETCHED) {
            const ppl_tensor *t = ppl_op_input(x->out, k);
            const size_t size = (size_t)ppl_numel(t) * sizeof(double);
            if (!(w->sums[k] = ppl_alloc(ppl_tensor_ctx(x->out), size)))
                return 0;
        }
    }
    x->s.due = due;
    return 1;
}

/* The slopes of the block, for all inputs that are due. */
static void differentiate(const node *x, void *const *slope)
{
    if (x->f->slopes[x->worked]) {
        x->f->slopes[x->worked](&x->s, slope);
        return;
    }
    for (int k = 0; k < x->inputs; k++)
        if (x->s.due & 1u << k)
            x->f->slope[x->worked](&x->s, k, slope[k]);
}

/* The block's products with the adjoint, to the sums of stretched input k. */
static void sum_up(const node *x, gathering *w, int k, const char *adjoint)
{
    const path *p = &x->feed[k].path;
    const int wide = x->worked != x->s.dtype;
    const char *slope = w->slope[k];

    if (x->feed[k].kind == SINGLE) {
        *w->sums[k] += x->engine->sum[wide](x->s.n, adjoint, slope);
        return;
    }
    walk from = walk_from(p, x->s.start);
    for (size_t i = 0, run; i < x->s.n; i += run, next_run(&from)) {
        const char *g = adjoint + i * size_of(x->s.dtype);
        const char *d = slope + i * size_of(x->worked);
        run = from.left < x->s.n - i ? from.left : x->s.n - i;
        if (p->step[0] == 0)
            w->sums[k][from.at] += x->engine->sum[wide](run, g, d);
        else
            x->engine->gather[wide](run, g, d, w->sums[k] + from.at);
    }
}

/* Rounds a sum to element i of a gradient. */
static void settle_number(ppl_dtype dtype, double sum, void *grad, size_t i, int fresh)
{
    float *narrow = grad;
    double *wide = grad;

    if (dtype == PPL_F32)
        narrow[i] = (float)(fresh ? sum : (double)narrow[i] + sum);
    else
        wide[i] = fresh ? sum : wide[i] + sum;
}

static double number_of(ppl_dtype dtype, const void *number)
{
    return dtype == PPL_F32 ? (double)*(const float *)number : *(const double *)number;
}

/* The sum for single input k: 0 where the adjoint is, whatever the slopes are. */
static double total_of(const node *x, const gathering *w, int k)
{
    const double g = w->even ? number_of(x->s.dtype, ppl_adjoint(x->out)) : 1;

    return g == 0 ? 0 : g * w->total[k];
}

/* The sums of stretched input k, to its gradient. */
static void settle(const node *x, const gathering *w, int k, void *grad, int fresh)
{
    if (x->feed[k].kind == SINGLE) {
        settle_number(x->s.dtype, total_of(x, w, k), grad, 0, fresh);
        return;
    }
    for (size_t i = 0, n = (size_t)ppl_numel(ppl_op_input(x->out, k)); i < n; i++)
        settle_number(x->s.dtype, w->sums[k][i], grad, i, fresh);
}

/* Whether the slopes by input k go to its gradient, and are multiplied there. */
static int in_place(const node *x, int k, unsigned fresh)
{
    return fresh >> k & 1 && x->feed[k].kind == WHOLE && x->worked == x->s.dtype;
}

/* The block's slopes by input k, times the adjoint, to its gradient or the sums. An adjoint that
 * is one number mostly is 1; a sum is multiplied by it in the end. */
static void hand_on(const node *x, gathering *w, int k, const void *g, void *grad, int fresh)
{
    product_loop *const *loop = fresh ? x->engine->write : x->engine->add;

    if (w->even && x->feed[k].kind == SINGLE)
        w->total[k] += ppl_maths_sum(x->worked, x->s.n, w->slope[k]);
    else if (x->feed[k].kind != WHOLE)
        sum_up(x, w, k, g);
    else if (w->slope[k] != grad || !w->even || number_of(x->s.dtype, g) != 1)
        loop[x->worked != x->s.dtype](x->s.n, g, w->slope[k], grad);
}

static void run_vjp_all(node *x, void *const *grads, unsigned fresh, size_t from, size_t to)
{
    const size_t end = to * PPL__SPAN < x->n ? to * PPL__SPAN : x->n;
    const ppl_dtype dtype = ppl_tensor_dtype(x->out);
    const char *adjoint = ppl_adjoint(x->out);
    char *result = ppl_result(x->out);
    gathering w;
    block y, same;

    w.even = ppl_adjoint_even(x->out);
    if (!open_gathering(x, &w, grads))
        return;
    if (w.even)
        x->engine->repeat(PPL__SPAN, adjoint, &same);
    for (size_t start = from * PPL__SPAN; start < end; start += PPL__SPAN) {
        const char *g = w.even ? (const char *)&same : adjoint + start * size_of(dtype);
        enter(x, start);
        x->s.y = at(result, dtype, start);
        if (x->worked != dtype) {
            engines[0][PPL_F64].from_float(x->s.n, x->s.y, &y);
            x->s.y = &y;
        }
        for (int k = 0; k < x->inputs; k++)
            if (grads[k] && in_place(x, k, fresh))
                w.slope[k] = at(grads[k], dtype, start);
        differentiate(x, w.slope);
        for (int k = 0; k < x->inputs; k++)
            if (grads[k])
                hand_on(x, &w, k, g, at(grads[k], dtype, start), fresh >> k & 1);
    }
    for (int k = 0; k < x->inputs; k++)
        if (grads[k] && x->feed[k].kind != WHOLE)
            settle(x, &w, k, grads[k], (fresh & 1u << k) != 0);
}

static void backward_blocks(void *arg, size_t from, size_t to)
{
    const task *t = arg;
    room r;
    node x;

    open_once(&x, t->f, t->out, &r);
    run_vjp_all(&x, t->grads, t->fresh, from, to);
}

/* A sum over the node, for a stretched input, is one thread's. */
void ppl__formula_vjp_all(const ppl__formula *f, ppl_tensor *out, void *const *grads,
                          unsigned fresh)
{
    const int inputs = inputs_of(f, out);
    const size_t blocks = blocks_of(out);
    size_t least = LEAST;
    task t = { f, out, grads, fresh };
    ppl__span s;
    const ppl__formula *loops = open_number(f, out, &s);

    if (loops) {
        number_vjp_all(loops, inputs, &s, out, grads, fresh);
        return;
    }
    for (int k = 0; k < inputs; k++)
        if (grads[k] && ppl_numel(ppl_op_input(out, k)) != ppl_numel(out))
            least = blocks + 1;
    if (least > blocks)
        backward_blocks(&t, 0, blocks);
    else
        ppl_maths_split(ppl_tensor_ctx(out), blocks, least, backward_blocks, &t);
}

/* Lays out the sweep over a plain node, in the first run. Apart, or every run would save the
 * registers that this one needs. */
static __attribute__((noinline)) void open_shares(node *x, void *const *grads, unsigned fresh)
{
    x->adjoint = ppl_adjoint(x->out);
    x->shares = 0;
    x->s.due = 0;
    for (int k = 0; k < x->inputs; k++) {
        const engine *e = x->engine;
        const int writes = (int)(fresh >> k & 1);
        if (!grads[k])
            continue;
        x->s.due |= 1u << k;
        x->share[x->shares++] = (share){
            .loop = x->feed[k].kind == SINGLE ? e->total[writes]
                    : x->n == 1               ? e->one[writes]
                                              : (writes ? e->write : e->add)[0],
            .slope = x->slope[k], .grad = grads[k]
        };
    }
}

/* A program's call has the same arguments in each run. */
void ppl__formula_vjp_all_planned(ppl_tensor *out, void *plan, void *const *grads,
                                  unsigned fresh)
{
    node *x = plan;

    if (!x->value) {
        run_vjp_all(x, grads, fresh, 0, blocks_of(out));
        return;
    }
    if (!x->adjoint)
        open_shares(x, grads, fresh);
    differentiate(x, x->slope);
    for (const share *h = x->share, *end = h + x->shares; h < end; h++)
        h->loop(x->n, x->adjoint, h->slope, h->grad);
}

void ppl__formula_vjp(const ppl__formula *f, ppl_tensor *out, int i, void *grad)
{
    void *grads[PPL__MAX_INPUTS] = { NULL };

    grads[i] = grad;
    ppl__formula_vjp_all(f, out, grads, 0);
}

/* ---- For samplers ------------------------------------------------------------------ */

ppl_status ppl__draw_shape(const ppl_op *op, ppl_tensor *const *inputs, int count, void *attr,
                           ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)inputs, (void)count, (void)dtype;
    *shape = **(const ppl_shape *const *)attr;
    return PPL_OK;
}

size_t ppl__dist_numel(const ppl_dist *d)
{
    size_t n = 1;
    for (int i = 0; i < d->shape.rank; i++)
        n *= (size_t)d->shape.dim[i];
    return n;
}

const double *ppl__noise(const ppl_dist *d, const ppl_rng *rng,
                         void (*draw)(const ppl_rng *rng, uint32_t stream, size_t n,
                                      double *out))
{
    const size_t n = ppl__dist_numel(d);
    double *noise = ppl_alloc(d->ctx, n * sizeof *noise);
    if (noise)
        draw(rng, 0, n, noise);
    return noise;
}

ppl_tensor *ppl__at_batch(ppl_tensor *t, ppl_shape batch, int own)
{
    const int rank = ppl_rank(t);
    int same = rank == batch.rank + own;

    for (int i = 0; same && i < batch.rank; i++)
        same = ppl_dim(t, i) == batch.dim[i];
    if (same)
        return t;
    for (int i = rank - own; i < rank; i++)
        batch.dim[batch.rank++] = ppl_dim(t, i);
    return ppl_expand(t, batch);
}

ppl_tensor *ppl__whole_param(const ppl_dist *d, int i)
{
    ppl_shape batch = d->shape;
    batch.rank -= d->family->event_dim;
    return ppl__at_batch(d->param[i], batch, d->family->param_event_dim[i]);
}
