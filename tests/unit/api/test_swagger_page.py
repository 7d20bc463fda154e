"""The page at /docs."""

from __future__ import annotations

from pigeonhole.api.swagger_page import render


def test_no_text_of_the_document_ends_the_script() -> None:
    document = {"info": {"title": "</script><script>alert(1)"}}
    page = render(document, swagger_script="1", swagger_style="", style="", logo="", has_playground=True).text

    assert "alert(1)" in page
    assert page.count("<script") == 2
