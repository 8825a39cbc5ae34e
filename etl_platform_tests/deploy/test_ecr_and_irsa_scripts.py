"""ecr_put.sh, renew_base_image.sh and irsa_verify.sh: what is built and pinned, and what a pod's identity must be."""

import re
from pathlib import Path

import pytest

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.script_checkout import BASE, DIGEST, REGISTRY, ROLE, Checkout, make_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


def test_a_commit_that_is_in_ecr_is_not_built_again(checkout: Checkout) -> None:
    checkout.programs.answer("aws", "describe-images", out=f"{DIGEST}\n")

    done = checkout.run("ecr_put.sh")

    assert done.returncode == 0, done.stderr
    assert checkout.image_file.read_text() == f"{REGISTRY}@{DIGEST}\n"
    assert checkout.programs.lines("docker") == []


def test_without_a_login_nothing_is_built(checkout: Checkout) -> None:
    checkout.programs.answer("docker", "login", err="denied", code=1)

    done = checkout.run("ecr_put.sh")

    assert done.returncode == 1
    assert checkout.steps() == ["log in"]
    assert not checkout.image_file.exists()


def test_changes_that_are_not_committed_get_a_tag_of_their_own(checkout: Checkout) -> None:
    checkout.programs.answer("git", "status", out=" M Dockerfile\n")

    checkout.run("ecr_put.sh")

    (build,) = [line for line in checkout.programs.lines("docker") if "buildx build" in line]
    assert re.search(rf"--tag {re.escape(REGISTRY)}:0123456789ab-\d{{14}} ", build)


def test_a_change_to_any_copied_file_changes_the_tag(checkout: Checkout) -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    copied = {path for line in re.findall(r"^COPY ([^-\n].*) \S+$", dockerfile, re.MULTILINE) for path in line.split()}

    checkout.run("ecr_put.sh")

    (asked,) = [line for line in checkout.programs.lines("git") if " status " in line]
    assert len(copied) > 4
    assert copied <= set(asked.partition(" -- ")[2].split())


def test_a_missing_repository_is_created(checkout: Checkout) -> None:
    checkout.programs.answer("aws", "describe-repositories", err="(RepositoryNotFoundException) when", code=254)
    checkout.programs.answer("aws", "create-repository", out=f"{REGISTRY}\n")

    done = checkout.run("ecr_put.sh")

    assert done.returncode == 0, done.stderr
    assert checkout.steps() == ["create repository", "log in", "build"]


def test_any_other_error_of_ecr_stops_the_script(checkout: Checkout) -> None:
    checkout.programs.answer("aws", "describe-repositories", err="(ExpiredToken) log in", code=254)

    done = checkout.run("ecr_put.sh")

    assert done.returncode == 1
    assert "ExpiredToken" in done.stderr
    assert checkout.steps() == []


def test_nothing_is_built_on_a_base_image_that_can_change(checkout: Checkout) -> None:
    (checkout.folder / "Dockerfile").write_text(f"ARG BASE_IMAGE={BASE}\n")

    done = checkout.run("ecr_put.sh")
    assert done.returncode == 1
    assert f"the base image {BASE} has no digest" in done.stderr
    assert "run renew_base_image.sh" in done.stderr
    assert checkout.steps() == []

    assert checkout.run("ecr_put.sh", BASE_IMAGE=f"mirror/{BASE}@{DIGEST}").returncode == 0
    (build,) = [line for line in checkout.programs.lines("docker") if "buildx build" in line]
    assert f"--build-arg BASE_IMAGE=mirror/{BASE}@{DIGEST} " in build


NEWER = "sha256:" + "0a" * 32


def test_the_base_image_is_pinned_to_what_its_tag_is_now(checkout: Checkout) -> None:
    dockerfile = checkout.folder / "Dockerfile"
    before = dockerfile.read_text()
    checkout.programs.answer("docker", f"imagetools inspect {BASE} ", out=f"{NEWER}\n")

    done = checkout.run("renew_base_image.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{BASE}@{NEWER} instead of {BASE}@{DIGEST}; commit the Dockerfile")
    assert dockerfile.read_text() == before.replace(DIGEST, NEWER)

    again = checkout.run("renew_base_image.sh")
    assert again.stdout == f"{BASE}@{NEWER} is still the newest\n"
    assert dockerfile.read_text() == before.replace(DIGEST, NEWER)


