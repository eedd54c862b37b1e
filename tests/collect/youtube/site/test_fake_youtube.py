"""The server that plays YouTube: the real clients reach it, and nothing else."""

import os
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
import requests

from tests.collect.youtube.site.server import FakeYoutube

PAGE = "<html><title>Hello</title></html>"


def test_requests_comes_here_and_keeps_its_connection(youtube):
    youtube.add_page("/@sample", PAGE)
    with requests.Session() as session:
        answers = [session.get("https://www.youtube.com/@sample?x=1", timeout=60) for _ in range(3)]
    assert [answer.text for answer in answers] == [PAGE] * 3
    assert [entry[1:] for entry in youtube.requests] == [
        ("GET", "www.youtube.com", "/@sample", None, 200)
    ] * 3


def test_what_is_not_played_is_refused_and_noted(youtube):
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://example.org/", timeout=60)
    assert [(entry.method, entry.host, entry.status) for entry in youtube.requests] == [
        ("CONNECT", "example.org", 502)
    ]
    assert requests.get("https://www.youtube.com/nothing", timeout=60).status_code == 404


def test_a_client_that_does_not_trust_it_gets_nothing(youtube):
    proxies = urllib.request.ProxyHandler({"https": youtube.proxy_url})
    strict = urllib.request.HTTPSHandler(context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.build_opener(proxies, strict).open("https://www.youtube.com/", timeout=60)


def test_yt_dlp_and_a_child_process_come_here(youtube):
    youtube.add_page("/robots.txt", PAGE)
    code = (
        "import certifi, yt_dlp, requests;"
        "print(certifi.where());"
        "print(yt_dlp.YoutubeDL({'quiet': True}).urlopen('https://www.youtube.com/robots.txt').read().decode());"
        "print(requests.get('https://www.youtube.com/robots.txt', timeout=60).text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **youtube.environment()},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n")[:3] == [str(youtube.ca_file), PAGE, PAGE], done.stderr


def test_it_stops_with_connections_open(tmp_path):
    with FakeYoutube() as fake, requests.Session() as session:
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(fake.ca_file.read_bytes())
        session.proxies, session.verify, session.trust_env = {"https": fake.proxy_url}, str(trusted), False
        fake.add_page("/", PAGE)
        assert session.get("https://www.youtube.com/", timeout=60).text == PAGE
        fake.close()
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get("https://www.youtube.com/", timeout=60)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("fake-youtube")]


def test_a_mistake_of_the_fake_fails_the_test():
    def broken(request):
        raise KeyError("oops")

    with pytest.raises(RuntimeError, match="made a mistake"), FakeYoutube() as fake:
        fake.add_route("/", broken)
        proxies = {"https": fake.proxy_url}
        assert (
            requests.get("https://www.youtube.com/", proxies=proxies, verify=fake.ca_file).status_code == 500
        )


def test_requests_at_once_are_counted(youtube):
    youtube.latency_s = 0.2

    def ask():
        requests.get("https://www.youtube.com/tv", timeout=60)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert youtube.most_at_once == 3
