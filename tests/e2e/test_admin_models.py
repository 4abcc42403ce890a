"""Every model in the admin, with its theme and with the framework's own look: list, add, change, delete, each action; and staff
without rights, for whom there is nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from playwright.sync_api import Browser, Page, expect

from flows.models import Binding, Dashboard, Flow, KeyValue, Namespace, Role, Secret
from tests.e2e.browsing import Watched, sign_in, watch
from tests.e2e.seeding import seed
from tests.support.system_process import SystemProcess
from tests.support.systems import started_system

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

ADDED = {Flow, Namespace, KeyValue, Secret, User, Group, Role, Binding}
"""What can be made in the admin; everything else comes from the console, from flows or from the engine."""
CHANGED = ADDED - {Binding}
DELETED = (KeyValue, Secret, Dashboard, Flow)
"""Models of which the test deletes the first row; each model with a button for it has its question opened."""
DOWNLOADS = {"export"}
SAID = ".messagelist > li, ul.gap-4:has(> li > .rounded-default) > li"
PASSWORD = "Correct-horse-7"
MODELS = sorted(admin.site._registry, key=lambda model: model.__name__)


@pytest.fixture(scope="module", params=["unfold", "stock"])
def system(request: pytest.FixtureRequest) -> Iterator[SystemProcess]:
    """A system of its own with things in it: what is done here would spoil the pages that other tests look at."""
    with started_system(CELESTRA_ADMIN_THEME=request.param) as started:
        seed(started)
        yield started


@pytest.fixture
def owner(browser: Browser, system: SystemProcess) -> Iterator[Watched]:
    """A page in which the administrator is signed in."""
    watched = watch(browser.new_context(viewport={"width": 1440, "height": 900}), system.base_url)
    sign_in(watched, system)
    yield watched
    watched.page.context.close()


def _address(model: type) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"  # type: ignore[attr-defined]


def _look(watched: Watched, address: str) -> list[str]:
    answer = watched.open(address)
    status = answer.status if answer is not None else 0
    return [f"{address}: status {status}"] * (status != 200) + [f"{address}: {fault}" for fault in watched.take_faults()]


def _find_first(page: Page) -> str:
    link = page.locator("#result_list tbody tr th a, #result_list tbody tr td a").first
    return str(link.get_attribute("href")) if link.count() else ""


def test_every_model_is_listed_shown_and_made_or_not(owner: Watched) -> None:
    faults, page = [], owner.page
    for model in MODELS:
        faults += _look(owner, _address(model))
        first, may_add = _find_first(page), page.locator(f"a[href^='{_address(model)}add/']").count() > 0
        if may_add is not (model in ADDED):
            faults.append(f"{model.__name__}: {'can' if may_add else 'cannot'} be added")
        if may_add:
            faults += _look(owner, f"{_address(model)}add/")
            expect(page.locator("[name=_save]").first).to_be_visible()
        if first:
            faults += _look(owner, first)
            may_save = page.locator("[name=_save]").count() > 0
            if may_save and model not in CHANGED:
                faults.append(f"{model.__name__}: can be changed")
            if page.locator("a[href$='/delete/']").count():
                faults += _look(owner, first.partition("change/")[0] + "delete/")
                expect(page.locator("form[method=post] [type=submit]:visible").last).to_be_visible()

    assert faults == []


def test_every_action_answers_in_words(owner: Watched) -> None:
    faults, page = [], owner.page
    for model in MODELS:
        owner.open(_address(model))
        names = page.locator("select[name=action] option").evaluate_all("nodes => nodes.map(node => node.value)")
        for name in dict.fromkeys(name for name in names if name not in ("", "delete_selected")):
            owner.open(_address(model))
            if not page.locator("#result_list input.action-select").count():
                continue
            page.locator("#result_list input.action-select").first.check()
            page.locator("select[name=action]").first.select_option(name)
            go = page.locator("button[name=index], form#changelist-form button[type=submit]").first
            if name in DOWNLOADS:
                with page.expect_download():
                    go.click()
                continue
            with page.expect_navigation():
                go.click()
            said = page.locator(SAID).count()
            if not said or page.locator("#changelist-form, #result_list").count() == 0:
                faults.append(f"{model.__name__}, {name}: {page.title()}, {said} messages")
        faults += [f"{model.__name__}: {fault}" for fault in owner.take_faults()]

    assert faults == []


def test_the_first_row_of_some_models_is_deleted(owner: Watched) -> None:
    page = owner.page
    for model in DELETED:
        owner.open(_address(model))
        first = _find_first(page)
        owner.open(first.partition("change/")[0] + "delete/")
        with page.expect_navigation():
            page.locator("form[method=post] [type=submit]:visible").last.click()

        expect(page.locator(f"a[href='{first}']")).to_have_count(1 if model is Flow else 0)
    assert owner.faults == []


def test_staff_without_rights_sees_an_empty_overview_and_no_page(owner: Watched, browser: Browser, system: SystemProcess) -> None:
    name = "staff@example.org"
    owner.open("/admin/auth/user/add/")
    owner.page.fill("[name=name]", name)
    owner.page.fill("[name=password]", PASSWORD)
    owner.page.locator("[name=staff]").check(force=True)
    with owner.page.expect_navigation():
        owner.page.locator("[name=_save]").first.click()
    watched = watch(browser.new_context(), system.base_url)
    watched.open("login")
    watched.page.fill("#username", name)
    watched.page.fill("#password", PASSWORD)
    watched.page.click("button.primary")
    expect(watched.page.locator("nav.nav")).to_have_count(1)
    entered = watched.open("/admin/")
    links = watched.page.locator("a[href*='/admin/flows/'], a[href*='/admin/auth/']").count()
    statuses = {
        address: answer.status if (answer := watched.open(address)) is not None else 0
        for model in MODELS
        for address in (_address(model), f"{_address(model)}add/")
    }
    watched.page.context.close()

    assert entered is not None
    assert (entered.status, links) == (200, 0)
    assert {address: status for address, status in statuses.items() if status != 403} == {}
