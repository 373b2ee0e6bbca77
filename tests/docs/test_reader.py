"""The harness itself: a page that holds is followed to its end, one that does not is found at its place."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.docs import pages
from tests.docs.reader import Disappointed, Reader, node
from tests.docs.shapes import differences, last_json, matches, message, shown

Following = Callable[[str], None]


class Company(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()
        self.wfile.write(b'{"id": "pay_01m7yk48w1tshgxz1vxkq0ctcm", "amount": 5}')

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def company() -> object:
    with ThreadingHTTPServer(("127.0.0.1", 0), Company) as server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture
def follow(tmp_path: Path, company: str, monkeypatch: pytest.MonkeyPatch) -> Following:
    monkeypatch.setattr(pages, "ROOT", tmp_path)

    def following(text: str) -> None:
        path = tmp_path / "page.md"
        path.write_text(text.replace("'''", "```"))
        folder = tmp_path / "a reader"
        folder.mkdir()
        with Reader(folder, {"127.0.0.1:8000": company}, {}) as reader:
            reader.read(pages.read(path))

    return following


def test_what_one_block_sets_the_next_one_has(follow: Following) -> None:
    follow("""
'''sh
export NAME=Zoë
greet() { echo "Hello $NAME"; }
'''
'''console
$ greet
Hello Zoë
$ echo 1; echo 2; echo 3
1
…
3
'''
'''python
import os
name = os.environ["NAME"]
'''
<!-- python: assert name == "Zoë" -->
""")


@pytest.mark.skipif(node() is None, reason="needs node 20 or newer")
def test_javascript_has_a_context_of_its_own(follow: Following) -> None:
    follow("""
'''javascript
import { createHmac, timingSafeEqual as same } from "node:crypto";
import assert from "node:assert";
export const digest = createHmac("sha256", "k").update("b").digest("hex");
'''
'''javascript
const digest2 = await Promise.resolve(digest);
assert.ok(same(Buffer.from(digest), Buffer.from(digest2)));
'''
<!-- expect: not equal -->
'''javascript
assert.strictEqual(1, 2, "not equal");
'''
""")


def test_dots_stand_for_the_id_that_was_shown_last(follow: Following) -> None:
    follow("""
'''sh
curl -s http://127.0.0.1:8000/200
'''
'''json
{"id": "pay_…", …}
'''
'''console
$ echo pay_01m7yk49amr6m1de92m49v9b4a
pay_01m7yk49amr6m1de92m49v9b5b
'''
<!-- run: other=ref_1 -->
<!-- fill:
ref_… = $other
KEY=… = KEY=secret
-->
'''sh
[ pay_… = pay_01m7yk49amr6m1de92m49v9b4a ]
[ ref_… = ref_1 ]
KEY=…
[ $KEY = secret ]
'''
""")


def test_a_refusal_is_a_failure_unless_it_was_expected(follow: Following) -> None:
    follow("""
<!-- expect: 409 -->
'''sh
curl -s http://127.0.0.1:8000/200
curl -si http://127.0.0.1:8000/409
'''
<!-- expect: exit 3 -->
'''sh
exit 3
'''
<!-- expect: ZeroDivisionError -->
'''python
1 / 0
'''
<!-- skip: nobody has a moon here -->
'''sh
exit 1
'''
""")


@pytest.mark.parametrize(
    "broken",
    [
        "'''sh\nfalse\n'''",
        "'''sh\nfalse | true\n'''",
        "'''sh\necho $NOBODY_SET_THIS\n'''",
        "'''sh\ncurl -s http://127.0.0.1:8000/404\n'''",
        "<!-- expect: 409 -->\n'''sh\ncurl -s http://127.0.0.1:8000/200\n'''",
        "<!-- expect: exit 3 -->\n'''sh\ntrue\n'''",
        "'''sh\necho pay_…\n'''",
        "'''console\n$ echo 1\n2\n'''",
        "'''console\n$ echo 1; echo 2\n1\n'''",
        "'''python\nraise ValueError\n'''",
        "<!-- expect: KeyError -->\n'''python\nraise ValueError\n'''",
        "<!-- expect: KeyError -->\n'''python\nname = 1\n'''",
        "'''sh\ncurl -s http://127.0.0.1:8000/200\n'''\n\n'''json\n{\"id\":\"pay_…\"}\n'''",
        "'''sh\ncurl -s http://127.0.0.1:8000/200\n'''\n\n'''json\n{\"id\":\"pay_…\",\"amount\":\"5\"}\n'''",
        "'''sh\necho nothing\n'''\n\n'''json\n{}\n'''",
        "'''json\n{'a':1}\n'''",
        "'''http\nFETCH /v1/payments\n'''",
        "'''http\nPOST /v1/payments\n{}\n'''",
    ],
    ids=lambda broken: broken.replace("\n", " "),
)
def test_what_does_not_hold_is_found(follow: Following, broken: str) -> None:
    with pytest.raises((Disappointed, ValueError)):
        follow(broken)


@pytest.mark.parametrize(
    "page",
    [
        "<!-- skip -->\n'''sh\nls\n'''",
        "<!-- skip: -->\n'''sh\nls\n'''",
        "<!-- skipp: reason -->\n'''sh\nls\n'''",
        "<!-- skip: for nothing -->",
        "<!-- fill: pay_… -->",
        "'''bash\nls\n'''",
        "'''\nls\n'''",
    ],
    ids=lambda page: page.replace("\n", " "),
)
def test_a_note_or_a_language_that_is_not_known_is_refused(follow: Following, page: str) -> None:
    with pytest.raises(pages.BadPage):
        follow(page)


def test_dots_in_json_are_whatever_else_there_is() -> None:
    assert shown('{"a":[1,…],"b":{…},"c":"…"}') == {"a": [1, "…"], "b": {"…": 0}, "c": "…"}
    assert shown('{\n  "a": 1,\n  …\n}') == {"a": 1, "…": 0}
    assert shown('{…, "b": 2}') == {"…": 0, "b": 2}


def test_shapes_differ_by_members_and_types_and_not_by_values() -> None:
    page = shown('{"a":1,"list":[{"b":"x"}],"rest":{"c":true,…},"none":null}')
    assert not list(differences(page, {"a": 2, "list": [{"b": ""}], "rest": {"c": False, "d": 1}, "none": 5}))
    real = {"a": True, "list": [], "rest": {"d": 1}, "other": 1, "none": 1}
    assert len(list(differences(page, real))) == 4


def test_the_last_document_is_the_answer() -> None:
    assert last_json('HTTP/1.1 200 OK\n\n{"a":1}{"b":{"c":[1]}}') == {"b": {"c": [1]}}
    assert last_json('{\n  "a": 1\n}\ntext {') == {"a": 1}
    with pytest.raises(ValueError, match="nothing"):
        last_json("no {such} thing")


def test_a_terminal_shows_other_ids_and_times() -> None:
    assert matches(
        "paid pay_01m7yk49amr6m1de92m49v9b4a in 12 ms\n", "paid pay_01m7yk49amr6m1de92m49v9b4b in 3.5 s\n"
    )
    assert not matches("paid\n", "paid\nand more\n")
    assert matches("paid\n…\n", "paid\nand more\n")


def test_a_message_has_headers_and_a_body_apart() -> None:
    assert message('POST /hook\nwebhook-id: 1\n\n{"a":…}'.replace("…", "1"))[1] == {"webhook-id": "1"}
    assert message("HTTP/1.1 202 Accepted\n")[0] == "HTTP/1.1 202 Accepted"
