/* SPDX-License-Identifier: MIT */
/*
 * kiln/functions.h - C functions with their natural signatures as models, guides and
 * deterministic functions.
 *
 *     void model(ppl_ctx *c, const batch *b, double beta, int steps);
 *
 *     ppl_fn *f = PPL_FN(c, void, model,
 *                        (ppl_ctx *c, const batch *b, double beta, int steps));
 *     ppl_run(c, ppl_fn_model(f), PPL_ARGS(&data, 0.5, 3), NULL);
 *
 * Whatever takes a ppl_model and its `arg` (ppl_run, ppl_get_trace, a step of SVI) takes
 * ppl_fn_model(f) and PPL_ARGS(..). Arguments carry their types and are checked against
 * the prototype at each call; a parameter of type ppl_ctx * is filled in and not passed.
 * A handler around a function is another function of the same signature (handlers.h).
 *
 * A function lives as everything else: until the end of the epoch it was made in; outside
 * every epoch, as long as the context. Its code pointers likewise. No C++ exception and no
 * longjmp may leave a function called from here: report by ppl_fail instead.
 */
#ifndef KILN_FUNCTIONS_H
#define KILN_FUNCTIONS_H

#include <kiln/runtime.h>

#include <limits.h>
#ifdef __cplusplus
#include <cstddef>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define PPL_MAX_ARGS 16             /* of a function, contexts not counted */

typedef struct ppl_fn ppl_fn;
typedef void (*ppl_code)(void);     /* any function's address, to be cast */

/* ---- Making ------------------------------------------------------------------------ */

/*
 * The function at `code`, whose C prototype is `prototype`, as text:
 * "double area(const double *sides, int64_t count)". Types: those of C (but long double
 * and complex numbers), of <stdint.h> and <stddef.h>, enumerations ("enum colour"),
 * pointers, ppl_ctx *, ppl_tensor *, and structs that ppl_declare_struct has described.
 * NULL with the error recorded (PPL_EINVAL).
 */
PPL_API ppl_fn *ppl_fn_make(ppl_ctx *c, ppl_code code, const char *prototype);

/* The same with the prototype compared with the function's own by the compiler:
 * PPL_FN(c, double, area, (const double *sides, int64_t count)). */
