"""Rates, slowing down, retry times: pure, so time is a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.domains import PAUSE, Domains
from newsletter.delivery.limits.windows import Used
from newsletter.delivery.pace import IN_A_ROW, RECOVERY, Pace, RetryPolicy, parse_duration, time_at_rates
from newsletter.errors import NewsletterError
from newsletter.smtp.rate import Ramp, Rate, days_for, parse_rate
from newsletter.smtp.reply import Action, Verdict

WELL = Verdict(Action.SENT)
PATIENCE = Verdict(Action.DEFER, slow=True)
REFUSED = Verdict(Action.FAIL, policy=True)


def sent_until(pace: Pace, end: float, step: float, now: float = 0.0) -> list[float]:
    """When messages go, if somebody asks every `step` seconds."""
    times: list[float] = []
    while now < end:
        while pace.wait(now) <= 0 and len(times) < 1_000_000:
            pace.take(now)
            times.append(now)
        now += step
    return times


@pytest.mark.parametrize("text", ["", "14/s", "14/s 50000/d", "200/m", "500/h,9/s"])
def test_rates_are_read(text: str) -> None:
    assert len(parse_rate(text)) == len(text.replace(",", " ").split())


@pytest.mark.parametrize("text", ["fast", "0/s", "14", "14/w", "-3/s", "1.5/s", "14 / s", "١٤/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(NewsletterError, match="is no rate"):
        parse_rate(text)


@pytest.mark.parametrize("per_second", [1, 14, 97, 1000, 5000])
@pytest.mark.parametrize("step", [0.0005, 0.004, 0.03])
def test_a_rate_is_met_within_two_percent_over_ten_seconds(per_second: int, step: float) -> None:
    times = sent_until(Pace((Rate(per_second, 1),), 10, 0.0), 20.0, step)
    for start in (0.0, 3.7, 9.9):
        count = sum(start <= moment < start + 10 for moment in times)
        assert abs(count - 10 * per_second) <= max(0.02 * 10 * per_second, 1)


def test_a_rate_a_minute_is_spread_over_it() -> None:
    times = sent_until(Pace(parse_rate("200/m"), 10, 0.0), 60.0, 0.01)
    assert abs(len(times) - 200) <= 1
    assert sum(moment < 10 for moment in times) <= 35


def test_a_daily_quota_is_used_at_once_and_never_exceeded() -> None:
    times = sent_until(Pace(parse_rate("10/s 50/d"), 10, 0.0), 90_000.0, 0.5)
    assert sum(moment < 60 for moment in times) == 50
    assert all(sum(start <= moment < start + 86_400 for moment in times) <= 50 for start in times)


def test_a_quota_remembers_what_earlier_runs_took() -> None:
    rate = Rate(50, 86_400)
    pace = Pace((rate,), 10, 1000.0, Used({rate: [(0.0, 30), (900.0, 15)]}))
    times = sent_until(pace, 1010.0, 0.5, now=1000.0)
    assert len(times) == 5


def test_a_ramp_gives_each_day_of_sending_a_larger_share_and_remembers_the_earlier_ones() -> None:
    [_, ramp] = parse_rate("14/s ramp 500/d x1.5")
    assert isinstance(ramp, Ramp)
    assert str(ramp) == "ramp 500/d x1.5"
    assert [ramp.share(day, {1: 500, 2: 700, 4: 9}) for day in (1, 2, 3, 4, 5, 50)] == [
        500,
        750,
        1125,
        1125,
        1687,
        1687,
    ]
    assert ramp.share(9999, dict.fromkeys(range(9999), 1)) == 10**12
    assert days_for(500, 1, [(ramp, {})]) == 1
    assert days_for(501, 1, [(ramp, {})]) == 2
    assert days_for(1251, 2, [(ramp, {1: 500, 2: 1})]) == 2
    assert days_for(2000, 1, [(ramp, {}), (ramp, {})]) == 2
    [small] = parse_rate("ramp 10/d x2")
    times = sent_until(
        Pace((small,), 10, 0.0, Used(days={-1: 10, 0: 5}, wall=43_200.0)), 100_000.0, 0.5
    )  # from noon on
    assert sum(moment < 43_200 for moment in times) == 15
    assert sum(43_200 <= moment < 129_600 for moment in times) == 40


@given(st.lists(st.floats(0, 5, allow_nan=False), max_size=200))
def test_no_quota_is_ever_exceeded(gaps: list[float]) -> None:
    pace, now, times = Pace((Rate(7, 3600),), 1, 0.0), 0.0, []
    for gap in gaps:
        now += gap * 200
        if pace.wait(now) <= 0:
            pace.take(now)
            times.append(now)
    assert all(sum(start <= moment < start + 3600 for moment in times) <= 7 for start in times)


def test_patience_asked_for_in_a_row_halves_the_rate_and_the_connections_and_quiet_brings_them_back() -> None:
    pace = Pace((), 8, 0.0)
    for number in range(1000):
        pace.take(number / 100)
    now = 10.0
    for _ in range(IN_A_ROW):
        pace.answered(PATIENCE, now)
    assert pace.connections == 4
    assert pace.slowed == pytest.approx(50, rel=0.1)
    now += 2
    for _ in range(IN_A_ROW):
        pace.answered(PATIENCE, now)
    assert pace.slowed == pytest.approx(25, rel=0.1)
    assert len(sent_until(pace, now + 10, 0.001, now)) == pytest.approx(250, rel=0.1)
    for _ in range(60):
        now += RECOVERY
        pace.recover(now)
    assert (pace.slowed, pace.connections) == (None, 8)


def test_success_between_them_is_no_row() -> None:
    pace = Pace((), 8, 0.0)
    for number in range(100):
        if number % 4 == 0:
            pace.went_well()
        else:
            pace.answered(PATIENCE, 10.0 + number)
    assert pace.slowed is None


def test_five_refusals_in_a_row_pause_a_domain_for_a_while() -> None:
    domains = Domains()
    for _ in range(IN_A_ROW):
        assert domains.hold("example.com", 1.0) == 0
        domains.answered("example.com", REFUSED, "550 5.7.1 spam", 1.0)
    assert domains.hold("example.com", 2.0) > 0
    assert domains.hold("example.org", 2.0) == 0
    assert "spam" in domains.notes["example.com"]
    assert domains.hold("example.com", 2.0 + PAUSE) == 0
    domains.answered("example.com", REFUSED, "550 5.7.1 spam", 2.0 + PAUSE)
    assert domains.hold("example.com", 3.0 + PAUSE) > 0


def test_a_fifth_of_the_last_fifty_pauses_a_domain() -> None:
    domains, refused = Domains(), 0
    for number in range(200):
        if domains.hold("example.com", 1.0):
            break
        refused += number % 5 == 0
        domains.answered("example.com", REFUSED if number % 5 == 0 else WELL, "550 5.7.1 spam", 1.0)
    assert refused == 10


def test_a_domain_that_asks_for_patience_is_slowed_alone() -> None:
    domains = Domains()
    for _ in range(IN_A_ROW):
        domains.answered("example.com", PATIENCE, "451 4.7.1 slow down", 5.0)
    free = [number for number in range(1000) if domains.hold("example.com", 5.0 + number / 100) == 0]
    assert 45 <= len(free) <= 55
    assert domains.hold("example.org", 5.0) == 0


@given(st.integers(1, 60), st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_retry_times_double_stay_bounded_and_end(attempts: int, age: float, chance: float) -> None:
    policy = RetryPolicy(300, 14_400, 172_800)
    delay = policy.delay(attempts, age, chance)
    assert (delay is None) == (age >= 172_800)
    if delay is not None:
        assert 0.8 * 300 <= delay <= 1.2 * 14_400
        assert delay <= 1.2 * 300 * 2 ** (attempts - 1)


def test_durations_are_read() -> None:
    assert [parse_duration(text, "x") for text in ("90s", "5m", "4h", "2d")] == [90, 300, 14_400, 172_800]
    with pytest.raises(NewsletterError, match="give_up: 'soon' is no duration"):
        parse_duration("soon", "[delivery] give_up")


@pytest.mark.parametrize(
    ("rate", "count", "seconds"),
    [
        ("14/s", 1400, 100),
        ("200/m", 24_000, 7200),
        ("50000/d", 50_000, 0),
        ("50000/d", 50_001, 86_400),
        ("10/s 100/h", 250, 7200),
        ("", 1000, 0),
        ("14/s", 0, 0),
    ],
)
def test_how_long_so_many_messages_take_at_a_rate(rate: str, count: int, seconds: float) -> None:
    rates = parse_rate(rate)
    assert time_at_rates([rates], count) == pytest.approx(seconds, abs=1)
    assert " ".join(map(str, rates)) == rate


def test_relays_share_the_time_and_one_without_a_rate_takes_none() -> None:
    slow = parse_rate("10/s")
    assert time_at_rates([slow, slow], 2000) == pytest.approx(100, abs=1)
    assert time_at_rates([slow, ()], 2000) == 0
