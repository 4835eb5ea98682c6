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