def test_the_base_image_can_be_a_mirrors(checkout: Checkout) -> None:
    checkout.programs.answer("docker", f"imagetools inspect registry.example.gov:5000/{BASE} ", out=NEWER)

    done = checkout.run("renew_base_image.sh", BASE_IMAGE=f"registry.example.gov:5000/{BASE}")
    assert done.returncode == 0, done.stderr
    assert f"ARG BASE_IMAGE=registry.example.gov:5000/{BASE}@{NEWER}\n" in (checkout.folder / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("answer", "given", "says"),
    [
        ({"err": "no such host", "code": 1}, "", "the registry did not return python:3.12-slim"),
        ({"out": "latest"}, "", "returned 'latest' instead of a digest"),
        ({"out": NEWER}, "python", "BASE_IMAGE takes an image with a tag"),
        ({"out": NEWER}, "python:3.12|slim", "BASE_IMAGE takes an image with a tag"),
    ],
)
def test_without_a_digest_the_dockerfile_stays(
    checkout: Checkout, answer: dict[str, object], given: str, says: str
) -> None:
    before = (checkout.folder / "Dockerfile").read_text()
    checkout.programs.answer("docker", "imagetools", **answer)

    done = checkout.run("renew_base_image.sh", **({"BASE_IMAGE": given} if given else {}))
    assert done.returncode in {1, 2}
    assert says in done.stderr
    assert (checkout.folder / "Dockerfile").read_text() == before


def test_the_dockerfile_has_the_line_that_the_scripts_look_for() -> None:
    found = re.findall(r"^ARG BASE_IMAGE=(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert [name.partition("@")[0] for name in found] == [BASE]


def irsa(checkout: Checkout) -> None:
    issuer = "oidc.eks.us-gov-west-1.amazonaws.com/id/ABC"
    provider = f"arn:aws-us-gov:iam::123456789012:oidc-provider/{issuer}"
    accounts = [
        f"file-processing-{name}" for name in ("gateway", "metrics", "code", "sa", "retention", "doctor", "commands")
    ]
    checkout.programs.answer("aws", "describe-cluster", out=f"https://{issuer}\n")
    checkout.programs.answer("aws", "list-open-id-connect-providers", issuer, out=f"{provider}\n")
    for account in accounts:
        trust = f'{{"Federated": "{provider}", "sub": "system:serviceaccount:file-processing:{account}"}}'
        checkout.programs.answer("aws", f"get-role --role-name {account}", out=trust)
        role = ROLE.replace("file-processing-sa", account)
        checkout.programs.answer("kubectl", f"get serviceaccount {account}", out=role)
    identity = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/botocore-session-1\n"
    checkout.programs.answer("kubectl", "exec deployment/file-processing-commands", "os.environ", out="\n")
    checkout.programs.answer("kubectl", "exec deployment/file-processing-commands", "get_caller_identity", out=identity)
    checkout.programs.answer("kubectl", "etl-platform doctor", out="ok\n")


def test_irsa_is_verified_from_the_provider_to_the_pod(checkout: Checkout) -> None:
    irsa(checkout)

    done = checkout.run("irsa_verify.sh")

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["provider", *["role"] * 7, "pod", "ok"]


@pytest.mark.parametrize(
    ("answer", "out", "says"),
    [
        (("aws", "list-open-id-connect-providers"), "None\n", "no OIDC provider"),
        (("kubectl", "get serviceaccount file-processing-code"), "", "no eks.amazonaws.com/role-arn"),
        (("aws", "get-role --role-name file-processing-gateway"), "{}", "does not trust"),
        (("kubectl", "os.environ"), "AWS_ACCESS_KEY_ID\n", "AWS_ACCESS_KEY_ID, which override the role"),
        (("kubectl", "get_caller_identity"), "arn:aws-us-gov:sts::1:assumed-role/nodes/i-1\n", "rollout restart"),
    ],
)
def test_a_fault_in_irsa_is_reported(checkout: Checkout, answer: tuple[str, str], out: str, says: str) -> None:
    irsa(checkout)
    checkout.programs.answer(*answer, out=out)

    done = checkout.run("irsa_verify.sh")

    assert done.returncode == 1
    assert says in done.stderr
    assert "etl-platform doctor" not in " ".join(checkout.programs.lines("kubectl"))
