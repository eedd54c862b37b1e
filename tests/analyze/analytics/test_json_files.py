"""Analytics on disk: written, valid by the published schema, read back."""

import json

import jsonschema
import pytest

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.columns import make_analytics
from chatlib.analyze.analytics.json_files import SCHEMA_PATH, load, save
from chatlib.errors import UnknownFormat
from chatlib.files import make_safe_name
from chatlib.records import Message

SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def analyze_some(platform="youtube", duration_s=1000.5, title="配信 <b>"):
    settings = ProcessSettings(print_interval=0)
    analytics = make_analytics(platform, duration_s=duration_s, settings=settings)
    analytics.mediaTitle = title
    messages = [Message(str(i), "text_message", i * 7.0, f"u{i % 9}") for i in range(100)]
    messages += [Message(f"b{i}", "text_message", 500 + i / 10, f"v{i}") for i in range(100)]
    messages += [Message("p", "paid_message", 30.0, "u1"), Message("s", "resubscription", 30.0, "u1")]
    analytics.process_chatlog(messages, "chat.json", settings)
    return analytics


@pytest.mark.parametrize("duration_s", [1000.5, 0])
@pytest.mark.parametrize("platform", ["youtube", "twitch"])
def test_what_is_saved_loads_as_the_same_analytics(platform, duration_s, tmp_path):
    analytics = analyze_some(platform, duration_s)
    assert bool(analytics.spikes) is bool(duration_s)
    assert load(save(analytics, tmp_path / "a.json")) == analytics
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == analytics.to_dict()


@pytest.mark.parametrize("platform", ["youtube", "twitch", "youtu.be"])
@pytest.mark.parametrize("duration_s", [0, 3, 1000, 4000.5])
def test_what_is_saved_follows_the_published_schema_in_its_order(platform, duration_s, tmp_path):
    path = save(analyze_some(platform, duration_s), tmp_path / "a.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA, cls=jsonschema.Draft202012Validator)
    kind = "Twitch" if platform == "twitch" else "Youtube"
    definitions = SCHEMA["$defs"]
    assert list(content) == list(definitions[f"{kind}ChatAnalytics"]["properties"])
    for sample in content["samples"]:
        assert list(sample) == list(definitions[f"{kind}Sample"]["properties"])
    for section in content["highlights"] + content["spikes"]:
        assert list(section) == list(definitions["section"]["properties"])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda content: content.pop("samples"),
        lambda content: content["samples"][0].update(activity=-1),
        lambda content: content["samples"][0].pop("superchats"),
        lambda content: content.update(platform="www.twitch.tv"),
        lambda content: content.update(totalSubscriptions=1),
        lambda content: content["samples"][0].update(startTime_text="1:2"),
    ],
)
def test_the_schema_refuses_what_is_not_of_the_format(break_it):
    content = analyze_some().to_dict()
    break_it(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_reanalyzing_what_was_loaded_gives_the_file_again(tmp_path):
    first = save(analyze_some(), tmp_path / "a.json")
    analytics = load(first)
    analytics.chatlog_post_process(ProcessSettings())
    second = save(analytics, tmp_path / "b.json")
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not"),
        ("[1, 2]", "platform"),
        ('{"chat": []}', "platform"),
        ('{"platform": "www.youtube.com"}', "samples.* missing"),
        ('{"platform": "kick.com", "samples": []}', "kick.com"),
        ('{"platform": ["youtu.be"]}', "unhashable"),
    ],
)
def test_another_programs_json_is_one_clear_error(content, says, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(UnknownFormat, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["samples"].append(7),
        lambda content: content["samples"][0].update(activity="3"),
        lambda content: content.update(duration="long"),
        lambda content: content.update(totalActivity=None),
        lambda content: content["highlights"][0].update(peak="high"),
        lambda content: content.update(samples=None),
        lambda content: content.update(mediaSource=["https://youtu.be/x"]),
        lambda content: content.update(mediaTitle=7),
        lambda content: content["samples"][0].update(endTime_text=True),
        lambda content: content["highlights"][0].update(description=1.5),
    ],
)
def test_a_damaged_json_is_refused(damage, tmp_path):
    content = analyze_some().to_dict()
    damage(content)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UnknownFormat):
        load(path)


def test_safe_names_are_safe_and_tell_ids_apart():
    assert make_safe_name("dQw4-_9WgXcQ") == "dQw4-_9WgXcQ"
    names = {make_safe_name(text) for text in ("../x", ".._x", "a/b", "a_b", "", "x" * 500, "x" * 501)}
    assert len(names) == 7
    assert all(name.strip("abcdefghijklmnopqrstuvwxyz0123456789_-") == "" for name in names)
    assert max(map(len, names)) < 100
