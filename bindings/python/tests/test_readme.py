"""The example of the README runs."""

import re
from pathlib import Path

import raftcore

README = Path(__file__).parent.parent / "README.md"


def test_the_example_of_the_readme_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    node = names["node"]
    assert isinstance(node, raftcore.Node)
    assert node.poll_output() is None
