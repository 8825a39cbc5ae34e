"""Declarations of APIs: fields, defaults, and errors with their line."""

from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.engine.contract_folder import read_folder
from etl_platform.engine.errors import ContractError
from etl_platform.errors import SettingsError
from etl_platform.rest_apis.source import ApiSource, Auth, AuthType, Incremental, Pagination, PagingType
from etl_platform.rest_apis.source_folder import SourceFolder, load_source, read_sources
from etl_platform.rest_apis.source_reader import parse_source
from etl_platform.settings import Settings, read_secret
from etl_platform_tests.unit.making import CONTRACTS, contract_of, custom, text

FOLDER = read_folder(CONTRACTS)
SHIPPED = FOLDER.good

FULL = """\
name: academy
description: Courses of the state academy.
agency: nm_albuquerque
base_url: https://api.example.gov/v2/
auth: {type: api_key, secret: ACADEMY_KEY, name: X-Api-Key, in: header}
requests_per_second: 2.5
timeout_seconds: 60
max_pages: 500
resources:
  - dataset: training
    path: /courses
    params: {status: completed, per_page: 100}
    data_path: data.items
    pagination: {type: cursor, param: after, next: ['@odata.next']}
    incremental: {field: updated_at, param: since, initial: 2020-01-01}
  - dataset: complaints
    path: /complaints
    pagination: {type: offset, param: skip, limit: 50, limit_param: take}
"""

SMALL = """\
name: academy
agency: nm_albuquerque
base_url: https://api.example.gov
resources:
  - {dataset: training, path: /courses}
"""


def parse(source: str) -> ApiSource:
    return parse_source(source, "a.yaml", SHIPPED, {"DATABASE_URL"})


def errors_of(folder: Path) -> list[str]:
    return [str(error) for error in read_sources(folder, FOLDER).broken]


def test_every_field_is_read() -> None:
    source = parse(FULL)

    assert (source.name, source.agency, source.base_url) == (
        "academy",
        "nm_albuquerque",
        "https://api.example.gov/v2",
    )
    assert source.auth == Auth(AuthType.API_KEY, "ACADEMY_KEY", None, "X-Api-Key", in_query=False)
    assert (source.requests_per_second, source.timeout_s, source.max_pages) == (2.5, 60, 500)
    courses, complaints = source.resources
    assert (courses.dataset, courses.path, courses.data) == ("training", "/courses", ("data", "items"))
    assert courses.params == {"status": "completed", "per_page": "100"}
    assert courses.pagination == Pagination(PagingType.CURSOR, "after", next=("@odata.next",))
    assert courses.incremental == Incremental("updated_at", "since", "2020-01-01")
    assert complaints.pagination == Pagination(PagingType.OFFSET, "skip", limit=50, limit_param="take")
    assert source.key(complaints) == "from_api/nm_albuquerque/Complaints.csv"


def test_optional_fields_have_defaults() -> None:
    source = parse(SMALL)

    assert source.auth == Auth()
    assert (source.requests_per_second, source.timeout_s, source.max_pages) == (None, 30, 10_000)
    (courses,) = source.resources
    assert (courses.params, courses.data, courses.pagination, courses.incremental) == ({}, (), Pagination(), None)


