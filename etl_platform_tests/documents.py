"""What the Markdown pages name, compared with the tree: files, links, targets, commands, settings, jobs. No tests.

Each check takes a page and yields one sentence per problem, so a test can show all of them at once.
"""

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path

from etl_platform.cli.main import main
from etl_platform.settings import Settings

ROOT = Path(__file__).parents[1]
MAX_WORDS = 1_500
_FOLDERS = r"(?:etl_platform|etl_platform_tests|docs|infra|helm|contracts|api_sources|benchmarks|\.ci)"
_GENERATED = {"terraform.tfvars", ".env", "backend.tf", "container_image.txt", "charts"}
"""Names of files that a reader or a program makes while following a page."""
_NOT_OURS = {"AWS_CA_BUNDLE", "CURRENT_DATE", "DATE_PART", "TRY_CAST"}
"""A variable that boto3 reads, and SQL."""
_PLACEHOLDERS = {"N": "1", "AGE": "1d", "PORT": "1", "s3://BUCKET/PREFIX/": "s3://bucket/prefix/"}


@dataclass(frozen=True)
class Page:
    """One Markdown file. ``path`` is absolute."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix() if self.path.is_relative_to(ROOT) else self.path.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def current(self) -> str:
        """The text without what it lists of the past: the first column of tables that start with *Before*."""
        lines, past = [], False
        for line in self.text.splitlines():
            past = line.startswith("| Before |") or (past and line.startswith("|"))
            lines.append(re.sub(r"^\|(?:[^|`]|`[^`]*`)*\|", "|", line) if past else line)
        return "\n".join(lines)

    @cached_property
    def prose(self) -> str:
        return re.sub(r"^ *```.*?^ *```$", "", self.current, flags=re.MULTILINE | re.DOTALL)

    @cached_property
    def code(self) -> list[str]:
        """Every text in code quotes."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    @cached_property
    def typed(self) -> list[str]:
        """Every command line that a reader types, of ``sh`` and ``console`` blocks, without comments."""
        lines: list[str] = []
        for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL):
            joined = block.replace("\\\n", " ").splitlines()
            lines += [line[2:] for line in joined if line.startswith("$ ")] if kind == "console" else joined
        return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]

    @cached_property
    def anchors(self) -> set[str]:
        """As GitHub makes them: a repeated heading gets a number."""
        found: dict[str, int] = {}
        for title in re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE):
            plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            number = found.get(slug, 0)
            found[slug] = number + 1
            if number:
                found[f"{slug}-{number}"] = 1
        return set(found)


def pages() -> list[Page]:
    named = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "api_sources/README.md"]
    named += ["helm/etl-platform/README.md", "packaging/etl-platform-check/README.md"]
    paths = [ROOT / name for name in named]
    return [Page(path) for path in [*paths, *sorted(ROOT.glob("benchmarks/*.md")), *sorted(ROOT.glob("docs/**/*.md"))]]


def problems(page: Page, jobs: set[str]) -> Iterator[str]:
    """Everything that is wrong with a page; ``jobs`` are the names of jobs, sensors and schedules."""
    yield from check_length(page)
    yield from check_links(page)
    yield from check_files(page)
    yield from check_targets(page)
    yield from check_commands(page)
    yield from check_settings(page)
    yield from check_jobs(page, jobs)


def check_length(page: Page) -> Iterator[str]:
    words = len(page.text.split())
    # A changelog only grows.
    if words >= MAX_WORDS and page.name != "CHANGELOG.md":
        yield f"it has {words:,} words; split it, a page has fewer than {MAX_WORDS:,}"


def check_links(page: Page) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.path.parent / path).resolve() if path else page.path
        if not there.exists():
            yield f"the link {target} leads to no file"
        elif anchor and anchor not in Page(there).anchors:
            yield f"the link {target} leads to no heading"


def check_files(page: Page) -> Iterator[str]:
    """Paths from the top of the repository, modules of the package, and names of scripts and modules."""
    made = set(re.findall(r"^`([\w./-]+)`[^\n]*:\n\n```", page.text, re.MULTILINE))
    words = [word for text in [*page.code, *page.typed] for word in re.split(r"[\s'\"=,]+", text)]
    for word in dict.fromkeys(words):
        path = word.rstrip("/:;").removeprefix("./")
        if path in made or re.search(r"[<>*…{}$]|NNNN", path) or Path(path).name in _GENERATED:
            continue
        if re.fullmatch(rf"{_FOLDERS}/[\w./-]+", path):
            # A run's tag looks like a path.
            if not (ROOT / path).exists() and f'"{path}' not in _code():
                yield f"there is no {path}"
        elif module := re.fullmatch(r"etl_platform(?:\.[a-z_]\w*)+", path):
            if page.name != "CHANGELOG.md" and not _is_module(module[0]):
                yield f"there is no module {path}"
        elif re.fullmatch(r"[\w/]+\.(?:py|sh|tf)", path) and not _is_end_of_a_file(path):
            yield f"no file ends in {path}"


