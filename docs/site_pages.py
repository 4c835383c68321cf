"""Pages of the site that are made from other files: the start page, the reference, the examples, what stands
at the top of the repository. A hook of MkDocs; `make docs` builds the site.
"""

import ast
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
HOME = "https://github.com/sciad/sciad/blob/main/"
STUBS = {"sciad": "sciad", "solvers": "solvers", "adjoints": "adjoints"}
MODULES = {
    "nn": "Networks",
    "neural": "Neural differential equations",
    "optimize": "Fitting and training",
    "logdensity": "Log densities",
    "random": "Random numbers with keys",
}
TITLES = {
    "sciad": ("Derivatives and compilation", "import sciad as ad"),
    "solvers": ("Solvers", "from sciad import solvers"),
    "adjoints": ("Adjoints and reports", "from sciad import adjoints"),
}


def on_files(files, config):
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links that lead out of the folder of the pages go to the repository."""
    known = {file.src_uri for file in files}

    def changed(match):
        address = match[2]
        if "://" in address or address.startswith(("#", "mailto:")) or address.partition("#")[0] in known:
            return match[0]
        target = address.removeprefix("../").removeprefix("docs/")
        if target.partition("#")[0] in known:
            return f"{match[1]}({target})"
        return f"{match[1]}({HOME}{address.removeprefix('../')})"

    return re.sub(r"(\[[^\]]*\])\(([^)\s]+)\)", changed, markdown)


def pages() -> dict[str, str]:
    """Path to text."""
    made = {
        "index.md": (ROOT / "README.md").read_text().replace("](docs/", "]("),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(),
        "examples.md": _examples(),
    }
    made |= {f"reference/{name}.md": _reference(name) for name in STUBS}
    return made | {f"reference/{name}.md": _module_reference(name) for name in MODULES}


def public_names(name: str) -> dict[str, str]:
    """What a package offers, by the module that has it, from its stub."""
    tree = ast.parse((ROOT / STUBS[name] / "__init__.pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module != "sciad"]
    return {a.name: node.module for node in imports for a in node.names}


def _reference(name: str) -> str:
    title, statement = TITLES[name]
    names = public_names(name)
    if name == "sciad":  # solvers and adjoints have pages of their own
        others = {**public_names("solvers"), **public_names("adjoints")}
        names = {n: m for n, m in names.items() if n not in others or m == "sciad.errors"}
    elif name == "solvers":
        names = {n: m for n, m in names.items() if m != "sciad.errors"}
    head = f"# {title}\n\n```python\n{statement}\n```\n"
    return head + "".join(f"\n::: {module}.{n}\n" for n, module in sorted(names.items(), key=_order))


def _module_reference(name: str) -> str:
    """Of a public module, whose ``__all__`` names what it has."""
    folder = ROOT / "sciad" / name
    path = folder / "__init__.py" if folder.is_dir() else ROOT / "sciad" / f"{name}.py"
    tree = ast.parse(path.read_text())
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    )
    head = f"# {MODULES[name]}\n\n```python\nfrom sciad import {name}\n```\n\n{ast.get_docstring(tree)}\n"
    return head + "".join(f"\n::: sciad.{name}.{n}\n" for n in names)


def _order(item: tuple[str, str]) -> tuple[bool, str]:
    """Functions before classes and constants."""
    return item[0][0].isupper(), item[0].lower()


def _examples() -> str:
    parts = ["# Examples\n\nComplete programs, in the folder `examples`.\n"]
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text()
        doc = ast.get_docstring(ast.parse(text)) or ""
        parts.append(f"\n## {path.stem.replace('_', ' ')}\n\n{doc}\n\n```python\n{text}```\n")
    return "".join(parts)
