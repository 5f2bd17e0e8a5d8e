"""The C header and the protocol page say what the Python declaration says."""

from ecgdeploy.link import protocol, render
from ecgdeploy.resources import assets


def test_committed_header_is_what_the_declaration_renders():
    path = assets() / render.HEADER_PATH
    assert path.read_text() == render.header(), f"run `{render.COMMAND}`"


def test_committed_protocol_page_is_what_the_declaration_renders():
    path = assets() / render.PAGE_PATH
    assert path.read_text() == render.page(), f"run `{render.COMMAND}`"


def test_message_ids_are_distinct_and_say_their_direction():
    ids = [message.id for message in protocol.MESSAGES]
    assert len(set(ids)) == len(ids)
    assert all((message.id < 0x80) == message.to_device for message in protocol.MESSAGES)


def test_every_error_code_tells_what_to_do():
    assert all(code.hint for code in protocol.ERRORS)


def test_layout_survives_packing():
    values = {"id": 7, "status": 0, "outputs_inline": 1, "flags": 5, "input_crc": 1, "output_crc": 2,
              "ticks": 1 << 40, "stack_used": 9, "output_bytes": 3}  # fmt: skip
    assert protocol.RESULT.unpack(protocol.RESULT.pack(**values) + b"abc") == {**values, "tail": b"abc"}
