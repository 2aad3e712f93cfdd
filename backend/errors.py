"""Failures the API states to its caller; `backend.problems` renders them as problem+json."""

from collections.abc import Collection
from typing import Any

from backend.validation import field_sentence


class ApiError(Exception):
    """A request cannot be served, and this is what the caller should know.

    Attributes:
        message: a sentence for people.
        status: HTTP status.
        extra: further members of the problem document, JSON values.
    """

    def __init__(self, message: str, status: int = 400, **extra: Any) -> None:  # Any: JSON values
        super().__init__(message)
        self.message = message
        self.status = status
        self.extra = extra


class NotFound(ApiError):
    """What the request names does not exist."""

    def __init__(self, what: str, name: object) -> None:
        super().__init__(f"There is no {what} {name!r}.", 404)


class Unprocessable(ApiError):
    """A field of the body is well-formed but cannot be used.

    Attributes:
        field: dotted path of the field, for example `splitter.num_subspaces`.
    """

    def __init__(self, field: str, message: str, **extra: Any) -> None:  # Any: JSON values
        super().__init__(
            field_sentence(field, message),
            422,
            errors=[{"field": field, "message": message}],
            **extra,
        )
        self.field = field


class Conflict(ApiError):
    """The state of the thing forbids the action."""

    def __init__(self, message: str, *, state: str, allowed_actions: Collection[str]) -> None:
        super().__init__(message, 409, state=state, allowed_actions=sorted(allowed_actions))


class IllegalTransition(ApiError):
    """The transition tables know no such move.

    Attributes:
        state: the state it is in.
        allowed: the states it may move to.
    """

    def __init__(self, what: str, state: str, to: str, allowed: Collection[str]) -> None:
        named = ", ".join(sorted(allowed)) or "none"
        super().__init__(
            f"{what} is {state} and cannot become {to}; allowed: {named}.",
            409,
            state=state,
            allowed=sorted(allowed),
        )
        self.state = state
        self.allowed = frozenset(allowed)
