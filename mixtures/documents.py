"""Documents: trees of plain values as JSON text and back, within limits that are checked first; files that are written whole.

A document is one JSON object of five members, in this order:

    {"format": "mixtures.model", "schema": 1, "library": "0.1.0", "sha256": "(64 hexadecimal digits)", "model": (tree)}

The digest is that of the text of all other members without white space, so that a document may be laid out anew but not changed.
It tells damage, not forgery: whoever writes a file can sign it. What a file may cost is therefore bounded before any of it is
parsed: bytes, depth, number of objects, arrays and strings are counted on the text itself, which is ASCII.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import stat
from typing import Any, NoReturn

import numpy as np

from mixtures.exceptions import ModelFormatError

FORMAT = "mixtures.model"
SCHEMA = 1
"""Version of what documents hold; a reader knows those up to its own."""
MOST_BYTES = 2**25
"""Of a document."""
MOST_NODES = 2**20
"""Objects and arrays of a document."""
MOST_STRINGS = 2**21
"""Strings of a document, keys included."""
DEEPEST = 32
"""Objects and arrays within each other."""
LONGEST_NUMBER = 1000
"""Characters of a number: float64 need 24, integers may be longer."""

_HEAD = re.compile(
    rb'\{"format":"mixtures\.model","schema":([1-9][0-9]{0,8}),"library":"([0-9A-Za-z.+-]{1,64})",'
    rb'"sha256":"([0-9a-f]{64})","model":'
)
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_IS_SPACE = np.zeros(256, dtype=bool)
_IS_SPACE[list(b" \t\r\n")] = True


def write_document(tree: Any, library: str) -> bytes:
    """A tree of dicts with names for keys, lists, strings, integers, finite floats, booleans and None as a document.

    Raises
    ------
    ModelFormatError : it exceeds a limit.
    """
    body = json.dumps(tree, allow_nan=False, separators=(",", ":")).encode("ascii")
    digest = _digest(str(SCHEMA).encode(), library.encode(), body)
    head = f'{{"format": "{FORMAT}",\n"schema": {SCHEMA},\n"library": "{library}",\n"sha256": "{digest}",\n"model": '
    document = head.encode("ascii") + body + b"}\n"
    _check_limits(document)
    return document


def read_document(data: bytes) -> Any:
    """The tree of a document.

    Raises
    ------
    ModelFormatError : the bytes are no document, are damaged, exceed a limit, or come from a later version.
    """
    bare = _check_limits(data)
    head = _HEAD.match(bare)
    if head is None or not bare.endswith(b"}"):
        raise ModelFormatError(
            f'expected a JSON document that begins with {{"format": "{FORMAT}", "schema": ..., "library": ..., "sha256": ..., '
            f'"model": ...}}, found {bytes(data[:60])!r}'
        )
    schema, library, digest = head.groups()
    if int(schema) > SCHEMA:
        raise ModelFormatError(
            f"the file has schema {int(schema)}, of mixtures {library.decode()}; this version reads schemas up to {SCHEMA}: update"
        )
    body = bare[head.end() : -1]
    if _digest(schema, library, body) != digest.decode():
        raise ModelFormatError("the file is damaged: its content is not that which its sha256 was taken of")
    try:
        return _DECODER.decode(body.decode("ascii"))
    except ModelFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"the file is no JSON document: {error}") from error


def _digest(schema: bytes, library: bytes, body: bytes) -> str:
    digest = hashlib.sha256(schema + b" " + library + b" ")
    digest.update(body)
    return digest.hexdigest()


def _check_limits(data: bytes) -> bytes:
    """The document without white space, if it is ASCII and within the limits."""
    if len(data) > MOST_BYTES:
        raise ModelFormatError(f"expected a document of at most {MOST_BYTES} bytes, found {len(data)} or more")
    if not data.isascii():
        raise ModelFormatError("expected a JSON document in ASCII, found other bytes")
    letters = np.frombuffer(data, dtype=np.uint8)
    is_quoted = _quoted(data)
    steps = _STEPS[letters]
    steps[is_quoted] = 0
    steps = steps[steps != 0]
    n_nodes, n_strings = int(np.count_nonzero(steps == 1)), int(np.count_nonzero(is_quoted[1:] > is_quoted[:-1]))
    if n_nodes > MOST_NODES or n_strings > MOST_STRINGS:
        raise ModelFormatError(
            f"expected at most {MOST_NODES} objects and arrays and {MOST_STRINGS} strings, found {n_nodes} and {n_strings}"
        )
    depth = int(np.cumsum(steps, dtype=np.int32).max(initial=0))
    if depth > DEEPEST:
        raise ModelFormatError(f"expected at most {DEEPEST} objects and arrays within each other, found {depth}")
    return letters[is_quoted | ~_IS_SPACE[letters]].tobytes()


def _quoted(data: bytes) -> Any:
    """Which bytes belong to strings, an array (n,) of booleans: their first quote does, their last one does not.

    A backslash outside a string would mislead it, but only beyond the place where no parser goes on.
    """
    # Pairs of backslashes go first, from the left: what is left before a quote escapes it. Lengths stay.
    bare = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    is_quote = np.frombuffer(bare, dtype=np.uint8) == ord('"')
    return np.logical_xor.accumulate(is_quote) if len(is_quote) else is_quote


def _float(text: str) -> float:
    value = float(text) if len(text) <= LONGEST_NUMBER else math.nan
    if not math.isfinite(value):
        raise ModelFormatError(f"expected a number that is a float64, found {text[:40]}")
    return value


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ModelFormatError(f"expected numbers of at most {LONGEST_NUMBER} characters, found one of {len(text)}")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise ModelFormatError(f"expected a number, found {text}, which JSON does not know")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ModelFormatError("expected an object's members to differ in name, found two of one name")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_float=_float, parse_int=_whole, parse_constant=_constant)


def read_file(path: Any) -> bytes:
    """The content of a file, no more of it than a document may have and one byte."""
    with open(path, "rb") as file:
        return file.read(MOST_BYTES + 1)


def write_file(path: Any, data: bytes) -> None:
    """Write a file whole or not at all: under another name in the same folder, then renamed.

    A link is followed, and a file that is replaced keeps its permissions. On failure nothing changes, and nothing is left behind.
    """
    target = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(target)
    fresh = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.part")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(fresh, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(fresh, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Ask that the new name reach the disk too, where a folder can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
