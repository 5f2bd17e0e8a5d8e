"""The real firmware behind a line that fails in every way: no wrong answer, none lost, none twice."""

import random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ecgdeploy.devices import chaos, open_device
from ecgdeploy.devices.fake import build_fake, expected
from ecgdeploy.devices.fuzz import TARGETS, fuzz
from ecgdeploy.devices.loopback import SOFTWARE, WATCHDOG, LoopbackTransport
from ecgdeploy.errors import DeviceError
from ecgdeploy.link.client import Client
from ecgdeploy.link.faults import FaultyTransport, Rates

INPUT, OUTPUT = 300, 8


@pytest.mark.parametrize("seed", [2, 3])
def test_mixed_faults_of_one_percent_each(seed):
    tally, faults = chaos.run(6000, Rates.all(0.01), seed)
    assert tally.clean and tally.retries > 0
    assert all(faults[name] > 0 for name in Rates.__dataclass_fields__), faults


def test_sixty_four_byte_holes_in_every_tenth_write():
    tally, faults = chaos.run(6000, Rates(), 4, hole_every=10)
    assert tally.clean and faults["hole"] >= 600


@pytest.mark.parametrize("fault", sorted(Rates.__dataclass_fields__))
def test_a_line_with_one_kind_of_fault_at_ten_percent(fault):
    tally, faults = chaos.run(2000, Rates(**{fault: 0.1}), 5)
    assert tally.clean and faults[fault] > 50


class LinkUnderFaults(RuleBasedStateMachine):
    """Any order of inferences, faults switched on and off, restarts, abandoned streams."""

    @initialize(seed=st.integers(0, 2**32 - 1), keepalives=st.integers(0, 2))
    def connect(self, seed, keepalives):
        library = build_fake("library", FAKE_INPUT_BYTES=INPUT, FRAME_BYTES="128u", FAKE_OUTPUT_BYTES=OUTPUT)
        self.board = LoopbackTransport(library, keepalives)
        self.line = FaultyTransport(self.board, Rates(), seed, restart=self.board.restart)
        self.client = Client(self.line, randbits=random.Random(seed).getrandbits)
        self.client.connect()
        self.source = random.Random(seed)

    @rule(rate=st.sampled_from([0.0, 0.01, 0.05, 0.1]), fault=st.sampled_from(sorted(Rates.__dataclass_fields__)))
    def line_gets_worse_or_better(self, rate, fault):
        self.line.rates = Rates(**{fault: rate})

    @rule()
    def everything_at_once(self):
        self.line.rates = Rates.all(0.02)

    @rule(cause=st.sampled_from([SOFTWARE, WATCHDOG]))
    def board_restarts(self, cause):
        self.board.restart(cause)

    @rule(count=st.integers(1, 12))
    def infer(self, count):
        data = [self.source.randbytes(INPUT) for _ in range(count)]
        answers = list(self.client.infer_many(data))
        assert [answer.outputs for answer in answers] == [(expected(item, OUTPUT),) for item in data]

    @rule(taken=st.integers(0, 3))
    def a_caller_leaves_half_way(self, taken):
        answers = self.client.infer_many(self.source.randbytes(INPUT) for _ in range(8))
        for _ in range(taken):
            next(answers)
        answers.close()

    @rule()
    def ping(self):
        self.client.ping()

    @invariant()
    def nothing_was_rejected_for_its_content(self):
        if hasattr(self, "client"):
            assert self.client.statistics.rejected == 0


LinkUnderFaults.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # a failure here is read from its seed; shrinking it would take longer than the whole suite
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestLinkUnderFaults = LinkUnderFaults.TestCase


def test_faults_on_a_real_process_with_a_real_clock():
    image = build_fake("host", FAKE_INPUT_BYTES=INPUT, FAKE_OUTPUT_BYTES=OUTPUT)
    source = random.Random(6)
    data = [source.randbytes(INPUT) for _ in range(200)]
    with open_device(process=[str(image)]) as device:
        inner = device._client.transport
        inner.latency_s = 0.02
        device._client.transport = FaultyTransport(inner, Rates(drop=0.02, flip=0.02, hole=0.02, reorder=0.02), 7)
        answers = list(device.infer_many(data))
        assert device.statistics.retries > 0
    assert [answer.outputs for answer in answers] == [(expected(item, OUTPUT),) for item in data]


def test_outputs_larger_than_a_result_are_read_in_pieces():
    library = build_fake("library", FAKE_INPUT_BYTES=64, FAKE_OUTPUT_BYTES=1000)
    board = LoopbackTransport(library)
    client = Client(FaultyTransport(board, Rates.all(0.01), 8, restart=board.restart))
    client.connect()
    data = [bytes([index]) * 64 for index in range(30)]
    assert [answer.outputs for answer in client.infer_many(data)] == [(expected(item, 1000),) for item in data]


def test_a_line_that_is_dead_for_good_ends_in_a_device_error():
    board = LoopbackTransport(build_fake("library"))
    line = FaultyTransport(board, Rates(), 9)
    client = Client(line)
    client.connect()
    line.rates = Rates(drop=1.0)
    with pytest.raises(DeviceError, match="nothing answers"):
        client.infer(bytes(256))


def test_a_watchdog_reset_is_on_every_later_measurement():
    board = LoopbackTransport(build_fake("library"))
    client = Client(board)
    client.connect()
    assert client.infer(bytes(256)).flags == ()
    board.restart(WATCHDOG)
    assert client.infer(bytes(256)).flags == ("watchdog_reset",)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_bounded_slice_of_fuzzing_finds_nothing(target, tmp_path):
    outcome = fuzz(target, seconds=0, folder=tmp_path, runs=20_000)
    assert outcome.finding is None
    assert outcome.executions >= 20_000
