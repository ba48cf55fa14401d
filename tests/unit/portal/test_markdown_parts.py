"""A brief cut behind the headings of its tasks."""

from markupsafe import Markup

from portal.markdown import html_of, parted

TEXT = """# Title

## 5 What to do

Words.

### 5.1. `list`

- 5.2 is no heading

### 5.2 Get one

More.

## 51 Something else

## 5.1 The same number again
"""


def cut(*tasks: str) -> list[tuple[str, tuple[str, ...]]]:
    """The last line of each part, and its tasks."""
    return [(part.html.strip().splitlines()[-1], part.tasks) for part in parted(html_of(TEXT, "Table"), tasks)]


def test_each_task_stands_under_its_heading() -> None:
    """In the order of the headings, whatever the order of the tasks; the first heading with a number has it."""
    assert cut("5.2", "5.1", "5") == [
        ("<h2>5 What to do</h2>", ("5",)),
        ("<h3>5.1. <code>list</code></h3>", ("5.1",)),
        ("<h3>5.2 Get one</h3>", ("5.2",)),
        ("<h2>5.1 The same number again</h2>", ()),
    ]


def test_a_task_without_a_heading_stands_under_the_one_above() -> None:
    """And a task without any is left out; the page keeps all its words."""
    assert cut("5.2.3", "5.9", "6", "x")[:2] == [
        ("<h2>5 What to do</h2>", ("5.9",)),
        ("<h3>5.2 Get one</h3>", ("5.2.3",)),
    ]
    whole = html_of(TEXT, "Table")
    assert Markup("").join(part.html for part in parted(whole, ("5.2", "5", "6"))) == whole
    assert [part.html for part in parted(whole, ())] == [whole]
