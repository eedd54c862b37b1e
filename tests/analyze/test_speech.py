"""Scripts and languages are right where the truth is known; emotes, emoji and habits are counted."""

import csv
import gzip
import json
from collections import Counter

import pandas as pd
import pytest

from chatlib.analyze import speech
from chatlib.analyze.speech import count_languages, find_chat_languages, guess_language, guess_script
from chatlib.workspace import SAMPLE_DIR

MESSAGES = pd.DataFrame(
    {
        "offset_s": [1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0, 200.0],
        "author": [1, 2, 3, 1, 2, 3, 3, 4],
        "text": ["hello", "hi all", "hello", "CLIP IT", "clip it!", "that was clean", None, "bye <b>"],
        "emotes": [None, None, None, '["PogChamp", "PogChamp"]', None, None, None, None],
    }
)


@pytest.mark.parametrize(
    ("text", "script", "language"),
    [
        ("what is this", "Latin", "English"),
        ("hola que tal", "Latin", "Spanish"),
        ("não sei o que é isso", "Latin", "Portuguese"),
        ("c'est quoi ça ?", "Latin", "French"),
        ("das ist nicht gut", "Latin", "German"),
        ("non ho capito perché", "Latin", "Italian"),
        ("kenapa dia tidak mau", "Latin", "Indonesian"),
        ("bakit wala siya", "Latin", "Filipino"),
        ("nie wiem czy to jest dobre", "Latin", "Polish"),
        ("çok güzel olmuş", "Latin", "Turkish"),
        ("ik weet het niet", "Latin", "Dutch"),
        ("ok", "Latin", None),
        ("wwww", "Latin", None),
        ("greats8YoTrip :_hi: LUL", "Latin", None),
        ("www.ebay.com", "Latin", None),
        ("これは何", "Hiragana", "Japanese"),
        ("ヤバい", "Hiragana", "Japanese"),
        ("え", "Hiragana", "Japanese"),
        ("¯\\_(ツ)_/¯", None, None),
        ("草", "Han", "Chinese or Japanese"),
        ("这是什么", "Han", "Chinese"),
        ("ㅋㅋㅋ 안녕", "Hangul", "Korean"),
        ("я не знаю", "Cyrillic", "Russian and other Cyrillic"),
        ("!!! 123 😂", None, None),
        ("", None, None),
    ],
)
def test_scripts_and_languages_are_told_where_a_text_tells(text, script, language):
    assert guess_script(text) == script
    assert guess_language(text) == language


def test_a_word_tells_only_a_language_that_the_chat_is_in():
    english = ["what is this", "that is what they have", "why would you do it"] * 20
    spanish = ["esto es muy bueno", "por favor no lo hagas", "gracias a todos por estar aquí"] * 20
    assert find_chat_languages(english) == {"English"}
    assert find_chat_languages(english + spanish) == {"English", "Spanish"}
    assert guess_language("hola", expected={"English"}) is None
    assert guess_language("hola a todos gracias", expected={"English"}) == "Spanish"
    counted = {}
    for name, texts in (("english", english), ("spanish", spanish)):
        table = count_languages(pd.DataFrame({"text": [*texts, "hola"]}))
        counted[name] = dict(zip(table["language"], table["messages"], strict=True))
    assert counted == {"english": {"English": 60, "too short to tell": 1}, "spanish": {"Spanish": 61}}
    assert find_chat_languages([]) == set()