def check_targets(page: Page) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in [*page.code, *page.typed]:
        for name in re.findall(r"(?:^|&& |exec )make ([a-z][a-z-]*)", text):
            if name not in targets:
                yield f"there is no target `make {name}`"


def check_commands(page: Page) -> Iterator[str]:
    """What is named must exist with its options; what a reader types must also be complete."""
    for text in page.code:
        if found := _command(text):
            yield from _unknown_parts(found)
    for line in page.typed:
        if (found := _command(line)) and "…" not in line:
            yield from _unknown_parts(found)
            if not _parses(found):
                yield f"`etl-platform {' '.join(found)}` is not a complete command"


def check_settings(page: Page) -> Iterator[str]:
    for text in page.code:
        for name in re.findall(r"(?<![\w.])[A-Z_][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text):
            if name not in settings_names() | _NOT_OURS and not re.search(rf"(?<!\w){name}(?!\w)", _code()):
                yield f"nothing reads the variable {name}"


def check_jobs(page: Page, jobs: set[str]) -> Iterator[str]:
    for text in [*page.code, *page.typed]:
        for name in re.findall(r"\b[a-z]\w*_(?:job|sensor|schedule)\b", text):
            if name not in jobs:
                yield f"there is no {name}"


@cache
def settings_names() -> set[str]:
    return {name for item in fields(Settings) for name in (item.name.upper(), item.metadata["also"]) if name}


@cache
def help_of(*words: str) -> str | None:
    """The help of a command, or of a job with ``run JOB --``; None where there is no such command."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            main([*words, "--help"])
    except SystemExit as end:
        return printed.getvalue() if end.code == 0 else None
    return None


def subcommands(*words: str) -> list[str]:
    """The names below a command, as its help lists them."""
    return re.findall(r"^    ([a-z]+)\b", (help_of(*words) or "").partition("COMMAND\n")[2], re.MULTILINE)


def constant_texts(package: Path) -> list[str]:
    """The texts in a package's code without their variable parts, except very short ones."""
    trees = (ast.parse(path.read_text("utf-8")) for path in sorted(package.rglob("*.py")))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return sorted({node.value.strip() for node in nodes if isinstance(node.value, str) and len(node.value) > 8})


def _command(text: str) -> list[str] | None:
    """The words after ``etl-platform``, or after the alias ``etl``; without brackets and what follows a pipe."""
    match = re.search(r"(?:^|-- )(?:\.venv/bin/)?etl(?:-platform)?(?: (.*))?$", text.split(" | ", maxsplit=1)[0])
    if match is None or not (match[1] or text.strip().endswith("etl-platform")):
        return None
    words = re.sub(r"\"[^\"]*\"|'[^']*'", "TEXT", match[1] or "").replace("…", "")
    return [_PLACEHOLDERS.get(word, word) for word in re.sub(r"[\[\]]", " ", words).split() if word != "COMMAND"]


def _unknown_parts(words: list[str]) -> Iterator[str]:
    path: list[str] = []
    while len(path) < len(words) and words[len(path)] in subcommands(*path):
        path.append(words[len(path)])
    rest = words[len(path) :]
    if path[:1] == ["run"] and rest and rest[0] != "JOB":
        path, rest = [*path, rest[0], "--"], rest[1:]
    known = help_of(*path)
    if known is None or (rest and subcommands(*path) and not rest[0].startswith("-")):
        yield f"`etl-platform {' '.join(words)}`: there is no such command"
        return
    for option in (word.partition("=")[0] for word in rest if re.match(r"--\w", word)):
        if not re.search(rf"{option}\b(?!-)", known):
            yield f"`etl-platform {' '.join(path)}` has no option {option}"


def _parses(words: list[str]) -> bool:
    from etl_platform.cli.main import build_parser

    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            build_parser().parse_args(words)
    except SystemExit as end:
        return end.code == 0
    return True


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@cache
def _files() -> list[str]:
    hidden = (".venv", ".emulator", ".deploy", ".git", ".local", ".dagster")
    return [
        "/" + path.relative_to(ROOT).as_posix()
        for top in ROOT.iterdir()
        if top.name not in hidden
        for path in (top.rglob("*") if top.is_dir() else [top])
    ]


def _is_end_of_a_file(path: str) -> bool:
    return any(name.endswith("/" + path) for name in _files())


@cache
def _code() -> str:
    """The product's code, scripts and deployment, and the tools of its tests."""
    kinds = {".py", ".sh", ".tf", ".yaml", ".yml", ".toml", ".example", ""}
    return "\n".join(
        (ROOT / name[1:]).read_text("utf-8", errors="replace")
        for name in _files()
        if Path(name).suffix in kinds
        and (ROOT / name[1:]).is_file()
        and (not name.startswith("/etl_platform_tests/") or name.endswith("/deploy/tools.py"))
    )
