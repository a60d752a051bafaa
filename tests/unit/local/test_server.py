"""The local server serves everybody, however many wait."""

import threading
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter
from fastapi.testclient import TestClient

from ketbase.local.server import literal_first, web_application
from ketbase.local.template import Template


def test_a_hundred_callers_who_wait_do_not_keep_the_next_one_out():
    together = threading.Barrier(101)
    router = APIRouter()

    @router.get("/meet")
    def meet() -> bool:
        together.wait(10)
        return True

    app = web_application(Template({}, {}))
    app.include_router(router)
    with TestClient(app) as client, ThreadPoolExecutor(101) as callers:
        answers = callers.map(lambda _: client.get("/meet").status_code, range(101))
        assert set(answers) == {200}


def test_a_path_that_is_spelled_out_is_found_before_one_with_a_parameter():
    any_user, me = APIRouter(), APIRouter()

    @any_user.get("/users/{user_id}")
    def read_user(user_id: str) -> str:
        return user_id

    @me.get("/users/me")
    def read_me() -> str:
        return "myself"

    app = web_application(Template({}, {}))
    for router in literal_first([any_user, me]):
        app.include_router(router)
    with TestClient(app) as client:
        assert [client.get(f"/users/{name}").json() for name in ("me", "you")] == ["myself", "you"]
