"""The one router, and what any operation may answer besides what it is for."""

from __future__ import annotations

from typing import Any

from ninja import Router

from threads.api import shapes

router = Router()

_ANY = frozenset({400, 401, 403, 404, 405, 429, 503})
REFUSALS: dict[frozenset[int], Any] = {_ANY: shapes.ErrorAnswer}
FILE_REFUSALS: dict[frozenset[int], Any] = {_ANY | {410}: shapes.ErrorAnswer}
# Of operations that take a body, or whose moment may be wrong.
CHANGE_REFUSALS: dict[frozenset[int], Any] = {_ANY | {409, 413, 415}: shapes.ErrorAnswer}


def leads_to(status: int, value: str, **operations: str) -> dict[str, Any]:
    """Describe that a value of an answer is a parameter of other operations.

    :param value: a JSON pointer into the answer: "/id".
    :param operations: the name of the parameter by the id of the operation.
    """
    links = {
        operation: {
            "operationId": operation,
            "parameters": {parameter: f"$response.body#{value}"},
        }
        for operation, parameter in operations.items()
    }
    return {"responses": {status: {"links": links}}}
