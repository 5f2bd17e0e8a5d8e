"""Ports are listed with the boards they show."""

from ecgdeploy.boards import load_board
from ecgdeploy.flash.listing import recognise
from ecgdeploy.flash.ports import Port


def test_boards_are_recognised_by_usb_identity_and_come_first():
    nano = load_board("nano33ble")
    ports = [
        Port("/dev/ttyS0"),
        Port("/dev/ttyACM1", nano.usb.bootloader[0]),
        Port("/dev/ttyACM0", nano.usb.application[0]),
    ]
    listed = recognise(ports, [nano])
    assert [(item.port.device, item.boards, item.bootloader) for item in listed] == [
        ("/dev/ttyACM0", ("nano33ble",), False),
        ("/dev/ttyACM1", ("nano33ble",), True),
        ("/dev/ttyS0", (), False),
    ]


def test_a_port_without_usb_is_no_board():
    assert recognise([Port("/dev/ttyS0")])[0].boards == ()
