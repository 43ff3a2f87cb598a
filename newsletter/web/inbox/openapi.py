"""The description of the test inbox's API (OpenAPI 3.1), served at /api/v1/openapi.json."""

from typing import Any

from newsletter import __version__

Json = dict[str, Any]

_STRING: Json = {"type": "string"}
_INTEGER: Json = {"type": "integer"}
_NO_SUCH_OR_BODY = {400: "The body can't be understood", 404: "No such message"}
_STRINGS: Json = {"type": "array", "items": _STRING}
_SEARCH = (
    "A search: words, \"quoted phrases\", `from: to: subject: has:attachment before: after: larger: smaller: is:unread "
    "is:read tag:`, each with `-` in front for its opposite. Empty matches all."
)  # fmt: skip


def openapi(server: str) -> Json:
    """The document, for the server at that URL."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "newsletter test inbox",
            "version": __version__,
            "description": "Look at what your program has mailed. Answers only on this machine.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _paths() -> Json:
    one = "/api/v1/messages/{id}"
    return {
        "/api/v1/openapi.json": {"get": _op("openapi", "This description", _any())},
        "/api/v1/info": {"get": _op("info", "The SMTP address, and how many messages there are", _ref("Info"))},
        "/api/v1/messages": {
            "get": _op(
                "list", "Messages, newest first", _ref("Page"),
                [
                    _q(), _number("limit", "how many at most, to 1000", 50, 1, 1000),
                    _number("below", "those with a smaller id: the next page"),
                ],
                {400: "The search or a number can't be understood"},
            ),
            "delete": _op(
                "deleteMatching", "Delete all messages, or all that match", _fields(deleted=_INTEGER), [_q()],
                {400: "The search can't be understood"},
            ),
        },
        "/api/v1/messages/read": {
            "post": _op(
                "readMatching", "Mark all messages, or all that match, as read or unread", _fields(changed=_INTEGER),
                errors={400: "The search or the body can't be understood"},
                body=_fields(required=(), q=_STRING, read={"type": "boolean", "default": True}),
            ),
        },
        "/api/v1/wait": {
            "get": _op(
                "wait", "Wait until messages match, and answer with them", _fields(messages=_list("Summary")),
                [
                    _q(), _number("count", "how many must match", 1, 1, 1000),
                    _number("after", "only those with a larger id"),
                    _parameter("timeout", "seconds", {"type": "number", "default": 10, "minimum": 0, "maximum": 300}),
                ],
                {400: "The search or a number can't be understood", 408: "Not enough messages in that time"},
            ),
        },
        "/api/v1/events": {
            "get": _op(
                "events",
                "Server-sent events: `hello`, then `new`, `changed` and `deleted` with ids, and `reset`: look again",
                _STRING, media="text/event-stream",
            ),
        },
        "/api/v1/faults": {
            "get": _op("faults", "The faults in force", _ref("Faults")),
            "put": _op("setFaults", "Put other faults in force; an empty list ends them", _ref("Faults"),
                       errors={400: "A fault can't be understood; nothing has changed"}, body=_ref("Faults")),
        },
        one: {
            "parameters": [_id()],
            "get": _op("get", "A message: headers, texts, parts", _ref("Message"), errors={404: "No such message"}),
            "delete": _op("delete", "Delete a message", _fields(deleted=_INTEGER), errors={404: "No such message"}),
        },
        f"{one}/read": {
            "parameters": [_id()],
            "put": _op("read", "Mark a message as read or unread", _fields(changed=_INTEGER),
                       errors=_NO_SUCH_OR_BODY, body=_fields(read={"type": "boolean"})),
        },
        f"{one}/tags": {
            "parameters": [_id()],
            "put": _op("tag", "Give a message these tags and no others", _fields(tags=_STRINGS),
                       errors=_NO_SUCH_OR_BODY, body=_fields(tags=_STRINGS)),
        },
        f"{one}/raw": _file("raw", "The message as it arrived", "message/rfc822"),
        f"{one}/text": _file("text", "Its plain text; where there is none, the words of its HTML", "text/plain"),
        f"{one}/html": _file("html", "Its HTML as sent, as plain text", "text/plain"),
        f"{one}/parts/{{number}}": _file(
            "part", "The decoded content of a part", "*/*",
            [_parameter("number", 'such as "1.2", or "0" for the message itself', _STRING, where="path")],
        ),
        f"{one}/findings": {
            "parameters": [_id()],
            "get": _op("findings", "What the checks find in it", {"type": "array", "items": _ref("Finding")},
                       errors={400: "It can't be checked", 404: "No such message"}),
        },
        f"{one}/links": {
            "parameters": [_id()],
            "post": _op("links", "Ask each of its links and pictures, on their own servers", _list("Finding"),
                        errors={400: "It can't be checked", 404: "No such message"}),
        },
        f"{one}/spam": {
            "parameters": [_id()],
            "post": _op("spam", "Ask rspamd or SpamAssassin, at `[checks] spamd`", _list("Finding"),
                        errors={400: "It can't be checked", 404: "No such message"}),
        },
        "/api/v1/tags/{tag}": {
            "parameters": [_parameter("tag", "a tag; its letters' case does not matter", _STRING, where="path")],
            "put": _op("renameTag", "Call a tag something else, on all messages", _fields(changed=_INTEGER),
                       errors={400: "No name", 404: "No message has that tag"}, body=_fields(name=_STRING)),
            "delete": _op("removeTag", "Take a tag off all messages", _fields(changed=_INTEGER),
                          errors={404: "No message has that tag"}),
        },
        "/message/{id}/release": {
            "parameters": [_id()],
            "post": _op(
                "release",
                "Send it, as it is, through the newsletter's relay. Asked twice: without `confirm`, the answer is the "
                "question and its `confirm`. Needs the secret, with an open API too",
                {"oneOf": [_ref("Question"), _ref("Released")]},
                errors={400: "No address", 404: "No such message", 409: "No relay"},
                body=_fields(required=("to",), to=_STRINGS, confirm=_STRING),
            ),
        },
    }  # fmt: skip


def _schemas() -> Json:
    part = _fields(
        number=_STRING, content_type=_STRING, charset=_STRING, encoding=_STRING, disposition=_STRING, filename=_STRING,
        content_id=_STRING, size={"type": "integer", "description": "bytes, encoded"},
    )  # fmt: skip
    summary: Json = {
        "id": {"type": "integer", "description": "never used again"},
        "received": {"type": "string", "format": "date-time"},
        "date": {"type": ["string", "null"], "description": "its Date field, in ISO 8601"},
        "from": {"type": "string", "description": "its From field"},
        "to": {"type": "array", "items": _STRING, "description": "its To and Cc fields"},
        "mail_from": {"type": "string", "description": "the envelope's sender"},
        "rcpt_tos": {"type": "array", "items": _STRING, "description": "the envelope's recipients"},
        "subject": _STRING, "message_id": _STRING, "size": _INTEGER, "unread": {"type": "boolean"},
        "attachments": {"type": "integer", "description": "how many"}, "tags": _STRINGS, "snippet": _STRING,
    }  # fmt: skip
    nullable = {"type": ["string", "null"]}
    message: Json = {
        **summary, "attachments": _list("Part"), "parts": _list("Part"), "text": nullable, "html": nullable,
        "headers": {"type": "array", "items": {"type": "array", "items": _STRING, "minItems": 2, "maxItems": 2}},
        "defects": {"type": "array", "items": _STRING, "description": "what had to be forgiven, or was left out"},
    }  # fmt: skip
    return {
        "Part": part,
        "Summary": _object(summary),
        "Message": _object(message),
        "Page": _fields(
            messages=_list("Summary"), total=_INTEGER,
            exact={"type": "boolean", "description": "false: there are more than `total`"},
            below={"type": ["integer", "null"], "description": "give it as `below` for the next page; null at the end"},
        ),
        "Info": _fields(
            smtp=nullable, maildir=_STRING, kept=_INTEGER, unread=_INTEGER, received=_INTEGER, dropped=_INTEGER,
            session=_fields(accepted=_INTEGER, refused=_INTEGER, largest=_INTEGER),
            tags={"type": "object", "additionalProperties": _INTEGER},
        ),
        "Faults": _fields(faults={**_STRINGS, "examples": [["rcpt=451:10%", "dot=2s"]]}),
        "Finding": _fields(
            rule=_STRING, severity={"enum": ["error", "warning", "info"]}, message=_STRING,
            line={"type": ["integer", "null"]}, hint=_STRING, source=_STRING,
        ),
        "Question": _fields(question=_STRING, to=_STRINGS, relay=_STRING, confirm=_STRING),
        "Released": _fields(
            released={"type": "array", "items": _fields(email=_STRING, sent={"type": "boolean"}, reply=_STRING)}
        ),
        "Error": _fields(error=_STRING),
    }  # fmt: skip


def _op(
    name: str, summary: str, answer: Json, parameters: list[Json] | None = None, errors: dict[int, str] | None = None,
    body: Json | None = None, media: str = "application/json",
) -> Json:  # fmt: skip
    responses: Json = {"200": {"description": summary, "content": {media: {"schema": answer}}}}
    for code, text in (errors or {}).items():
        responses[str(code)] = {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
    operation: Json = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {
            "required": bool(body["required"]) if "required" in body else True,
            "content": {"application/json": {"schema": body}},
        }
    return operation


def _file(name: str, summary: str, media: str, parameters: list[Json] | None = None) -> Json:
    return {
        "parameters": [_id(), *(parameters or [])],
        "get": _op(name, summary, _STRING, errors={404: "No such message or part"}, media=media),
    }


def _parameter(name: str, text: str, schema: Json, where: str = "query") -> Json:
    return {"name": name, "in": where, "description": text, "required": where == "path", "schema": schema}


def _q() -> Json:
    return _parameter("q", _SEARCH, _STRING)


def _id() -> Json:
    return _parameter("id", "a message's id, or `latest` (of those that `q` matches)", _STRING, where="path")


def _number(name: str, text: str, default: int | None = None, least: int = 0, most: int = 2**62) -> Json:
    bounds = {**_INTEGER, "minimum": least, "maximum": most}
    return _parameter(name, text, bounds if default is None else {**bounds, "default": default})


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> Json:
    return {"type": "array", "items": _ref(name)}


def _any() -> Json:
    return {"type": "object"}


def _fields(required: tuple[str, ...] | None = None, **properties: Json) -> Json:
    return _object(properties, required)


def _object(properties: Json, required: tuple[str, ...] | None = None) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties if required is None else required)}
