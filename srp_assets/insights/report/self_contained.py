"""Whether a page is what a report must be: on its own, and without anything that could run or load. For the check of reports."""

from collections.abc import Sequence
from html.parser import HTMLParser

ALLOWED_TAGS = frozenset(
    ("article", "bdi", "b", "body", "caption", "dd", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "head", "header", "html")
    + ("img", "li", "mark", "meta", "p", "span", "style", "table", "tbody", "td", "th", "thead", "title", "tr", "ul")
)
ALLOWED_ATTRIBUTES = frozenset({"alt", "charset", "class", "content", "dir", "http-equiv", "lang", "name", "src"})
IMAGE = "data:image/svg+xml;base64,"


class _Page(HTMLParser):
    """Collects what a page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.has_policy = False

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Looks at one element."""
        if tag not in ALLOWED_TAGS:
            self.problems.append(f"an element <{tag}>")
        for name, value in attrs:
            if name not in ALLOWED_ATTRIBUTES or (name == "src" and not (value or "").startswith(IMAGE)):
                self.problems.append(f"an attribute {name} of <{tag}>")
            self.has_policy |= name == "http-equiv" and value == "Content-Security-Policy"


def problems_of(html: str) -> list[str]:
    """What a page has that a report must not have; nothing if it is well."""
    page = _Page()
    page.feed(html)
    page.close()
    return page.problems if page.has_policy else [*page.problems, "no Content-Security-Policy"]