@pytest.mark.parametrize(
    ("pagination", "expected"),
    [
        ("{type: page}", Pagination(PagingType.PAGE, "page")),
        ("{type: page, param: p, first: 0}", Pagination(PagingType.PAGE, "p", first=0)),
        (
            "{type: page, size: 50, total: meta.total}",
            Pagination(PagingType.PAGE, "page", size=50, total=("meta", "total")),
        ),
        ("{type: none, total: count}", Pagination(total=("count",))),
        ("{type: offset}", Pagination(PagingType.OFFSET, "offset")),
        ("{type: cursor, next: next}", Pagination(PagingType.CURSOR, "cursor", next=("next",))),
        ("{type: link}", Pagination(PagingType.LINK)),
        ("{type: link, next: links.next}", Pagination(PagingType.LINK, next=("links", "next"))),
        ("{type: none}", Pagination()),
    ],
)
def test_each_type_of_pagination_has_its_own_fields(pagination: str, expected: Pagination) -> None:
    source = parse(SMALL.replace("/courses}", f"/courses, pagination: {pagination}}}"))

    assert source.resources[0].pagination == expected


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost/x", "http://[::1]:80", "https://a.example"])
def test_http_is_allowed_only_for_loopback(url: str) -> None:
    assert parse(SMALL.replace("https://api.example.gov", url)).base_url == url


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("name: academy", "name: Academy!", 1, "name must be a lower-case letter"),
        ("name: academy", "nam: academy", 1, "unknown field nam; did you mean name?"),
        ("name: academy\n", "", 1, "missing: name"),
        ("agency: nm", "agency: nm/../x", 2, "agency 'nm/../x_albuquerque' must have only letters"),
        ("https://api", "http://api", 3, "base_url must use https"),
        ("https://api", "http://127.0.0.1.evil", 3, "base_url must use https"),
        ("https://api", "https://joe:pw@api", 3, "base_url must not contain a user"),
        ("example.gov", "example.gov?key=1", 3, "without a query"),
        ("https://api.example.gov", "https://[", 3, "base_url is not a valid URL"),
        ("https://api.example.gov", "https://a:port", 3, "base_url is not a valid URL"),
        ("https://api.example.gov", "file:///etc/passwd", 3, "base_url must be https://host"),
        ("resources:\n  - {dataset: training, path: /courses}", "resources: []", 4, "at least one entry"),
        ("dataset: training", "dataset: trainings", 5, "did you mean training?"),
        ("path: /courses", "path: courses", 5, "path must be a path that begins with /"),
        ("path: /courses", "path: '/courses?x=1'", 5, "without a query"),
        ("path: /courses", "path: /courses, params: [1]", 5, "params must be a mapping"),
        ("path: /courses", "path: /courses, params: {a: true}", 5, "write true and false in quotes"),
        ("path: /courses", "path: /courses, data_path: 'a b'", 5, "data_path must be names"),
        (
            "path: /courses",
            "path: /courses, pagination: {type: pages}",
            5,
            "a type: one of none, page, offset",
        ),
        ("path: /courses", "path: /courses, pagination: page", 5, "must have a type: one of"),
        ("path: /courses", "path: /courses, pagination: {type: cursor}", 5, "missing: next"),
        ("path: /courses", "path: /courses, pagination: {type: page, limit: 5}", 5, "unknown field limit"),
        ("path: /courses", "path: /courses, pagination: {type: offset, limit: 0}", 5, "limit must be a whole number"),
        ("path: /courses", "path: /courses, pagination: {type: page, param: 'a b'}", 5, "param must be the name"),
        ("path: /courses", "path: /courses, incremental: {field: x}", 5, "missing: param"),
        ("path: /courses", "path: /courses, incremental: {field: x, param: y, initial: []}", 5, "initial must be"),
        ("resources:", "auth: {type: bearer}\nresources:", 4, "missing: secret"),
        ("resources:", "auth: {type: bearer, secret: my-token}\nresources:", 4, "in upper case"),
        ("resources:", "auth: {type: bearer, secret: DATABASE_URL}\nresources:", 4, "a setting of the platform"),
        (
            "resources:",
            "auth: {type: bearer, secret: AWS_SECRET_ACCESS_KEY}\nresources:",
            4,
            "the secret of an API",
        ),
        ("resources:", "auth: {type: bearer, token: abc}\nresources:", 4, "unknown field token"),
        ("resources:", "auth: {type: oauth, secret: A}\nresources:", 4, "one of none, bearer, api_key, basic"),
        ("resources:", "requests_per_second: 0\nresources:", 4, "requests_per_second must be a number"),
        ("resources:", "requests_per_second: .nan\nresources:", 4, "requests_per_second must be a number"),
        ("resources:", "timeout_seconds: 1.5\nresources:", 4, "timeout_seconds must be a whole number"),
        ("resources:", "max_pages: yes\nresources:", 4, "max_pages must be a whole number"),
        ("resources:", f"max_pages: {'9' * 400}\nresources:", 4, "max_pages must be a whole number"),
        ("resources:", "name: again\nresources:", 4, "this key is repeated"),
    ],
)
def test_an_error_has_file_and_line(old: str, new: str, line: int, message: str) -> None:
    assert old in SMALL
    with pytest.raises(ContractError) as raised:
        parse(SMALL.replace(old, new))

    assert str(raised.value).startswith(f"a.yaml:{line}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("step", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}"])
