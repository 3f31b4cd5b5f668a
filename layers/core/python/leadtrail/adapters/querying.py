"""One query of one partition as DynamoDB wants it written."""

from __future__ import annotations

from typing import Any


def query_request(
    table: str,
    partition: str,
    *,
    index: str = "",
    prefix: str = "",
    upto: str = "",
    above: str = "",
    below: str = "",
    between: tuple[str, str] | None = None,
    newest_first: bool = False,
    limit: int | None = None,
) -> dict[str, Any]:
    """Return the request for one partition, on the table (consistently) or on an index; bounds are of the sort key."""
    pk, sk = (f"{index}PK", f"{index}SK") if index else ("PK", "SK")
    names, values = {"#pk": pk}, {":pk": {"S": partition}}
    condition = "#pk = :pk"
    bounds = (("begins_with(#sk, :a)", prefix), ("#sk <= :a", upto), ("#sk > :a", above), ("#sk < :a", below))
    for expression, bound in bounds:
        if bound:
            condition += f" AND {expression}"
            names["#sk"] = sk
            values[":a"] = {"S": bound}
    if between:
        condition += " AND #sk BETWEEN :a AND :b"
        names["#sk"] = sk
        values |= {":a": {"S": between[0]}, ":b": {"S": between[1]}}
    request: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": not newest_first,
    }
    if index:
        request["IndexName"] = index
    else:
        request["ConsistentRead"] = True
    if limit:
        request["Limit"] = limit
    return request
