# SPDX-License-Identifier: MIT
"""kiln from Python by ctypes: what coin.py needs, and the way to the rest.

A Python callable becomes code by ctypes, and a model of its natural C signature by
ppl_fn_make. An exception within it is kept, fails the run by ppl_fail, and is raised again
where the run returns: no exception crosses the library.

The library is the one named by KILN_LIBRARY, or the one that is installed.
"""
import ctypes
import ctypes.util
import os
from ctypes import POINTER, Structure, Union, byref, c_char_p, c_double, c_int, c_int64
from ctypes import c_size_t, c_uint64, c_void_p

_path = os.environ.get("KILN_LIBRARY") or ctypes.util.find_library("kiln")
if _path is None:
    raise OSError("kiln: the library is not installed; name it by KILN_LIBRARY")
lib = ctypes.CDLL(_path)

PPL_OK, PPL_EINVAL = 0, 1


class Shape(Structure):
    _fields_ = [("rank", c_int), ("dim", c_int64 * 8)]


class Init(Structure):
    _fields_ = [("kind", c_int), ("a", c_double), ("b", c_double), ("values", c_void_p)]


class Constraint(Structure):
    _fields_ = [("type", c_void_p), ("lower", c_double), ("upper", c_double),
                ("parts", c_void_p)]


class CtxOpts(Structure):
    _fields_ = [("dtype", c_int), ("seed", c_uint64), ("no_validation", c_int),
                ("allocator", c_void_p), ("allocator_user", c_void_p)]


class OptimOpts(Structure):
    """ppl_optim_opts; what is not set is zero, for the default."""
    _fields_ = [(name, c_double) for name in
                ("lr", "lr_decay", "weight_decay", "clip_value", "clip_norm", "momentum",
                 "beta1", "beta2", "epsilon")]


class Value(Union):
    _fields_ = [("integer", c_int64), ("natural", c_uint64), ("real", c_double),
                ("pointer", c_void_p)]


class Arg(Structure):
    """ppl_arg: an argument and its type."""
    _fields_ = [("type", c_int), ("pointee", c_int), ("name", c_char_p),
                ("size", c_size_t), ("value", Value)]


# ppl_type, in order.
(VOID, BOOL, CHAR, SCHAR, UCHAR, SHORT, USHORT, INT, UINT, LONG, ULONG, LLONG, ULLONG,
 FLOAT, DOUBLE, POINTER_TO, TENSOR, CONTEXT, STRUCT, LIST) = range(20)
LIST_MARK = 0x7c3e9d51b7a4f026

_signatures = {
    "ppl_ctx_new": (c_void_p, POINTER(CtxOpts)),
    "ppl_ctx_free": (None, c_void_p),
    "ppl_error_text": (c_char_p, c_void_p),
    "ppl_ok": (c_int, c_void_p),
    "ppl_fail": (c_int, c_void_p, c_int, c_char_p, c_char_p),
    "ppl_scalar": (c_void_p, c_void_p, c_double),
    "ppl_from_doubles": (c_void_p, c_void_p, Shape, POINTER(c_double)),
    "ppl_beta": (c_void_p, c_void_p, c_void_p),
    "ppl_bernoulli": (c_void_p, c_void_p),
    "ppl_sample": (c_void_p, c_void_p, c_char_p, c_void_p),
    "ppl_observe": (c_void_p, c_void_p, c_char_p, c_void_p, c_void_p),
    "ppl_init_constant": (Init, c_double),
    "ppl_param": (c_void_p, c_void_p, c_char_p, Shape, Init, Constraint),
    "ppl_param_read": (c_int, c_void_p, c_char_p, POINTER(c_double), c_int64),
    "ppl_fn_make": (c_void_p, c_void_p, c_void_p, c_char_p),
    "ppl_fn_model": (c_void_p, c_void_p),
    "ppl_trace_mean_field_elbo": (c_void_p, c_void_p, c_void_p),
    "ppl_adam": (c_void_p, c_void_p, POINTER(OptimOpts)),
    "ppl_svi_new": (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
    "ppl_svi_step": (c_int, c_void_p, c_void_p, POINTER(c_double)),
    "ppl_svi_free": (None, c_void_p),
}
for _name, (_result, *_params) in _signatures.items():
    _function = getattr(lib, _name)
    _function.restype, _function.argtypes = _result, _params

positive = Constraint.in_dll(lib, "ppl_constraint_positive")


def shape(*dims):
    """PPL_SHAPE(dims)."""
    return Shape(len(dims), (c_int64 * 8)(*dims))


def args(*values):
    """PPL_ARGS(values): floats are double, ints long long, arrays of c_double pointers."""
    table = (Arg * (len(values) + 1))()
    table[0] = Arg(LIST, VOID, None, len(values), Value(natural=LIST_MARK))
    for i, x in enumerate(values, 1):
        if isinstance(x, float):
            table[i] = Arg(DOUBLE, VOID, None, 0, Value(real=x))
        elif isinstance(x, int):
            table[i] = Arg(LLONG, VOID, None, 0, Value(integer=x))
        elif isinstance(x, ctypes.Array) and x._type_ is c_double:
            address = ctypes.cast(x, c_void_p)
            table[i] = Arg(POINTER_TO, DOUBLE, None, 0, Value(pointer=address.value))
        else:
            raise TypeError(f"argument {i} of type {type(x).__name__} has no C type here")
    return table


class Context:
    """A ppl_ctx. Functions made in it, and what they need, live as long."""

    def __init__(self, seed=0):
        self.c = lib.ppl_ctx_new(byref(CtxOpts(seed=seed)))
        if not self.c:
            raise MemoryError("ppl_ctx_new")
        self.kept = []
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lib.ppl_ctx_free(self.c)

    def check(self, status):
        """Raises what a boundary call has returned."""
        exception, self.exception = self.exception, None
        if exception is not None:
            raise exception
        if status != PPL_OK:
            raise RuntimeError(lib.ppl_error_text(self.c).decode())

    def model(self, prototype, *types):
        """Makes the decorated callable, void (ppl_ctx *, types...), a ppl_model."""
        def decorate(function):
            def body(c, *values):
                try:
                    function(c, *values)
                except Exception as e:
                    self.exception = e
                    lib.ppl_fail(c, PPL_EINVAL, b"%s", f"Python: {e!r}".encode())
            code = ctypes.CFUNCTYPE(None, c_void_p, *types)(body)
            self.kept.append(code)
            made = lib.ppl_fn_make(self.c, ctypes.cast(code, c_void_p), prototype.encode())
            made = lib.ppl_fn_model(made)
            if not made:
                raise RuntimeError(lib.ppl_error_text(self.c).decode())
            return made
        return decorate

    def read(self, name):
        """The value of a scalar parameter."""
        x = c_double()
        self.check(lib.ppl_param_read(self.c, name.encode(), byref(x), 1))
        return x.value


class Svi:
    """Mean-field ELBO and Adam, with the options of ppl_optim_opts."""

    def __init__(self, context, model, guide, **options):
        c = context.c
        self.context = context
        self.svi = lib.ppl_svi_new(c, model, guide, lib.ppl_trace_mean_field_elbo(c, None),
                                   lib.ppl_adam(c, byref(OptimOpts(**options))))
        if not self.svi:
            raise RuntimeError(lib.ppl_error_text(c).decode())

    def step(self, *values):
        loss = c_double()
        self.context.check(lib.ppl_svi_step(self.svi, args(*values), byref(loss)))
        return loss.value

    def free(self):
        lib.ppl_svi_free(self.svi)
