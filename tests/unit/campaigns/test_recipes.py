"""Recipes: which answers a rehearsal gets, and who gets which."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from mailing.campaigns import recipes
from mailing.campaigns.recipes import RECIPES, Answer, RecipeError
from mailing.demo_inbox import _rule

PEOPLE = [f"user{n}@domain{n % 50}.example" for n in range(20_000)]


def rehearsal(recipe: object, rehearses: int = 7) -> SimpleNamespace:
    return SimpleNamespace(recipe=recipe, rehearses=rehearses)


@pytest.mark.parametrize("name", RECIPES)
def test_each_answer_is_given_about_as_often_as_the_recipe_says(name: str) -> None:
    given = Counter(recipes.answer_to(RECIPES[name], 7, email) for email in PEOPLE)
    wanted = {answer: RECIPES[name].get(answer, 0) * len(PEOPLE) / recipes.WHOLE for answer in recipes.CHOSEN}
    assert {answer: given[answer] for answer in wanted} == pytest.approx(wanted, rel=0.25, abs=18)


def test_everybody_can_be_given_one_answer_and_nobody() -> None:
    assert {recipes.answer_to({"bounce": 1000}, 7, email) for email in PEOPLE[:500]} == {Answer.BOUNCE}
    assert {recipes.answer_to({"bounce": 0}, 7, email) for email in PEOPLE[:500]} == {Answer.ACCEPTED}


def test_who_gets_which_answer_is_the_same_each_time_and_another_in_another_campaign() -> None:
    usual = [recipes.answer_to(RECIPES["bad"], 7, email) for email in PEOPLE]
    assert usual == [recipes.answer_to(RECIPES["bad"], 7, email.upper()) for email in PEOPLE]
    assert usual != [recipes.answer_to(RECIPES["bad"], 8, email) for email in PEOPLE]


@pytest.mark.parametrize(
    "email",
    ["ann@x.example", "ann+bounce@x.example", '"ann lee"@x.example', '"a+full"@x.example', "ü@ü.example"],
)
@pytest.mark.parametrize("answer", Answer)
def test_the_demo_inbox_reads_the_answer_from_the_tag_whatever_the_address_says_itself(
    email: str, answer: Answer
) -> None:
    recipe = {} if answer is Answer.ACCEPTED else {answer: 1000}
    tagged = recipes.tagged(rehearsal(recipe), email)
    assert tagged.rpartition("@")[2] == email.rpartition("@")[2]
    told = _rule(tagged)
    assert (told if told in recipes.CHOSEN else Answer.ACCEPTED) == answer


def test_who_is_accepted_keeps_the_address() -> None:
    assert recipes.tagged(rehearsal({}), "ann@x.example") == "ann@x.example"


@pytest.mark.parametrize(
    ("wanted", "recipe"),
    [
        ("accepted", {}),
        ("bad", dict(RECIPES["bad"])),
        ({"bounce": 20, "later": 0}, {"bounce": 20}),
        ({"full": 500, "slow": 500}, {"full": 500, "slow": 500}),
        ({}, {}),
    ],
)
def test_a_recipe_is_named_or_written(wanted: object, recipe: dict[str, int]) -> None:
    assert recipes.read(wanted) == recipe


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("sweet", "rehearsal.no-recipe"),
        ({"accepted": 10}, "rehearsal.unknown-answer"),
        ({"lost": 10}, "rehearsal.unknown-answer"),
        (["bounce"], "rehearsal.unknown-answer"),
        (None, "rehearsal.unknown-answer"),
        ({"bounce": -1}, "rehearsal.not-a-share"),
        ({"bounce": 1001}, "rehearsal.not-a-share"),
        ({"bounce": 1.5}, "rehearsal.not-a-share"),
        ({"bounce": True}, "rehearsal.not-a-share"),
        ({"bounce": 600, "full": 401}, "rehearsal.too-much"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_the_reason(wanted: object, code: str) -> None:
    with pytest.raises(RecipeError) as refused:
        recipes.read(wanted)
    assert refused.value.reason.code == code


def test_a_recipe_is_known_by_its_numbers() -> None:
    assert [recipes.name_of(dict(RECIPES[name])) for name in RECIPES] == list(RECIPES)
    assert recipes.name_of({"bounce": 1}) == ""
