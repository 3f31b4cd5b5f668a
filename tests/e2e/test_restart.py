from tests.e2e.conftest import Client, Demo


def test_the_data_is_there_after_a_stop_and_a_start(demo: Demo) -> None:
    before = Client(demo._stack() or {})
    known = {item["id"] for item in before.call("chenzong", "GET", "/leads", params={"limit": 50}).json()["items"]}

    status = demo.stop()
    gone = not (demo.home / "stack.json").exists()
    after = Client(demo.start())

    assert (status, gone) == (0, True)
    found = {item["id"] for item in after.call("chenzong", "GET", "/leads", params={"limit": 50}).json()["items"]}
    assert known
    assert known <= found
