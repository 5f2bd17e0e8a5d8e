"""Framing: nothing is lost, nothing damaged gets through, and the two parsers agree on every byte."""

import ctypes
import functools
import subprocess
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgdeploy.devices.fuzz import seeds
from ecgdeploy.link.codec import HEADER_BYTES, Parser, cobs_decode, cobs_encode, decode, encode
from ecgdeploy.link.protocol import HEADER
from ecgdeploy.resources import assets

payloads = st.one_of(
    st.binary(max_size=600),
    st.builds(lambda size, byte: bytes([byte]) * size, st.integers(250, 520), st.sampled_from([0, 1, 255])),
)


@given(payloads)
def test_cobs_has_no_zero_and_comes_back(data):
    stuffed = cobs_encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(stuffed) == data


def test_crc_is_the_one_of_zlib_known_by_its_check_value():
    # the check value of CRC-32/ISO-HDLC
    assert zlib.crc32(b"123456789") == 0xCBF43926


@given(payloads, st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.data())
def test_a_frame_comes_back_from_any_pieces(payload, type_, sequence, session, data):
    wire = encode(type_, 9, sequence, session, payload)
    cut = data.draw(st.integers(0, len(wire)))
    parser = Parser()
    frames = [*parser.feed(wire[:cut]), *parser.feed(wire[cut:])]
    assert [(f.type, f.generation, f.sequence, f.session, f.payload) for f in frames] == [
        (type_, 9, sequence, session, payload)
    ]


@given(payloads, st.data())
def test_a_flipped_bit_never_passes(payload, data):
    wire = encode(2, 0, 1, 7, payload)[:-1]
    at = data.draw(st.integers(0, len(wire) * 8 - 1))
    damaged = wire[: at // 8] + bytes([wire[at // 8] ^ 1 << at % 8]) + wire[at // 8 + 1 :]
    assert decode(damaged) is None


@given(st.binary(max_size=80), payloads)
def test_the_parser_is_in_step_again_after_the_next_zero(noise, payload):
    parser = Parser()
    frames = list(parser.feed(noise + b"\0" + encode(2, 0, 1, 7, payload)))
    assert frames[-1].payload == payload


# ---- the C parser


@functools.cache
def c_parser():
    folder = assets() / "firmware"
    import tempfile
    from pathlib import Path

    library = Path(tempfile.mkdtemp()) / "parse.so"
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-O1", "-shared", "-fPIC"]
    command += [f"-I{folder}/link", f"{folder}/fuzz/parse.c", f"{folder}/link/ecgd_link.c", "-o", str(library)]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.ecgd_parse_all.restype = ctypes.c_size_t
    return loaded


def parse_in_c(data, capacity):
    room, bad = 1 << 16, ctypes.c_uint32()
    out = ctypes.create_string_buffer(room)
    used = c_parser().ecgd_parse_all(
        data, ctypes.c_size_t(len(data)), ctypes.c_size_t(capacity), out, ctypes.c_size_t(room), ctypes.byref(bad)
    )
    frames, at, raw = [], 0, out.raw[:used]
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "little")
        frames.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return frames, bad.value


def parse_in_python(data, capacity):
    parser = Parser(capacity)
    frames = list(parser.feed(data))
    return [HEADER.struct.pack(f.type, f.generation, f.sequence, f.session) + f.payload for f in frames], parser.bad


@pytest.mark.parametrize("capacity", [24, 300, 4096])
def test_both_parsers_agree_on_the_seed_corpus(capacity):
    found = 0
    for data in seeds():
        mine, other = parse_in_python(data, capacity), parse_in_c(data, capacity)
        assert mine == other, data.hex()
        found += len(mine[0])
    assert found > 10


# long runs without a zero, lengths around a COBS run and around the capacity, and frames among them
streams = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda n, b: bytes([b]) * n, st.integers(1, 400), st.integers(0, 255)),
        st.builds(lambda p: encode(2, 0, 1, 7, p), st.binary(max_size=320)),
        st.just(b"\0"),
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=1000)
@given(streams, st.sampled_from([12, 24, 300]))
def test_both_parsers_agree_on_any_bytes(data, capacity):
    assert parse_in_python(data, capacity) == parse_in_c(data, capacity)


@given(streams, st.sampled_from([24, 300]), st.data())
def test_the_python_parser_gives_the_same_from_any_pieces(data, capacity, draw):
    cut = draw.draw(st.integers(0, len(data)))
    parser = Parser(capacity)
    frames = [*parser.feed(data[:cut]), *parser.feed(data[cut:])]
    whole = Parser(capacity)
    assert frames == list(whole.feed(data))
    assert parser.bad == whole.bad


def test_the_smallest_frame_has_no_payload():
    frame = decode(encode(4, 0, 1, 2)[:-1])
    assert frame is not None and frame.payload == b"" and HEADER_BYTES == 8