def test_on_the_sample_nearly_every_language_that_is_told_is_right():
    with gzip.open(SAMPLE_DIR / "truth.csv.gz", "rt", encoding="utf-8") as file:
        truth = {(row["video_id"], row["author_id"]): row["japanese"] for row in csv.DictReader(file)}
    counts = Counter()
    for path in sorted(SAMPLE_DIR.glob("new/chat/*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                japanese = truth.get((path.name.split(".")[0], (row.get("author") or {}).get("id")))
                if row["message_type"] == "text_message" and row.get("message") and japanese is not None:
                    told = guess_language(row["message"], expected={"English", "Japanese"})
                    right = {"Japanese", "Chinese or Japanese"} if japanese == "1" else {"English"}
                    counts["open" if told is None else "right" if told in right else "wrong"] += 1
    assert counts.total() > 5000
    assert counts["open"] / counts.total() < 0.3
    assert counts["right"] / (counts["right"] + counts["wrong"]) > 0.995


def test_languages_and_scripts_count_every_message_with_text():
    languages = speech.count_languages(MESSAGES)
    assert languages["messages"].sum() == 7
    assert languages["share"].sum() == pytest.approx(1)
    assert speech.count_scripts(MESSAGES).values.tolist() == [["Latin", 7, 1.0]]


def test_emotes_come_from_the_source_or_from_the_look():
    messages = pd.concat(
        [MESSAGES, pd.DataFrame({"author": [5], "text": ["greats8YoTrip"], "emotes": [None]})]
    )
    assert speech.count_emotes(messages).values.tolist() == [["PogChamp", 2, 1], ["greats8YoTrip", 1, 1]]


def test_emoji_are_counted_by_use_and_people():
    messages = pd.DataFrame({"author": [1, 1, 2], "text": ["😂😂", "😂 👍🏽", "👍🏽"]})
    assert speech.count_emoji(messages).values.tolist() == [["😂", 3, 1], ["👍🏽", 2, 2]]


def test_repeats_are_what_is_said_more_than_once():
    assert speech.count_repeats(MESSAGES).values.tolist() == [["hello", 2, 2]]


def test_commands_are_counted_without_their_arguments():
    messages = pd.DataFrame({"author": [1, 1, 2, 3], "text": ["!drop", "!Drop now", "!drop", "wow !no"]})
    assert speech.count_commands(messages).values.tolist() == [["!drop", 3, 2]]


def test_questions_are_those_that_most_people_ask():
    texts = [
        "what game is this?",
        "@bob What game is this??",
        "why?",
        "is it over? no",
        "何のゲームですか？",
        "no question",
        None,
    ]
    messages = pd.DataFrame({"offset_s": range(7), "author": range(7), "text": texts})
    assert speech.find_questions(messages).values.tolist() == [
        ["what game is this?", 2, 0],
        ["is it over? no", 1, 3],
        ["何のゲームですか？", 1, 4],
    ]
    assert speech.find_questions(messages.head(0)).empty


def test_habits_are_shares_of_the_messages():
    texts = [
        "what?",
        "WHAT???",
        "!drop",
        "@bob hi",
        "@… hi",
        "see https://a.b",
        "no 😂",
        "NO WAY",
        "no way",
        "x? y",
    ]
    habits = speech.summarize_habits(pd.DataFrame({"text": texts}))
    counts = dict(habits.iloc[:, :2].values.tolist())
    assert counts == {
        "a question": 3, "a command": 1, "a mention of somebody": 2, "a link": 1, "an emoji": 1,
        "capitals only": 2, "a single word": 3, "what somebody said before": 1,
    }  # fmt: skip
    assert habits["share"].max() == 0.3


def test_names_are_hidden_in_texts():
    assert speech.hide_mentions(["@bob_1 hi @Ann.", "mail a@b"]) == ["@… hi @…", "mail a@…"]
    assert speech.hide_mentions(["＠全角 どうも", "@na·me!", "@हिन्दी?"]) == ["@… どうも", "@…!", "@…?"]


@pytest.mark.parametrize("count", [speech.count_languages, speech.count_emotes, speech.count_emoji])
def test_a_silent_chat_has_empty_tables(count):
    assert count(MESSAGES.iloc[:0]).empty
    assert speech.count_repeats(MESSAGES.iloc[:0]).empty
    assert speech.summarize_habits(MESSAGES.iloc[:0])["messages"].sum() == 0
