"""Put an image on a real board and prove that it runs there: port choice, bootloader, upload, HELLO."""

from ecgdeploy.flash.checks import Check, host_checks
from ecgdeploy.flash.ports import Port, choose_port, list_ports
from ecgdeploy.flash.sequence import Flashed, Image, flash, load_image, project_board
from ecgdeploy.flash.system import RealSystem, System

__all__ = [
    "Check",
    "Flashed",
    "Image",
    "Port",
    "RealSystem",
    "System",
    "choose_port",
    "flash",
    "host_checks",
    "list_ports",
    "load_image",
    "project_board",
]
