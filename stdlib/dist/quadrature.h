/* SPDX-License-Identifier: MIT */
/*
 * quadrature.h - integrals of smooth functions by Gauss and Legendre's rule of 32 nodes:
 * right to the last digits of a double for functions that fall off by e^-40 or less from
 * one end to the other, as the halves of bell curves do.
 */
#ifndef KILN_QUADRATURE_H
#define KILN_QUADRATURE_H

enum { PPL__NODES = 32 };

/* Of the interval from -1 to 1: node i and its weight. */
static const double ppl__gauss_node[PPL__NODES / 2] = {
    0.0483076656877383162348, 0.144471961582796493485, 0.239287362252137074545,
    0.33186860228212764978,   0.421351276130635345364, 0.506899908932229390024,
    0.587715757240762329041,  0.663044266930215200975, 0.732182118740289680387,
    0.794483795967942406963,  0.849367613732569970134, 0.896321155766052123965,
    0.934906075937739689171,  0.964762255587506430774, 0.9856115115452683354,
    0.997263861849481563545
};
static const double ppl__gauss_weight[PPL__NODES / 2] = {
    0.0965400885147278005668, 0.0956387200792748594191, 0.0938443990808045656392,
    0.0911738786957638847129, 0.0876520930044038111428, 0.0833119242269467552222,
    0.0781938957870703064717, 0.0723457941088485062254, 0.0658222227763618468377,
    0.0586840934785355471453, 0.0509980592623761761962, 0.0428358980222266806569,
    0.0342738629130214331027, 0.0253920653092620594558, 0.0162743947309056706052,
    0.00701861000947009660041
};

/* Node i of those from `low` to `high`, and its weight. */
static inline double ppl__node(int i, double low, double high)
{
    const double t = ppl__gauss_node[i / 2] * (i % 2 ? 1 : -1);
    return (low + high) / 2 + (high - low) / 2 * t;
}

static inline double ppl__weight(int i, double low, double high)
{
    return (high - low) / 2 * ppl__gauss_weight[i / 2];
}

#endif
