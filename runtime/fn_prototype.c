/* SPDX-License-Identifier: MIT */
/*
 * fn_prototype.c - reading the prototype of a C function, and the members of a struct.
 *
 * A declaration is words and stars; of its words some are qualifiers, some build a number
 * type, one may name a typedef or a struct, and the last one left is the name of what is
 * declared. Types of other names must be known or be behind a star.
 */
#include "fn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Number types ------------------------------------------------------------------ */

char ppl__type_class(ppl_type type)
{
    switch (type) {
    case PPL_TYPE_BOOL:
        return 'b';
    case PPL_TYPE_CHAR:
        return CHAR_MIN < 0 ? 'i' : 'u';
    case PPL_TYPE_SCHAR:
    case PPL_TYPE_SHORT:
    case PPL_TYPE_INT:
    case PPL_TYPE_LONG:
    case PPL_TYPE_LLONG:
        return 'i';
    case PPL_TYPE_UCHAR:
    case PPL_TYPE_USHORT:
    case PPL_TYPE_UINT:
    case PPL_TYPE_ULONG:
    case PPL_TYPE_ULLONG:
        return 'u';
    case PPL_TYPE_FLOAT:
    case PPL_TYPE_DOUBLE:
        return 'f';
    default:
        return 0;
    }
}

size_t ppl__type_size(ppl_type type)
{
    static const size_t size[] = {
        0,
#define ROW(name, member, type) sizeof(type),
        PPL_TYPE_MAP(ROW)
#undef ROW
        sizeof(void *), sizeof(void *), sizeof(void *)
    };

    return (size_t)type < sizeof size / sizeof *size ? size[type] : 0;
}

const char *ppl__type_name(ppl_type type)
{
    static const char *const name[] = {
        "void",
#define ROW(name, member, type) #type,
        PPL_TYPE_MAP(ROW)
#undef ROW
        "a pointer", "ppl_tensor *", "ppl_ctx *", "a struct", "a list of arguments"
    };

    return (size_t)type < sizeof name / sizeof *name ? name[type] : "?";
}

/* Integers by what they are on this machine. */
static ppl_type integer_of(size_t size, int is_signed)
{
    static const ppl_type order[] = { PPL_TYPE_SCHAR,  PPL_TYPE_SHORT, PPL_TYPE_INT,
                                      PPL_TYPE_LONG,   PPL_TYPE_LLONG, PPL_TYPE_UCHAR,
                                      PPL_TYPE_USHORT, PPL_TYPE_UINT,  PPL_TYPE_ULONG,
                                      PPL_TYPE_ULLONG };

    for (int i = is_signed ? 0 : 5; i < (is_signed ? 5 : 10); i++)
        if (ppl__type_size(order[i]) == size)
            return order[i];
    return PPL_TYPE_VOID;
}