#ifdef __cplusplus
#define PPL_FN(c, result, name, params)                                                    \
    ppl_fn_make(c, reinterpret_cast<ppl_code>(static_cast<result(*) params>(name)),        \
                #result " " #name #params)
#else
#define PPL_FN(c, result, name, params)                                                    \
    ppl_fn_make(c, (ppl_code)_Generic((name), result(*) params: (name)),                   \
                #result " " #name #params)
#endif

/* Describes a struct that is passed or returned by value, so that prototypes may name it:
 * its members as in C, "double x, y; int32_t pair[2];", without bit-fields and unions.
 * `size` is its sizeof; one that differs from what the members give is an error. */
PPL_API ppl_status ppl_declare_struct(ppl_ctx *c, const char *name, size_t size,
                                      const char *members);
#define PPL_STRUCT(c, name, members) ppl_declare_struct(c, #name, sizeof(name), members)

PPL_API ppl_ctx *ppl_fn_ctx(const ppl_fn *f);           /* NULL gives NULL */
/* "scale(condition(model))" into a buffer; returns it. */
PPL_API const char *ppl_fn_text(const ppl_fn *f, char *buffer, size_t size);

/* ---- Arguments --------------------------------------------------------------------- */

/* One row a type: its constant after PPL_TYPE_, the member of ppl_arg.value, C's name. */
#ifdef __cplusplus
#define PPL__BOOL bool
#else
#define PPL__BOOL _Bool
#endif
#define PPL_TYPE_MAP(X)                                                                    \
    X(BOOL, natural, PPL__BOOL)                                                            \
    X(CHAR, integer, char)                                                                 \
    X(SCHAR, integer, signed char)                                                         \
    X(UCHAR, natural, unsigned char)                                                       \
    X(SHORT, integer, short)                                                               \
    X(USHORT, natural, unsigned short)                                                     \
    X(INT, integer, int)                                                                   \
    X(UINT, natural, unsigned int)                                                         \
    X(LONG, integer, long)                                                                 \
    X(ULONG, natural, unsigned long)                                                       \
    X(LLONG, integer, long long)                                                           \
    X(ULLONG, natural, unsigned long long)                                                 \
    X(FLOAT, real, float)                                                                  \
    X(DOUBLE, real, double)

typedef enum ppl_type {
    PPL_TYPE_VOID,
#define PPL__ROW(name, member, type) PPL_TYPE_##name,
    PPL_TYPE_MAP(PPL__ROW)
#undef PPL__ROW
    PPL_TYPE_POINTER,
    PPL_TYPE_TENSOR,                /* ppl_tensor * */
    PPL_TYPE_CONTEXT,               /* ppl_ctx * */
    PPL_TYPE_STRUCT,
    PPL_TYPE_LIST                   /* the head of a list of arguments */
} ppl_type;

/* An argument and its type. Bindings of other languages fill it in themselves: a list is
 * an array whose first element has type PPL_TYPE_LIST, size the number of arguments that
 * follow, and value.natural PPL_LIST_MARK. */
typedef struct ppl_arg {
    ppl_type type;
    ppl_type pointee;               /* of a pointer; VOID: unknown; STRUCT: all others */
    const char *name;               /* of a struct, or of what is pointed to, or NULL */
    size_t size;                    /* of a struct */
    union {
        int64_t integer;
        uint64_t natural;
        double real;
        const void *pointer;        /* of a struct: where it lies */
    } value;
} ppl_arg;

#define PPL_LIST_MARK UINT64_C(0x7c3e9d51b7a4f026)

/*
 * PPL_ARGS(&batch, 0.5, 3): a list of 1 to 16 arguments, each with the type it has in C,
 * alive as long as the block it stands in; NULL is the empty list. How they must fit:
 *
 *     declared an integer   any integer that the type can hold
 *     declared floating     a floating number (an integer is an error: write 3.0)
 *     declared a pointer    a pointer to the same number type, or to any struct (to one
 *                           of the same name, if given by PPL_POINTER), or a void *
 *     declared ppl_tensor * a tensor, or NULL
 *     declared a struct     PPL_BY_VALUE(type, variable)
 */
#define PPL_BY_VALUE(type, variable)                                                       \
    ppl__arg_struct(#type, sizeof(type), 1 ? &(variable) : (const type *)0)
#define PPL_POINTER(type, pointer)                                                         \
    ppl__arg_pointer_to(#type, 1 ? (pointer) : (const type *)0)

/* ---- Calling ----------------------------------------------------------------------- */

/* The function as a model, whose `arg` is a list of arguments: what ppl_run, ppl_get_trace
 * and ppl_svi_new take. The result, if any, is dropped. NULL with the error recorded: on
 * PPL_EUNSUPPORTED the system allows no code to be made at run time, and a callback of
 * yours that calls ppl_fn_call does the same. */
PPL_API ppl_model ppl_fn_model(ppl_fn *f);

/* Calls it: within a run as a part of it, outside as a run of its own. `into` says where
 * the result goes: PPL_ARG(&x) with x of the result's type, or PPL_ARG(NULL). A boundary
 * call. While an error stands in a run, nothing is called; an error leaves a result of
 * zeros (NaN, NULL). */
PPL_API ppl_status ppl_fn_call(ppl_ctx *c, ppl_fn *f, const ppl_arg *args, ppl_arg into);

/* A pointer to code of the very signature of the prototype, for C code that knows nothing
 * of kiln: cast it and call it. Outside a run each call is a run of its own, and what it
 * makes lives until the epoch around it ends: a function that is called often opens one
 * itself. An error stays in the context, which calls nothing more
 * until the next boundary call returns it. A ppl_ctx * parameter must be the function's
 * context, or NULL for that one. NULL as for ppl_fn_model. */
PPL_API ppl_code ppl_fn_code(ppl_fn *f);

/* ---- Handlers ---------------------------------------------------------------------- */

/* f under `h`: each call pushes h, calls f, pops. The name in texts is h's. Every handler
 * of handlers.h has its own: ppl_condition_fn(f, values, NULL). NULL if f or h is. */
PPL_API ppl_fn *ppl_handled_fn(ppl_fn *f, ppl_handler *h);
/* The same with a handler made anew at each call, by make(c, arg), `arg` being a copy of
 * `size` bytes: for handlers whose construction is a statement of the model (a plate). */
PPL_API ppl_fn *ppl_handled_fn_by(ppl_fn *f, const char *name,
                                  ppl_handler *(*make)(ppl_ctx *c, const void *arg),
                                  const void *arg, size_t size);

/* ---- How arguments get their types ------------------------------------------------- */

static inline ppl_arg ppl__arg_pointer(const void *p, ppl_type pointee)
{
    ppl_arg a;

    a.type = PPL_TYPE_POINTER;
    a.pointee = pointee;
    a.name = NULL;
    a.size = 0;
    a.value.pointer = p;
    return a;
}

static inline ppl_arg ppl__arg_pointer_to(const char *name, const void *p)
{
    ppl_arg a = ppl__arg_pointer(p, PPL_TYPE_STRUCT);

    a.name = name;
    return a;
}

static inline ppl_arg ppl__arg_struct(const char *name, size_t size, const void *p)
{
    ppl_arg a = ppl__arg_pointer(p, PPL_TYPE_VOID);

    a.type = PPL_TYPE_STRUCT;
    a.name = name;
    a.size = size;
    return a;
}

static inline ppl_arg ppl__arg_list(size_t count)
{
    ppl_arg a = ppl__arg_pointer(NULL, PPL_TYPE_VOID);

    a.type = PPL_TYPE_LIST;
    a.size = count;
    a.value.natural = PPL_LIST_MARK;
    return a;
}

static inline ppl_arg ppl__arg_any(const void *p)
{
    return ppl__arg_pointer(p, PPL_TYPE_STRUCT);
}

static inline ppl_arg ppl__arg_void(const void *p)
{
    return ppl__arg_pointer(p, PPL_TYPE_VOID);
}

static inline ppl_arg ppl__arg_tensor(const ppl_tensor *t)
{
    ppl_arg a = ppl__arg_pointer(t, PPL_TYPE_VOID);

    a.type = PPL_TYPE_TENSOR;
    return a;
}

static inline ppl_arg ppl__arg_same(ppl_arg a)
{
    return a;
}

#define PPL__ROW(name_, member_, type_)                                                    \
    static inline ppl_arg ppl__arg_##name_(type_ x)                                        \
    {                                                                                      \
        ppl_arg a = ppl__arg_pointer(NULL, PPL_TYPE_VOID);                                 \
                                                                                           \
        a.type = PPL_TYPE_##name_;                                                         \
        a.value.member_ = x;                                                               \
        return a;                                                                          \
    }                                                                                      \
    static inline ppl_arg ppl__arg_to_##name_(const type_ *p)                              \
    {                                                                                      \
        return ppl__arg_pointer(p, PPL_TYPE_##name_);                                      \
    }
PPL_TYPE_MAP(PPL__ROW)
#undef PPL__ROW

#ifdef __cplusplus
}

/* The same by overloading; PPL_ARGS lives until the end of the full expression. */
#define PPL__ROW(name_, member_, type_)                                                    \
    inline ppl_arg ppl__arg(type_ x) { return ppl__arg_##name_(x); }                       \
    inline ppl_arg ppl__arg(const type_ *p) { return ppl__arg_to_##name_(p); }
PPL_TYPE_MAP(PPL__ROW)
#undef PPL__ROW
inline ppl_arg ppl__arg(const ppl_tensor *t) { return ppl__arg_tensor(t); }
inline ppl_arg ppl__arg(const void *p) { return ppl__arg_void(p); }
inline ppl_arg ppl__arg(std::nullptr_t) { return ppl__arg_void(NULL); }
inline ppl_arg ppl__arg(const ppl_arg &a) { return a; }
template <class T> inline ppl_arg ppl__arg(const T *p) { return ppl__arg_any(p); }
struct ppl__args {
    ppl_arg list[PPL_MAX_ARGS + 1];
    template <class... T> explicit ppl__args(const T &...x)
        : list{ ppl__arg_list(sizeof...(T)), ppl__arg(x)... } {}
    operator const ppl_arg *() const { return list; }
    operator const void *() const { return list; }
};
#define PPL_ARG(x) ppl__arg(x)
#define PPL_ARGS(...) (ppl__args(__VA_ARGS__))

#else

#define PPL__CASES(name, member, type)                                                     \
    type: ppl__arg_##name, type *: ppl__arg_to_##name, const type *: ppl__arg_to_##name,
#define PPL_ARG(x)                                                                         \
    _Generic((x), PPL_TYPE_MAP(PPL__CASES) ppl_tensor *: ppl__arg_tensor,                  \
             const ppl_tensor *: ppl__arg_tensor, void *: ppl__arg_void,                   \
             const void *: ppl__arg_void, ppl_arg: ppl__arg_same, default: ppl__arg_any)(x)
#define PPL_ARGS(...)                                                                      \
    ((const ppl_arg[]){                                                                    \
        ppl__arg_list(PPL__COUNT(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,   \
                                 4, 3, 2, 1, 0)),                                          \
        PPL__EACH(PPL__COUNT(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, \
                             2, 1, 0), __VA_ARGS__) })
#define PPL__COUNT(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, count, ...) count
#define PPL__EACH(count, ...) PPL__EACH_(count, __VA_ARGS__)
#define PPL__EACH_(count, ...) PPL__EACH_##count(__VA_ARGS__)
#define PPL__EACH_1(x) PPL_ARG(x)
#define PPL__EACH_2(x, ...) PPL_ARG(x), PPL__EACH_1(__VA_ARGS__)
#define PPL__EACH_3(x, ...) PPL_ARG(x), PPL__EACH_2(__VA_ARGS__)
#define PPL__EACH_4(x, ...) PPL_ARG(x), PPL__EACH_3(__VA_ARGS__)
#define PPL__EACH_5(x, ...) PPL_ARG(x), PPL__EACH_4(__VA_ARGS__)
#define PPL__EACH_6(x, ...) PPL_ARG(x), PPL__EACH_5(__VA_ARGS__)
#define PPL__EACH_7(x, ...) PPL_ARG(x), PPL__EACH_6(__VA_ARGS__)
#define PPL__EACH_8(x, ...) PPL_ARG(x), PPL__EACH_7(__VA_ARGS__)
#define PPL__EACH_9(x, ...) PPL_ARG(x), PPL__EACH_8(__VA_ARGS__)
#define PPL__EACH_10(x, ...) PPL_ARG(x), PPL__EACH_9(__VA_ARGS__)
#define PPL__EACH_11(x, ...) PPL_ARG(x), PPL__EACH_10(__VA_ARGS__)
#define PPL__EACH_12(x, ...) PPL_ARG(x), PPL__EACH_11(__VA_ARGS__)
#define PPL__EACH_13(x, ...) PPL_ARG(x), PPL__EACH_12(__VA_ARGS__)
#define PPL__EACH_14(x, ...) PPL_ARG(x), PPL__EACH_13(__VA_ARGS__)
#define PPL__EACH_15(x, ...) PPL_ARG(x), PPL__EACH_14(__VA_ARGS__)
#define PPL__EACH_16(x, ...) PPL_ARG(x), PPL__EACH_15(__VA_ARGS__)

#endif
#endif
