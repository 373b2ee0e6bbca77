"""The plan comes from its seed, whole and the same each time."""

import itertools
from collections import Counter

from tests.chaos.mail import moods
from tests.chaos.plan import PARTS, Payer, draw, fates
from tests.chaos.proxy import PASS, Way

SEED = 7


def test_a_seed_draws_the_same_plan_each_time_and_another_seed_another_one() -> None:
    assert draw(SEED, 300, 12) == draw(SEED, 300, 12)
    assert draw(SEED, 300, 12) != draw(SEED + 1, 300, 12)


def test_every_line_and_every_shop_has_its_own_luck_and_keeps_it() -> None:
    def lucks() -> list[list[object]]:
        drawn = (fates(SEED, "api"), fates(SEED, "company"), moods(SEED, 0), moods(SEED, 1))
        return [list(itertools.islice(each, 500)) for each in drawn]

    assert lucks() == lucks()
    assert len({str(luck) for luck in lucks()}) == 4


def test_parts_are_killed_in_turn_while_orders_come_in() -> None:
    plan = draw(SEED, 300, 12)
    assert Counter(kill.part for kill in plan.kills) == dict.fromkeys(PARTS, 3)
    assert [kill.at for kill in plan.kills] == sorted(kill.at for kill in plan.kills)
    assert plan.kills[0].at > 0
    assert plan.kills[-1].at < 0.95 * plan.orders[-1].begins_at


def test_all_kinds_of_payers_come() -> None:
    assert {order.payer for order in draw(SEED, 300, 0).orders} == set(Payer)


def test_late_money_is_always_told_of() -> None:
    late = [order for order in draw(SEED, 3_000, 0).orders if order.payer is Payer.PAYS_LATE]
    assert late
    assert "lost" not in {order.webhooks for order in late}


def test_most_answers_arrive_and_a_few_are_lost_either_way() -> None:
    drawn = Counter(fate.way for fate in itertools.islice(fates(SEED, "api"), 10_000))
    assert drawn[Way.PASS] > 8_000
    assert min(drawn[Way.CLOSE], drawn[Way.RESET], drawn[Way.DELAY]) > 200
    assert PASS in itertools.islice(fates(SEED, "api"), 10)