static ppl_type typedef_of(const char *word)
{
    static const struct {
        const char *word;
        size_t size;
        int is_signed;
    } row[] = {
        { "int8_t", 1, 1 },   { "int16_t", 2, 1 },   { "int32_t", 4, 1 },
        { "int64_t", 8, 1 },  { "uint8_t", 1, 0 },   { "uint16_t", 2, 0 },
        { "uint32_t", 4, 0 }, { "uint64_t", 8, 0 },  { "size_t", sizeof(size_t), 0 },
        { "ssize_t", sizeof(size_t), 1 },            { "ptrdiff_t", sizeof(ptrdiff_t), 1 },
        { "intptr_t", sizeof(intptr_t), 1 },         { "uintptr_t", sizeof(uintptr_t), 0 },
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (strcmp(row[i].word, word) == 0)
            return integer_of(row[i].size, row[i].is_signed);
    return PPL_TYPE_VOID;
}

/* ---- Words ------------------------------------------------------------------------- */

enum { WORD = 64 };

typedef struct scan {
    ppl_ctx *c;
    const char *what;               /* "the prototype", "struct point" */
    const char *text, *at;
    const ppl__struct *structs;
} scan;

static int is_space(char x)
{
    return x == ' ' || (x >= '\t' && x <= '\r');
}

static int is_letter(char x)
{
    return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x == '_' ||
           (x >= '0' && x <= '9');
}

static char peek(scan *s)
{
    while (is_space(*s->at))
        s->at++;
    return *s->at;
}

/* Takes a sign if it comes next. */
static int take(scan *s, char sign)
{
    if (peek(s) != sign)
        return 0;
    s->at++;
    return 1;
}

/* Takes a word if one comes next. */
static int take_word(scan *s, char word[WORD])
{
    size_t n = 0;

    if (!is_letter(peek(s)))
        return 0;
    for (; is_letter(*s->at); s->at++)
        if (n + 1 < WORD)
            word[n++] = *s->at;
    word[n] = '\0';
    return 1;
}

/* 0, with the error recorded. */
static int refuse(const scan *s, const char *why)
{
    ppl_fail(s->c, PPL_EINVAL, "%s: %s; it reads \"%s\"", s->what, why, s->text);
    return 0;
}

/* The text from `from` to where the scan is, without spaces around it, interned. */
static ppl_name text_since(scan *s, const char *from)
{
    char text[256];
    size_t n;

    while (is_space(*from))
        from++;
    n = (size_t)(s->at - from);
    while (n > 0 && is_space(from[n - 1]))
        n--;
    if (n >= sizeof text)
        n = sizeof text - 1;
    memcpy(text, from, n);
    text[n] = '\0';
    return ppl_intern(s->c, n > 0 ? text : "?");
}

/* ---- Declarations ------------------------------------------------------------------ */

/* The words of a declaration, counted. */
typedef struct words {
    int is_signed, is_unsigned, is_char, is_short, is_long, is_int, is_float, is_double;
    int is_bool, is_void, is_enum;
    ppl_type known;                 /* of a typedef */
    char type[WORD];                /* another type's name, or "" */
    char name[WORD];                /* of what is declared, or "" */
} words;

static int builds_number(const words *w)
{
    return w->is_signed || w->is_unsigned || w->is_char || w->is_short || w->is_long ||
           w->is_int || w->is_float || w->is_double || w->is_bool || w->is_void ||
           w->is_enum || w->known != PPL_TYPE_VOID;
}

/* Counts a keyword; 0 if it is none. */
static int count_keyword(words *w, const char *word)
{
    const struct {
        const char *word;
        int *count;
    } row[] = {
        { "signed", &w->is_signed }, { "unsigned", &w->is_unsigned },
        { "char", &w->is_char },     { "short", &w->is_short },
        { "long", &w->is_long },     { "int", &w->is_int },
        { "float", &w->is_float },   { "double", &w->is_double },
        { "_Bool", &w->is_bool },    { "bool", &w->is_bool },
        { "void", &w->is_void },
    };
    static const char *const ignored[] = { "const", "volatile", "restrict", "__restrict",
                                           "extern", "static", "inline", "register" };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (strcmp(row[i].word, word) == 0)
            return ++*row[i].count;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (strcmp(ignored[i], word) == 0)
            return 1;
    return 0;
}

/* Reads the words up to a star, a bracket or a comma. */
static int read_words(scan *s, words *w)
{
    char word[WORD];

    while (take_word(s, word)) {
        if (count_keyword(w, word))
            continue;
        if (strcmp(word, "union") == 0 || strcmp(word, "_Complex") == 0 ||
            strcmp(word, "_Atomic") == 0)
            return refuse(s, "unions, complex and atomic numbers cannot be passed; pass "
                             "a pointer");
        if (strcmp(word, "enum") == 0) {
            if (!take_word(s, word))
                return refuse(s, "\"enum\" must be followed by a name");
            w->is_enum = 1;
        } else if (strcmp(word, "struct") == 0) {
            if (!take_word(s, w->type))
                return refuse(s, "\"struct\" must be followed by a name");
        } else if (!builds_number(w) && w->type[0] == '\0') {
            w->known = typedef_of(word);
            if (w->known == PPL_TYPE_VOID)
                strcpy(w->type, word);
        } else if (w->name[0] == '\0') {
            strcpy(w->name, word);
        } else {
            return refuse(s, "two names stand side by side");
        }
    }
    return 1;
}

/* The number type that the words build; VOID also if they build none. */
static ppl_type number_of(const words *w)
{
    if (w->known != PPL_TYPE_VOID)
        return w->known;
    if (w->is_bool)
        return PPL_TYPE_BOOL;
    if (w->is_float)
        return PPL_TYPE_FLOAT;
    if (w->is_double)
        return w->is_long ? PPL_TYPE_VOID : PPL_TYPE_DOUBLE;
    if (w->is_char)
        return w->is_signed     ? PPL_TYPE_SCHAR
               : w->is_unsigned ? PPL_TYPE_UCHAR
                                : PPL_TYPE_CHAR;
    if (w->is_short)
        return w->is_unsigned ? PPL_TYPE_USHORT : PPL_TYPE_SHORT;
    if (w->is_long > 1)
        return w->is_unsigned ? PPL_TYPE_ULLONG : PPL_TYPE_LLONG;
    if (w->is_long)
        return w->is_unsigned ? PPL_TYPE_ULONG : PPL_TYPE_LONG;
    if (w->is_int || w->is_signed || w->is_unsigned || w->is_enum)
        return w->is_unsigned ? PPL_TYPE_UINT : PPL_TYPE_INT;
    return PPL_TYPE_VOID;
}

static int is_type(const words *w, const char *name)
{
    return strcmp(w->type, name) == 0;
}

static int resolve_pointer(scan *s, const words *w, int stars, ppl__type *out)
{
    out->type = PPL_TYPE_POINTER;
    out->pointee = PPL_TYPE_STRUCT;
    if (stars > 1)
        return 1;
    if (is_type(w, "ppl_ctx")) {
        out->type = PPL_TYPE_CONTEXT;
    } else if (is_type(w, "ppl_tensor")) {
        out->type = PPL_TYPE_TENSOR;
    } else if (w->type[0] != '\0') {
        out->name = ppl_intern(s->c, w->type);
    } else if (w->is_double && w->is_long) {
        return 1;
    } else {
        out->pointee = w->is_void ? PPL_TYPE_VOID : number_of(w);
    }
    return ppl_ok(s->c);
}

static int resolve_struct(scan *s, const words *w, ppl__type *out)
{
    const ppl__struct *known = s->structs;
    ppl_name name = ppl_intern(s->c, w->type);
    char why[192];

    while (known != NULL && known->name != name)
        known = known->next;
    if (known == NULL) {
        snprintf(why, sizeof why, "%s is no type that is known; describe it before by "
                 "ppl_declare_struct, or pass a pointer", w->type);
        return refuse(s, why);
    }
    out->type = PPL_TYPE_STRUCT;
    out->name = name;
    out->layout = known;
    return 1;
}

static int resolve_type(scan *s, const words *w, int stars, ppl__type *out)
{
    if (!builds_number(w) && w->type[0] == '\0')
        return refuse(s, "a type is missing");
    if (stars > 0)
        return resolve_pointer(s, w, stars, out);
    if (w->type[0] != '\0')
        return resolve_struct(s, w, out);
    out->type = w->is_void ? PPL_TYPE_VOID : number_of(w);
    if (out->type == PPL_TYPE_VOID && !w->is_void)
        return refuse(s, "long double cannot be passed; pass a double or a pointer");
    return 1;
}

/* The type of words and stars. */
static int resolve(scan *s, const words *w, int stars, ppl__type *out)
{
    if (!resolve_type(s, w, stars, out))
        return 0;
    out->class = ppl__type_class(out->type);
    out->size = (unsigned char)ppl__type_size(out->type);
    return 1;
}

static int skip_brackets(scan *s, char open, char close)
{
    int depth = 0;

    do {
        char x = *s->at++;

        if (x == '\0')
            return refuse(s, "a bracket is not closed");
        depth += (x == open) - (x == close);
    } while (depth > 0);
    return 1;
}

/* A star for each level of pointer, and what follows the name: an array or a function
 * that is a parameter is passed as a pointer. */
static int read_declarator(scan *s, words *w, int *stars)
{
    for (;;) {
        if (take(s, '*')) {
            ++*stars;
            if (!read_words(s, w))
                return 0;
        } else if (peek(s) == '[') {
            ++*stars;
            if (!skip_brackets(s, '[', ']'))
                return 0;
        } else if (peek(s) == '(') {
            *stars += 2;            /* to a function: to something else than a number */
            if (!skip_brackets(s, '(', ')'))
                return 0;
        } else {
            return 1;
        }
    }
}

static int read_param(scan *s, ppl__type *out)
{
    const char *from = s->at;
    words w = { 0 };
    int stars = 0;

    if (strncmp(s->at, "...", 3) == 0 || (peek(s) == '.'))
        return refuse(s, "a function of any number of arguments cannot be called; wrap "
                         "it in one of a fixed number");
    if (!read_words(s, &w) || !read_declarator(s, &w, &stars) ||
        !resolve(s, &w, stars, out))
        return 0;
    out->text = text_since(s, from);
    return ppl_ok(s->c);
}

static int add_param(scan *s, ppl__signature *out)
{
    ppl__type type = { 0 };

    if (!read_param(s, &type))
        return 0;
    if (type.type == PPL_TYPE_VOID) {
        if (out->params == 0 && peek(s) == ')' && strcmp(type.text, "void") == 0)
            return 1;               /* (void) */
        return refuse(s, "a parameter is void");
    }
    if (out->params == PPL__MAX_PARAMS ||
        out->args + (type.type != PPL_TYPE_CONTEXT) > PPL_MAX_ARGS)
        return refuse(s, "it has more than 16 parameters; pass a struct by pointer");
    out->args += type.type != PPL_TYPE_CONTEXT;
    out->param[out->params++] = type;
    return 1;
}

/* "double *area(": the result's type and the function's name. */
static int read_result(scan *s, ppl__signature *out)
{
    const char *from = s->at;
    words w = { 0 };
    int stars = 0;

    if (!read_words(s, &w))
        return 0;
    while (take(s, '*')) {
        stars++;
        if (!read_words(s, &w))
            return 0;
    }
    if (w.name[0] == '\0' || peek(s) != '(')
        return refuse(s, "it must read as in C: result name(parameters)");
    if (!resolve(s, &w, stars, &out->result))
        return 0;
    if (out->result.type == PPL_TYPE_CONTEXT)
        return refuse(s, "a context cannot be a result");
    out->result.text = text_since(s, from);
    out->name = ppl_intern(s->c, w.name);
    return ppl_ok(s->c);
}

int ppl__parse_prototype(ppl_ctx *c, const char *text, const ppl__struct *structs,
                         ppl__signature *out)
{
    scan s = { c, "the prototype", text, text, structs };

    memset(out, 0, sizeof *out);
    out->text = ppl_intern(c, text);
    if (out->text == NULL || !read_result(&s, out))
        return 0;
    take(&s, '(');
    if (!take(&s, ')')) {
        do
            if (!add_param(&s, out))
                return 0;
        while (take(&s, ','));
        if (!take(&s, ')'))
            return refuse(&s, "the list of parameters is not closed");
    }
    take(&s, ';');
    return peek(&s) == '\0' ? 1 : refuse(&s, "something follows the parameters");
}

/* ---- Members of a struct ----------------------------------------------------------- */

/* "[3]" after a member: so many of it. */
static int read_length(scan *s, int *length)
{
    char word[WORD], *end;
    long n;

    *length = 1;
    while (take(s, '[')) {
        if (!take_word(s, word) || !take(s, ']'))
            return refuse(s, "the length of an array must be a number");
        n = strtol(word, &end, 10);
        if (*end != '\0' || n < 1 || n > PPL__MAX_MEMBERS)
            return refuse(s, "the length of an array must be a number, 32 at most");
        *length *= (int)n;
    }
    return 1;
}

/* "x, *next, pair[2]" after the words of a type, of which the last was "x", if that has
 * no star. */
static int read_members(scan *s, words w, ppl__struct *out)
{
    for (;; w.name[0] = '\0') {
        ppl__type member = { 0 };
        int stars = 0, length;

        while (take(s, '*'))
            stars++;
        if (w.name[0] == '\0' && !take_word(s, w.name))
            return refuse(s, "a member has no name");
        if (!resolve(s, &w, stars, &member) || !read_length(s, &length))
            return 0;
        if (member.type == PPL_TYPE_VOID)
            return refuse(s, "a member is void");
        if (out->members + length > PPL__MAX_MEMBERS)
            return refuse(s, "it has more than 32 members; pass a pointer to it");
        while (length-- > 0)
            out->member[out->members++] = member;
        if (!take(s, ','))
            break;
    }
    return take(s, ';') ? 1 : refuse(s, "members end with \";\", and bit-fields cannot "
                                        "be passed");
}

int ppl__parse_members(ppl_ctx *c, const char *text, const ppl__struct *structs,
                       ppl__struct *out)
{
    char what[96];
    scan s = { c, what, text, text, structs };

    snprintf(what, sizeof what, "struct %s", out->name);
    do {
        words w = { 0 };

        if (!read_words(&s, &w))
            return 0;
        if (!read_members(&s, w, out))
            return 0;
    } while (peek(&s) != '\0');
    return 1;
}
