"""Teaches schemathesis MessagePack, in which `binary` is bytes and not base64."""

import base64
import binascii

import msgpack
import schemathesis


def packable(value):
    if isinstance(value, dict):
        return {key: raw(item) if key == "binary" else packable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [packable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


def raw(value):
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return packable(value)


@schemathesis.serializer("application/msgpack")
def pack(_context, value):
    return msgpack.packb(packable(value), unicode_errors="surrogatepass")


@schemathesis.deserializer("application/msgpack")
def unpack(_context, response):
    return msgpack.unpackb(response.content)


@schemathesis.hook
def filter_body(_context, body):
    """Names are bounded in bytes, for which JSON Schema has no words: it counts characters."""
    return not any(len(name) <= 128 < len(name.encode(errors="surrogatepass")) for name in names(body))


def names(value):
    if isinstance(value, dict):
        yield from (value[field] for field in ("event", "key") if isinstance(value.get(field), str))
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from names(item)