def test_nested_aliases_are_refused_before_they_are_expanded(step: str) -> None:
    grown = "".join(f"a{n}: &a{n} {step.format(n - 1)}\n" for n in range(1, 40))
    with pytest.raises(ContractError, match="more than 100,000 values"):
        parse(f"{SMALL}\na0: &a0 {{x: 1}}\n{grown}")


def test_incremental_needs_a_primary_key() -> None:
    bag = contract_of([text("name")], dataset="bag")
    source = SMALL.replace("training, path: /courses", "bag, path: /x, incremental: {field: x, param: y}")

    with pytest.raises(ContractError, match="incremental needs a primaryKey"):
        parse_source(source, "a.yaml", {"bag": bag})


@pytest.mark.parametrize(
    "options",
    [
        {"servers": [{"server": "s", "type": "s3", "location": "s3://b/x", "delimiter": "|"}]},
        {"servers": [{"server": "s", "type": "s3", "location": "s3://b/x", "encoding": "cp1252"}]},
        {"customs": custom(headerLine=3)},
    ],
)
def test_a_contract_with_another_file_format_is_refused(options: dict[str, object]) -> None:
    contract = contract_of([text("name")], dataset="bag", **options)  # type: ignore[arg-type]

    with pytest.raises(ContractError, match="records of an API are landed as UTF-8 CSV"):
        parse_source(SMALL.replace("training", "bag"), "a.yaml", {"bag": contract})


def test_a_contract_with_the_format_of_snapshots_is_accepted() -> None:
    server = {"server": "s", "type": "s3", "location": "s3://b/x", "delimiter": ",", "encoding": "utf-8"}
    contract = contract_of([text("name")], dataset="bag", servers=[server])

    assert parse_source(SMALL.replace("training", "bag"), "a.yaml", {"bag": contract}).resources[0].dataset == "bag"


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(SMALL.replace("academy", "second").replace("nm_", "tx_"))
    (tmp_path / "a.yml").write_text(SMALL)
    (tmp_path / "README.md").write_text("not one")

    assert [source.name for source in read_sources(tmp_path, FOLDER).good] == ["academy", "second"]

    assert errors_of(tmp_path) == []


def test_declarations_that_clash_are_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text(SMALL.replace("academy", "second").replace("nm_", "tx_"))
    (tmp_path / "c.yaml").write_text(SMALL.replace("academy", "third"))
    assert [source.name for source in read_sources(tmp_path, FOLDER).good] == ["second"]
    assert errors_of(tmp_path) == [
        f"{tmp_path}/a.yml: training of nm_albuquerque is already filled by {tmp_path}/c.yaml; remove one of them",
        f"{tmp_path}/c.yaml: training of nm_albuquerque is already filled by {tmp_path}/a.yml; remove one of them",
    ]
    (tmp_path / "c.yaml").write_text(SMALL.replace("nm_", "fl_"))
    assert [error.rpartition(": ")[2] for error in errors_of(tmp_path)] == [
        f"the name academy is already used by {tmp_path}/c.yaml; choose another name",
        f"the name academy is already used by {tmp_path}/a.yml; choose another name",
    ]
    twice = FULL.replace("name: academy", "name: c").replace("agency: nm_", "agency: fl_")
    (tmp_path / "c.yaml").write_text(twice.replace("dataset: complaints", "dataset: training"))
    assert [error.rpartition(": ")[2] for error in errors_of(tmp_path)] == [
        f"training of fl_albuquerque is already filled by {tmp_path}/c.yaml; remove one of them"
    ]


