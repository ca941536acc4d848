"""Sums of rows that lie anywhere in an array, each times a factor: the innermost loop of `sparse`, for Numba.

It is written in LLVM's terms. A loop over arrays is many times slower wherever LLVM doesn't vectorise it, which reading
it doesn't tell, and what it adds to goes through memory for each few rows.
"""

import numba
from llvmlite import ir
from numba.core import cgutils, types

_IN_REGISTERS = 96  # floats: 12 of the 16 registers of AVX2, 6 of the 32 of AVX-512
_WIDTHS = 32, 16, 8, 4, 2, 1  # of vectors, in floats: LLVM makes one of 32 of as many registers as it takes


def adder(row):
    """Return what adds `count` rows of one array, each times a factor, to a row of another.

    added_to[to : to + row] += the sum of factors[i] * rows[start + starts[i] :][:row] for i < count, both arrays flat.
    """

    @numba.extending.intrinsic
    def add(context, added_to, to, rows, start, starts, factors, count):
        index = types.intp
        signature = types.void(added_to, index, rows, index, starts, factors, index)

        def write(target, builder, signature, arguments):
            def data(place):
                return target.make_array(signature.args[place])(target, builder, arguments[place]).data

            sums_at = builder.gep(data(0), [arguments[1]])
            rows_at = builder.gep(data(2), [arguments[3]])
            factored = data(4), data(5), arguments[6]
            for first in range(0, row, _IN_REGISTERS):
                floats = range(first, min(first + _IN_REGISTERS, row))
                _write_sums(builder, sums_at, rows_at, factored, floats)
            return target.get_dummy_value()

        return signature, write

    return add


def _write_sums(builder, sums_at, rows_at, factored, floats):
    """Write the loop over the rows for some of their `floats`, as many as there are registers for."""
    starts, factors, count = factored
    vectors = list(_vectors(floats))
    sums = [cgutils.alloca_once(builder, kind) for _, kind in vectors]
    for own, (at, kind) in zip(sums, vectors):
        builder.store(_load(builder, sums_at, at, kind), own)
    with cgutils.for_range(builder, count) as loop:
        row_at = builder.gep(rows_at, [builder.load(builder.gep(starts, [loop.index]))])
        factor = builder.load(builder.gep(factors, [loop.index]))
        for own, (at, kind) in zip(sums, vectors):
            product = builder.fmul(_spread(builder, factor, kind), _load(builder, row_at, at, kind), flags=["contract"])
            builder.store(builder.fadd(builder.load(own), product, flags=["contract"]), own)
    for own, (at, kind) in zip(sums, vectors):
        builder.store(builder.load(own), _pointer(builder, sums_at, at, kind), align=4)


def _vectors(floats):
    """The place and the kind of vectors that together have the `floats`, a range."""
    at = floats.start
    for width in _WIDTHS:
        while at + width <= floats.stop:
            yield at, ir.VectorType(ir.FloatType(), width)
            at += width


def _pointer(builder, base, at, kind):
    return builder.bitcast(builder.gep(base, [ir.Constant(ir.IntType(64), at)]), kind.as_pointer())


def _load(builder, base, at, kind):
    return builder.load(_pointer(builder, base, at, kind), align=4)


def _spread(builder, number, kind):
    """A vector of which each element is the number."""
    none, index = ir.Constant(kind, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(none, number, ir.Constant(index, 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(index, kind.count), [0] * kind.count))
