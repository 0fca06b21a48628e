# SPDX-License-Identifier: MIT
"""The coin of examples/coin.c with its model and guide as Python functions, trained by
kiln's SVI: eight heads of ten, prior Beta(10, 10). The exact posterior is Beta(18, 12)."""
import sys
from ctypes import POINTER, c_double, c_int64

from kiln import Context, Svi, lib, positive, shape

TOSSES = [1, 1, 1, 1, 1, 1, 1, 0, 1, 0]


def main():
    with Context(seed=1) as context:
        @context.model("void model(ppl_ctx *c, const double *toss, int64_t n, double prior)",
                       POINTER(c_double), c_int64, c_double)
        def model(c, toss, n, prior):
            prior = lib.ppl_scalar(c, prior)
            fairness = lib.ppl_sample(c, b"fairness", lib.ppl_beta(prior, prior))
            lib.ppl_observe(c, b"toss", lib.ppl_bernoulli(fairness),
                            lib.ppl_from_doubles(c, shape(n), toss))

        @context.model("void guide(ppl_ctx *c, const double *toss, int64_t n, double prior)",
                       POINTER(c_double), c_int64, c_double)
        def guide(c, toss, n, prior):
            start = lib.ppl_init_constant(15)
            heads = lib.ppl_param(c, b"heads", shape(), start, positive)
            tails = lib.ppl_param(c, b"tails", shape(), start, positive)
            lib.ppl_sample(c, b"fairness", lib.ppl_beta(heads, tails))

        @context.model("void broken(ppl_ctx *c, const double *toss, int64_t n, double prior)",
                       POINTER(c_double), c_int64, c_double)
        def broken(c, toss, n, prior):
            raise KeyError("toss")

        toss = (c_double * len(TOSSES))(*TOSSES)
        svi = Svi(context, model, guide, lr=0.05, lr_decay=0.998)
        for _ in range(2000):
            svi.step(toss, len(toss), 10.0)
        heads, tails = context.read("heads"), context.read("tails")
        print(f"posterior mean {heads / (heads + tails):.4f}, exact 0.6000")

        # What goes wrong comes back as an exception, and nothing is lost.
        try:
            svi.step(toss, len(toss), 10)
        except RuntimeError as e:
            print(f"refused: {e}")
        svi.free()
        svi = Svi(context, broken, guide)
        try:
            svi.step(toss, len(toss), 10.0)
        except KeyError as e:
            print(f"raised: KeyError {e}")
        svi.free()
    return 0


if __name__ == "__main__":
    sys.exit(main())