def test_an_api_whose_contract_is_in_error_is_set_aside_with_it(tmp_path: Path) -> None:
    contracts, apis = tmp_path / "contracts", tmp_path / "apis"
    contracts.mkdir()
    apis.mkdir()
    (contracts / "training.odcs.yaml").write_text("kind: [")
    (contracts / "complaints.odcs.yaml").write_text((CONTRACTS / "complaints.odcs.yaml").read_text("utf-8"), "utf-8")
    (apis / "a.yaml").write_text(SMALL)
    (apis / "b.yaml").write_text(SMALL.replace("training", "complaints").replace("academy", "second"))
    (apis / "c.yaml").write_bytes(b"\xff")

    found = read_sources(apis, read_folder(contracts))

    assert [source.name for source in found.good] == ["second"]
    assert [(Path(error.path).name, error.line) for error in found.broken] == [("a.yaml", 5), ("c.yaml", None)]
    assert f"the contract of training is in error: {contracts}/training.odcs.yaml:" in str(found.broken[0])


def test_a_setting_of_the_platform_is_refused_as_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SMALL.replace("resources:", "auth: {type: bearer, secret: DAGSTER_POSTGRES_URL}\nresources:"))

    with pytest.raises(ContractError, match="a setting of the platform"):
        load_source(path, FOLDER)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_sources(tmp_path / "none", FOLDER)


def test_the_shipped_folder_declares_no_api() -> None:
    assert read_sources(Settings().api_sources_dir, FOLDER) == SourceFolder()


def test_the_identity_depends_on_the_declaration_but_not_on_credentials() -> None:
    source = parse(FULL)
    same = parse(FULL.replace("ACADEMY_KEY", "NEW_KEY").replace("max_pages: 500", "max_pages: 9"))
    other = parse(FULL.replace("status: completed", "status: open"))

    assert source.identity(source.resources[0]) == same.identity(same.resources[0])
    assert source.identity(source.resources[0]) != other.identity(other.resources[0])
    assert source.identity(source.resources[0]) != source.identity(source.resources[1])


def test_a_secret_is_read_from_the_environment_or_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="the secret ACADEMY_KEY is not set"):
        read_secret("ACADEMY_KEY")
    (tmp_path / ".env").write_text("ACADEMY_KEY=from file\n")
    assert read_secret("ACADEMY_KEY") == "from file"
    monkeypatch.setenv("ACADEMY_KEY", " from environment\n")
    assert read_secret("ACADEMY_KEY") == "from environment"


def test_the_command_checks_a_file_or_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "apis"
    folder.mkdir()
    monkeypatch.setenv("API_SOURCES_DIR", str(folder))
    assert main(["api", "check"]) == 0
    assert "no API is declared in this folder" in capsys.readouterr().out

    (folder / "a.yaml").write_text(FULL)
    (folder / "b.yaml").write_text(SMALL.replace("academy", "b").replace("https", "http"))
    (folder / "c.yaml").write_text(SMALL.replace("academy", "c"))
    assert main(["api", "check"]) == 2
    printed = capsys.readouterr()
    assert "a.yaml: academy of nm_albuquerque, training, complaints" in printed.out
    assert "b.yaml:3: base_url must use https" in printed.err
    assert "c.yaml: training of nm_albuquerque is already filled" in printed.err
    assert main(["api", "check", str(folder / "a.yaml")]) == 0
