/* SPDX-License-Identifier: MIT */
/*
 * fn.h - signatures: what a prototype declares (fn_prototype.c), how arguments are checked
 * against it (fn_args.c), and how it is called (fn.c, which alone knows libffi).
 */
#ifndef KILN_FN_H
#define KILN_FN_H

#include "impl.h"

#include <kiln/functions.h>

#define PPL__MAX_PARAMS (PPL_MAX_ARGS + 1)      /* a context among them */
#define PPL__MAX_MEMBERS 32                     /* of a struct, arrays' counted */

struct ppl__struct;

/* A type as a prototype declares it. */
typedef struct ppl__type {
    ppl_type type, pointee;         /* pointee as in ppl_arg */
    char class;                     /* of a number: ppl__type_class */
    unsigned char size;             /* of what is no struct */
    ppl_name name;                  /* of a struct or of what is pointed to, or NULL */
    const struct ppl__struct *layout;
    ppl_name text;                  /* as written: "const batch *b" */
} ppl__type;

typedef struct ppl__signature {
    ppl_name name, text;            /* "model"; the whole prototype */
    ppl__type result, param[PPL__MAX_PARAMS];
    int params, args;               /* with and without contexts */
} ppl__signature;

/* A struct passed by value. */
typedef struct ppl__struct {
    struct ppl__struct *next;
    ppl_name name;
    size_t size;
    int members;
    ppl__type member[PPL__MAX_MEMBERS];
    void *layout;                   /* fn.c's */
} ppl__struct;

/* A value of any type that is no struct. */
typedef union ppl__slot {
    _Bool b;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    float f;
    double d;
    const void *p;
} ppl__slot;

/* 'i' signed, 'u' unsigned, 'b' _Bool, 'f' floating; 0 for all other types. */
char ppl__type_class(ppl_type type);
size_t ppl__type_size(ppl_type type);
/* C's name: "unsigned int". */
const char *ppl__type_name(ppl_type type);

/* 0 with PPL_EINVAL recorded. `structs`: those that are known. */
int ppl__parse_prototype(ppl_ctx *c, const char *text, const ppl__struct *structs,
                         ppl__signature *out);
int ppl__parse_members(ppl_ctx *c, const char *text, const ppl__struct *structs,
                       ppl__struct *out);

/* Checks a list and points value[i] at parameter i, for which slot[i] is the room; 0 with
 * PPL_EINVAL recorded. */
int ppl__bind_args(ppl_ctx *c, const ppl__signature *s, const ppl_arg *args,
                   ppl__slot slot[PPL__MAX_PARAMS], void *value[PPL__MAX_PARAMS]);
/* Whether the result may go where `into` points. */
int ppl__check_into(ppl_ctx *c, const ppl__signature *s, const ppl_arg *into);

#endif
