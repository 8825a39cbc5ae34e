"""ecr_put.sh and irsa_verify.sh: what is built and pinned, and what a pod's identity is held against."""

import re
from pathlib import Path

import pytest

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.script_checkout import DIGEST, REGISTRY, ROLE, Checkout, make_checkout


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


def irsa(checkout: Checkout) -> None:
    issuer = "oidc.eks.us-gov-west-1.amazonaws.com/id/ABC"
    provider = f"arn:aws-us-gov:iam::123456789012:oidc-provider/{issuer}"
    accounts = [f"file-processing-{name}" for name in ("gateway", "metrics", "code", "sa", "doctor", "commands")]
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
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["provider", *["role"] * 6, "pod", "ok"]


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
