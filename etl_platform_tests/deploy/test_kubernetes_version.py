"""The Kubernetes that Terraform sets up by default is in EKS's standard support for some time to come."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import yaml

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.helm_chart import KUBERNETES

SUPPORT = REPOSITORY / "infra" / "deploy" / "eks_support.yaml"
_NOTICE: Final = timedelta(days=60)
"""As much as AWS gives; an upgrade goes one minor version at a time."""


def problem(version: str, today: date) -> str:
    """What is wrong with a default version on a day; empty if nothing is."""
    ends: dict[str, date] = yaml.safe_load(SUPPORT.read_text())
    if version not in ends:
        return f"{version} is not in {SUPPORT.name}; add the end of its standard support"
    if today > ends[version] - _NOTICE:
        return (
            f"standard support of Kubernetes {version} ends on {ends[version]}; renew {SUPPORT.name}, and set a later "
            "version as the default of kubernetes_version in infra/file_processing/terraform/variables.tf"
        )
    return ""


def test_the_default_kubernetes_is_in_standard_support_for_60_more_days() -> None:
    assert problem(KUBERNETES.removesuffix(".0"), datetime.now(UTC).date()) == ""


def test_the_end_of_support_is_reported_60_days_ahead() -> None:
    assert problem("1.36", date(2027, 6, 3)) == ""
    assert problem("1.36", date(2027, 6, 4)).startswith("standard support of Kubernetes 1.36 ends on 2027-08-02; ")
    assert problem("1.33", date(2026, 11, 30)) != ""
    assert problem("1.99", date(2026, 11, 30)).startswith("1.99 is not in eks_support.yaml")


def test_the_dates_are_in_the_order_of_the_versions() -> None:
    ends: dict[str, date] = yaml.safe_load(SUPPORT.read_text())
    assert list(ends.values()) == sorted(ends.values())
    minors = [int(version.partition(".")[2]) for version in ends]
    assert minors == list(range(minors[0], minors[0] + len(minors)))
