/* SPDX-License-Identifier: MIT */
/*
 * strides.h - sums over many integers of what is smooth between them, by some of them.
 */
#ifndef KILN_STRIDES_H
#define KILN_STRIDES_H

enum { PPL__STRIDES = 8 };

/* Of the sum over k = 0 .. 8h - 1 of the polynomial through its values at 0, h, .., 8h, the
 * weight of that at i h. */
double ppl__stride_weight(int i, double h);

/* The sum of f(more, k) over the integers from <= k < end, to about 1e-14 of that of |f|;
 * end may be infinite. f may change fast next to both ends. */
double ppl__stride_sum(double (*f)(const void *more, double k), const void *more, double from,
                       double end);

#endif
