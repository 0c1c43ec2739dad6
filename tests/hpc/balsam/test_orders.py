from dh_project.hpc.balsam.jobs.orders import ORDERS, Orders, give_order, kill_order, stop_order
from dh_project.trial.trial import State


def test_each_order_is_read_once(tmp_path):
    orders = Orders(tmp_path)
    assert orders.new() == []
    give_order(tmp_path, stop_order(3))
    assert orders.new() == [{"do": "stop", "after": 3}]
    give_order(tmp_path, kill_order(State.PAUSED, "enough", 2.0))
    assert [(order["do"], order["state"]) for order in orders.new()] == [("kill", "paused")]
    assert orders.new() == []


def test_an_order_may_come_before_the_job(tmp_path):
    give_order(tmp_path / "later", stop_order(1))
    assert len(Orders(tmp_path / "later").new()) == 1


def test_half_an_order_waits_for_its_rest(tmp_path):
    orders = Orders(tmp_path)
    (tmp_path / ORDERS).write_text('{"do": "stop", ')
    assert orders.new() == []
    with (tmp_path / ORDERS).open("a") as file:
        file.write('"after": 1}\n')
    assert orders.new() == [{"do": "stop", "after": 1}]
