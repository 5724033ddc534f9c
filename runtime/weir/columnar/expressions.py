"""Expressions over columns, as a user writes them: ``col("price") * 0.908``. Data, evaluated by Arrow's kernels a batch at a time.

An expression is a frozen value, so it is part of the plan's digest and can be compared; it names the columns that it
reads, so that a source or an exchange can leave the others out. Python's operators build expressions: ``==`` gives one
too, ``&``, ``|`` and ``~`` stand for and, or and not. Semantics are those of ``pyarrow.compute``: a null in gives a null
out, whole numbers are divided as SQL does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from weir.errors import GraphError, UserCodeError

if TYPE_CHECKING:
    import pyarrow as pa

#: What stands for itself in an expression.
Scalar: TypeAlias = "int | float | str | bytes | bool | None"


class Expression:
    """Something that has a value for each row. Begin with ``col`` or ``lit``."""

    def columns(self) -> frozenset[str]:
        """The columns that it reads."""
        raise NotImplementedError

    def evaluate(self, batch: pa.RecordBatch) -> Any:
        """An Arrow array, or a scalar where it reads no column. Raises ``UserCodeError``."""
        raise NotImplementedError

    def _with(self, function: str, other: Any, *, swapped: bool = False) -> Expression:
        pair = (as_expression(other), self) if swapped else (self, as_expression(other))
        return Call(function, pair)

    def __add__(self, other: Expression | Scalar) -> Expression:
        return self._with("add", other)

    def __radd__(self, other: Scalar) -> Expression:
        return self._with("add", other, swapped=True)

    def __sub__(self, other: Expression | Scalar) -> Expression:
        return self._with("subtract", other)

    def __rsub__(self, other: Scalar) -> Expression:
        return self._with("subtract", other, swapped=True)

    def __mul__(self, other: Expression | Scalar) -> Expression:
        return self._with("multiply", other)

    def __rmul__(self, other: Scalar) -> Expression:
        return self._with("multiply", other, swapped=True)

    def __truediv__(self, other: Expression | Scalar) -> Expression:
        return self._with("divide", other)

    def __rtruediv__(self, other: Scalar) -> Expression:
        return self._with("divide", other, swapped=True)

    def __mod__(self, other: Expression | Scalar) -> Expression:
        return self._with("modulo", other)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("equal", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("not_equal", other)

    def __lt__(self, other: Expression | Scalar) -> Expression:
        return self._with("less", other)

    def __le__(self, other: Expression | Scalar) -> Expression:
        return self._with("less_equal", other)

    def __gt__(self, other: Expression | Scalar) -> Expression:
        return self._with("greater", other)

    def __ge__(self, other: Expression | Scalar) -> Expression:
        return self._with("greater_equal", other)

    def __and__(self, other: Expression | bool) -> Expression:
        return self._with("and_kleene", other)

    def __or__(self, other: Expression | bool) -> Expression:
        return self._with("or_kleene", other)

    def __invert__(self) -> Expression:
        return Call("invert", (self,))

    def __neg__(self) -> Expression:
        return Call("negate", (self,))

    def is_null(self) -> Expression:
        """Whether there is no value."""
        return Call("is_null", (self,))

    def is_in(self, values: list[Scalar]) -> Expression:
        """Whether the value is one of these."""
        return IsIn(self, tuple(values))

    def __bool__(self) -> NoReturn:
        raise GraphError(
            "an expression over columns has a value for each row, so it is neither true nor false here; combine "
            "expressions by & | ~ instead of and, or, not"
        )

    __hash__ = None  # type: ignore[assignment]


# eq=False: == builds an expression. What tells two expressions apart is their repr.
@dataclass(frozen=True, eq=False)
class Column(Expression):
    """A column by its name."""

    name: str

    def columns(self) -> frozenset[str]:
        return frozenset({self.name})

    def evaluate(self, batch: pa.RecordBatch) -> Any:
        index = batch.schema.get_field_index(self.name)
        if index < 0:
            raise UserCodeError(
                f"there is no column {self.name!r}; there are {', '.join(batch.schema.names)}"
            )
        return batch.column(index)


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """The same value for every row."""

    value: Scalar

    def columns(self) -> frozenset[str]:
        return frozenset()

    def evaluate(self, batch: pa.RecordBatch) -> Any:
        import pyarrow as pa

        return pa.scalar(self.value)


@dataclass(frozen=True, eq=False)
class Call(Expression):
    """One of Arrow's functions, or ``modulo``, which Arrow lacks."""

    function: str
    arguments: tuple[Expression, ...]

    def columns(self) -> frozenset[str]:
        return frozenset[str]().union(*(argument.columns() for argument in self.arguments))

    def evaluate(self, batch: pa.RecordBatch) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        arguments = [argument.evaluate(batch) for argument in self.arguments]
        try:
            if self.function == "modulo":
                return _modulo(*arguments)
            return pc.call_function(self.function, arguments)
        except pa.ArrowException as error:
            types = ", ".join(str(argument.type) for argument in arguments)
            raise UserCodeError(f"{self.function}({types}) in {self!r}: {error}") from error


@dataclass(frozen=True, eq=False)
class IsIn(Expression):
    """Whether a value is one of a few."""

    value: Expression
    among: tuple[Scalar, ...]

    def columns(self) -> frozenset[str]:
        return self.value.columns()

    def evaluate(self, batch: pa.RecordBatch) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self.value.evaluate(batch)
        return pc.is_in(found, value_set=pa.array(self.among, type=found.type))


def col(name: str) -> Expression:
    """The column of that name."""
    if not isinstance(name, str) or not name:
        raise GraphError(f"col() takes the name of a column, got {name!r}")
    return Column(name)


def lit(value: Scalar) -> Expression:
    """A value that is the same for every row."""
    return Literal(value)


def as_expression(value: Any) -> Expression:
    """``value`` itself, or a literal. Raises ``GraphError`` for what cannot be in a column."""
    if isinstance(value, Expression):
        return value
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return Literal(value)
    raise GraphError(
        f"an expression takes numbers, texts, bytes, booleans and other expressions, got {value!r}"
    )


def _modulo(left: Any, right: Any) -> Any:
    """The remainder with the sign of the dividend, as in SQL and Java."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if left.type == right.type == pa.int64() and isinstance(right, pa.Scalar) and isinstance(left, pa.Array):
        divisor = right.as_py()
        if divisor is not None and divisor > 0 and not left.null_count:
            return pa.array(_remainders(left.to_numpy(), divisor))
    quotient = pc.divide(left, right)  # of whole numbers: towards zero
    if not (_is_whole(left) and _is_whole(right)):
        quotient = pc.trunc(quotient)
    return pc.subtract(left, pc.multiply(quotient, right))


def _remainders(values: Any, divisor: int) -> Any:
    """A division by one number is made of multiplications by numpy, several times as fast; towards minus infinity."""
    import numpy as np

    quotients = values // divisor
    quotients *= divisor
    found = np.subtract(values, quotients, out=quotients)
    if len(values) and values.min() < 0:
        found[(values < 0) & (found != 0)] -= divisor
    return found


def _is_whole(value: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(value.type))
